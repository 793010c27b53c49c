"""A small market and small models, whose jobs run in processes of their own."""

import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import dagster as dg
import yaml

from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.settings import load_settings
from asset_predict_dagster.tables import CHAMPIONS
from asset_predict_dagster_tests.pipeline.conftest import STRONG, Workplace, config_of

INSTANCE = Path(__file__).parents[2] / "dagster.yaml"

TRAINED_ON, NEXT = date(2019, 12, 30), date(2020, 1, 2)
"""The session that the first champions are trained on, and the one after it."""

TINY = {
    "random_forest": {"n_estimators": 10, "max_depth": 6},
    "lstm": {"n_seeds": 1, "epochs": 3, "units": 16, "lookback": 8},
}


def workplace(folder: Path, as_of: date) -> Workplace:
    """The workplace of a folder, made if it is not there, with an instance for processes."""
    home = folder / "dagster_home"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(INSTANCE, home / "dagster.yaml")
    settings = load_settings(data=folder / "data", as_of=as_of, signal_strength=STRONG)
    return Workplace(settings, dg.DagsterInstance.from_config(str(home)), TINY)


def copy_of(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target


def started(folder: Path, job: str, as_of: date) -> subprocess.Popen[bytes]:
    """`dagster job execute` in its own process group; what it says is in `<folder>/log`."""
    command = [str(Path(sys.executable).parent / "dagster"), "job", "execute"]
    command += ["-m", "asset_predict_dagster.definitions", "-j", job]
    if job != "daily_prediction":
        config = folder / "small_models.yaml"
        config.write_text(yaml.safe_dump(config_of(**TINY)))
        command += ["-c", str(config)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            env=environment(folder, as_of),
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def environment(folder: Path, as_of: date) -> dict[str, str]:
    return {
        **os.environ,
        "DAGSTER_HOME": str(folder / "dagster_home"),
        "ASSET_PREDICT_DATA": str(folder / "data"),
        "ASSET_PREDICT_AS_OF": str(as_of),
        "ASSET_PREDICT_SOURCE": "simulated",
        "ASSET_PREDICT_SIGNAL_STRENGTH": str(STRONG),
        "OMP_NUM_THREADS": "1",
    }


def said(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")


def refuse_what_points_nowhere(place: Workplace) -> None:
    """Every alias names a version whose bundles load, and so does the table of champions."""
    registry = Registry(place.settings.registry_database)
    for model in registry.models():
        # Each raises where the alias is gone, or names a version that is not there.
        for version in (registry.serving(model), registry.challenger(model)):
            load_bundle(place.settings.bundles, version.bundle)
            load_bundle(place.settings.bundles, version.evaluation_bundle)
    for row in place.lake.read(CHAMPIONS).itertuples():
        load_bundle(place.settings.bundles, row.bundle)
