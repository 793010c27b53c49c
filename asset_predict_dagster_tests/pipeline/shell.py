"""A person's shell on a workplace: what is typed, what is printed, and the exit code."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from asset_predict_dagster.cli import main
from asset_predict_dagster_tests.pipeline.conftest import Workplace

WIDTH = 80
ROOT = Path(__file__).parents[2]

Typed = Callable[..., tuple[int, str, str]]


def environment(place: Workplace, home: Path | None = None) -> dict[str, str]:
    """The variables that make the program work on a workplace."""
    settings = place.settings
    said = {
        "ASSET_PREDICT_DATA": str(settings.data),
        "ASSET_PREDICT_AS_OF": str(settings.as_of),
        "ASSET_PREDICT_SIGNAL_STRENGTH": str(settings.signal_strength),
        "COLUMNS": str(WIDTH),
    }
    return said if home is None else {**said, "DAGSTER_HOME": str(home)}


def home_in(folder: Path) -> Path:
    """A folder for DAGSTER_HOME."""
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return home


def copy_of(place: Workplace, folder: Path) -> Workplace:
    """The same data in another folder, to be changed."""
    shutil.copytree(place.settings.data, folder / "data")
    settings = place.settings.model_copy(update={"data": folder / "data"})
    return Workplace(settings, place.instance, place.models)


def typing_in(patch: pytest.MonkeyPatch, variables: dict[str, str], capsys) -> Typed:
    """Type `asset-predict ...` with these variables and none of the project's others."""
    for name in list(os.environ):
        if name.startswith("ASSET_PREDICT_") or name in ("DAGSTER_HOME", "SEED", "FORCE_COLOR"):
            patch.delenv(name)
    for name, value in variables.items():
        patch.setenv(name, value)

    def run(*words: str) -> tuple[int, str, str]:
        patch.setattr(sys, "argv", ["asset-predict", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out, printed.err

    return run


def process(variables: dict[str, str], folder: Path, *words: str) -> subprocess.CompletedProcess:
    """The program in a process of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "asset_predict_dagster", *words],
        env={**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables},
        cwd=folder,
        capture_output=True,
        timeout=600,
        check=False,
    )


def assert_fits(text: str) -> None:
    assert "…" not in text
    assert max((len(line) for line in text.splitlines()), default=0) <= WIDTH
