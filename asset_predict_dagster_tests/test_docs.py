"""What the documents name exists: a document that names a file lies within a year otherwise."""

import re
import tomllib
from pathlib import Path

import pytest

from asset_predict_dagster.dataset.features import CATALOGUE, FEATURE_NAMES
from asset_predict_dagster.dataset.model_columns import FOREST_FEATURES, LSTM_FEATURES
from asset_predict_dagster.settings import Settings
from asset_predict_dagster.tables import TABLES

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_and_python_file_a_document_names_is_there(document: Path):
    text = document.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []
    files = re.findall(r"`((?:[a-z_]+/)*[a-z_0-9]+\.py)`", text)
    assert [name for name in files if not list(ROOT.glob(f"**/{name}"))] == []


def test_the_readme_lists_every_table():
    text = (ROOT / "README.md").read_text()
    assert [name for name in TABLES if f"`{name}`" not in text] == []


def test_the_readme_lists_every_setting_and_no_other():
    text = (ROOT / "README.md").read_text()
    listed = set(re.findall(r"^\| `([A-Z_0-9]+)` \|", text, flags=re.MULTILINE))
    assert listed == {field.alias for field in Settings.model_fields.values()}


def test_the_readme_counts_the_features_right():
    text = (ROOT / "README.md").read_text()
    assert f"{len(FEATURE_NAMES)} scale-free columns for models" in text
    assert f"the forest reads {len(FOREST_FEATURES)}, the LSTM {len(LSTM_FEATURES)}" in text
    assert f"{len(CATALOGUE) - len(FEATURE_NAMES)} for people and charts" in text


def test_every_make_target_the_readme_names_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make ([a-z]+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert {"demo", "dev", "test", "proofs"} <= set(targets)
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


def test_every_dependency_says_what_it_is_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    reasons = (ROOT / "docs/decisions/0002-dependencies.md").read_text().lower()
    names = [re.split(r"[<>=\[]", dependency)[0] for dependency in project["dependencies"]]
    assert [name for name in names if name.lower() not in reasons] == []


def test_every_dependency_is_pinned_among_the_versions_tested():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        re.sub(r"[-_.]+", "-", line.split("==")[0]).lower()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"], *extras["api"], *extras["yahoo"]]
    names = [re.sub(r"[-_.]+", "-", re.split(r"[<>=\[]", one)[0]).lower() for one in wanted]
    assert [name for name in names if name not in pinned] == []
