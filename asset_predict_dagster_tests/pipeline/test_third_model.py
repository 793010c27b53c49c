"""A third model is one file and one line: its asset, its tuning and its registration follow."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asset_predict_dagster_tests.models import small_learner
from asset_predict_dagster_tests.pipeline.conftest import AS_OF, Workplace

ROOT = Path(__file__).parents[2]

SETTINGS = '''

from pydantic import BaseModel, ConfigDict, Field


class LeastSquaresSettings(BaseModel):
    """Every knob of least squares.

    Attributes
    ----------
    ridge
        What is added to the diagonal.
    seed
        Stands in the card; nothing here is random.
    """

    model_config = ConfigDict(extra="forbid")
    ridge: float = Field(0.0, ge=0)
    seed: int = Field(42, ge=0)


class LeastSquaresModel(LeastSquares):
    def __init__(self, feature_names, settings):
        super().__init__(feature_names, settings.seed)
        self.settings = settings.model_dump()
'''

LINE = (
    '    "least_squares": Kind("least_squares:LeastSquaresModel",'
    ' "least_squares:LeastSquaresSettings", FOREST_FEATURES[:5],'
    ' space={"ridge": search_space.Range(0.0, 1.0)}, summary="Least squares.",'
    ' made_with=("numpy",)),\n'
)

PROGRAM = """
import json
import dagster as dg
from asset_predict_dagster.definitions import defs
from asset_predict_dagster.models.kinds import MODEL_NAMES
from asset_predict_dagster.registry.store import Registry
from asset_predict_dagster.settings import load_settings

key = dg.AssetKey("least_squares_model")
asset = defs.resolve_asset_graph().get(key)
instance = dg.DagsterInstance.ephemeral()
tuned = defs.resolve_job_def("tune").execute_in_process(
    instance=instance,
    run_config={"ops": {"tuned_settings": {"config": {"model": "least_squares", "n_trials": 2}}}},
)
config = {"preset": "least_squares", "ridge": 0.5}
trained = defs.resolve_implicit_global_asset_job_def().execute_in_process(
    instance=instance,
    asset_selection=[key],
    run_config={"ops": {"least_squares_model": {"config": config}}},
)
version = Registry(load_settings().registry_database).challenger("least_squares")
card = json.loads((load_settings().bundles / version.bundle / "card.json").read_text())
print(json.dumps({
    "models": MODEL_NAMES,
    "group": asset.group_name,
    "description": asset.description,
    "kinds": sorted(asset.kinds),
    "pools": sorted(asset.pools),
    "ran": [tuned.success, trained.success],
    "version": version.version,
    "n_trials": card["n_trials"],
    "settings": card["settings"],
}))
"""


@pytest.fixture
def package(tmp_path) -> Path:
    """The project's package with one more file and one more line."""
    copy = tmp_path / "program" / "asset_predict_dagster"
    shutil.copytree(
        ROOT / "asset_predict_dagster", copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    learner = Path(small_learner.__file__).read_text()
    (copy / "models" / "least_squares.py").write_text(learner + SETTINGS)
    kinds = copy / "models" / "kinds.py"
    lines = kinds.read_text().splitlines(keepends=True)
    place = lines.index("KINDS: Mapping[str, Kind] = {\n") + 1
    lines.insert(place + lines[place:].index("}\n"), LINE)
    kinds.write_text("".join(lines))
    return copy.parent


def test_a_third_model_is_tuned_trained_and_registered(finished: Workplace, package, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            **kept,
            "PYTHONPATH": str(package),
            "OMP_NUM_THREADS": "1",
            "ASSET_PREDICT_DATA": str(folder),
            "ASSET_PREDICT_LAKE": finished.settings.lake_root,
            "ASSET_PREDICT_AS_OF": str(AS_OF),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "models": ["random_forest", "lstm", "least_squares"],
        "group": "models",
        "description": "Least squares.",
        "kinds": ["numpy"],
        "pools": ["training"],
        "ran": [True, True],
        "version": "1",
        "n_trials": 2,
        "settings": {"ridge": 0.5, "seed": 42},
    }
    assert (folder / "presets" / "least_squares.json").exists()
