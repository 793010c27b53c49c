"""The notebook runs from its first cell to its last on a finished market; its figures are true."""

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from asset_predict_dagster.b3_model import B3Model
from asset_predict_dagster_tests.pipeline.conftest import Workplace
from asset_predict_dagster_tests.pipeline.shell import environment

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks/market_and_forecasts.ipynb"

FOUND = """
import json
print(json.dumps({
    "ticker": ticker,
    "path": path["predicted_price"].tolist(),
    "rank_ic": {model: rank_ic.mean() for model, rank_ic in by_session.items()},
}))
"""
"""A cell more, which tells the tests what the others found."""


@pytest.fixture(scope="module")
def executed(finished: Workplace, tmp_path_factory) -> nbformat.NotebookNode:
    """Its cells with what they put out; one that raises ends the tests here."""
    book = nbformat.read(NOTEBOOK, as_version=4)
    book.cells.append(nbformat.v4.new_code_cell(FOUND))
    folder = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        # The kernel inherits them: nothing of whoever runs the tests, and no file in their home.
        for name in list(os.environ):
            if name.startswith("ASSET_PREDICT_") or name == "MPLBACKEND":
                patch.delenv(name)
        for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(folder / name.lower()))
        for name, value in environment(finished).items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", str(ROOT))
        where = {"metadata": {"path": str(NOTEBOOK.parent)}}
        return NotebookClient(book, timeout=300, kernel_name="python3", resources=where).execute()


@pytest.fixture(scope="module")
def found(executed: nbformat.NotebookNode) -> dict:
    return json.loads(executed.cells[-1].outputs[0]["text"])


def outputs(book: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [out for cell in book.cells for out in cell.get("outputs", [])]


def test_every_cell_shows_something_and_none_warns(executed):
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.source for cell in code if not cell.outputs] == []
    assert [out["text"] for out in outputs(executed) if out.get("name") == "stderr"] == []
    assert sum("image/png" in out.get("data", {}) for out in outputs(executed)) == 3


def test_its_own_rank_ic_is_the_one_that_the_evaluation_has(found, finished: Workplace):
    """Reckoned with pandas in one line, from the forecasts beside what came true."""
    model = B3Model(finished.settings)
    for name, asked in (("lstm", "lstm"), ("random_forest", "rf")):
        figures = model.evaluate(asked)
        said = figures[(figures["metric"] == "rank_ic") & (figures["horizon"] == 1)]
        assert found["rank_ic"][name] == pytest.approx(said["value"].iloc[0], abs=1e-9)


def test_its_forecast_is_that_of_the_model_which_serves(found, finished: Workplace):
    said = B3Model(finished.settings).predict(found["ticker"], "lstm", days_ahead=10)
    assert found["path"] == said["predicted_price"].tolist()


def test_it_is_kept_without_outputs():
    kept = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(kept)
    assert outputs(kept) == []
    assert {cell.execution_count for cell in kept.cells if cell.cell_type == "code"} == {None}
