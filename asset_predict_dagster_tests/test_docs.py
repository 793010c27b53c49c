"""What the documents name exists: a document that names a file lies within a year otherwise."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import typer

from asset_predict_dagster.cli import app as commands
from asset_predict_dagster.dataset.features import CATALOGUE, FEATURE_NAMES
from asset_predict_dagster.dataset.model_columns import FOREST_FEATURES, LSTM_FEATURES
from asset_predict_dagster.market.simulated_companies import PAPERS
from asset_predict_dagster.service.app import create_app
from asset_predict_dagster.settings import Settings, load_settings
from asset_predict_dagster.tables import TABLES

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.pt-br.md")
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


def test_the_readme_says_the_defaults_that_settings_have():
    text = (ROOT / "README.md").read_text()
    said = dict(re.findall(r"^\| `([A-Z_0-9]+)` \| `([^`<]+)` \|", text, flags=re.MULTILINE))
    fields = {field.alias: field.default for field in Settings.model_fields.values()}
    for name, value in ((name, fields[name]) for name in said):
        shown = ",".join(value) if isinstance(value, tuple) else str(value)
        assert said[name] == (shown.lower() if isinstance(value, bool) else shown), name
    unsaid = {name for name, value in fields.items() if value and name not in said}
    assert unsaid == {"ASSET_PREDICT_B3_ARCHIVE"}  # "B3's address"


@pytest.mark.parametrize("kind", ["jobs", "schedules", "sensors"])
def test_the_readme_lists_every_job_schedule_and_sensor(kind: str):
    answers = json.loads(
        (ROOT / "asset_predict_dagster_tests/answers/definitions.json").read_text()
    )
    assert set(answers[kind]) <= _named_in_first_columns("README.md")


def test_the_readme_lists_every_command():
    every = set(typer.main.get_command(commands).commands)
    assert every <= _named_in_first_columns("README.md")


def test_the_readme_lists_every_route():
    named = _named_in_first_columns("README.md")
    paths = create_app(load_settings()).openapi()["paths"]
    paths = {re.sub(r"^/api/models/", "/models/", path) for path in paths}
    assert [one for one in paths if not {one, one.removeprefix("/api/b3")} & named] == []


def _named_in_first_columns(readme: str) -> set[str]:
    """What stands in backticks there, without the verb of a route."""
    cells = " ".join(first for first, _ in _rows(readme))
    return {name.rpartition(" ")[2] for name in re.findall(r"`([^`]+)`", cells)}


def _rows(readme: str) -> list[tuple[str, int]]:
    """First cell and number of cells of each row of a table; of its head the number alone."""
    lines = _without_code((ROOT / readme).read_text()).splitlines()
    found = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("|"):
            cells = line.strip("|").split("|")
            found.append(("" if following.startswith("|---") else cells[0].strip(), len(cells)))
    return found


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def _headings(readme: str) -> list[int]:
    text = _without_code((ROOT / readme).read_text())
    return [len(marks) for marks in re.findall(r"^(#+) ", text, flags=re.MULTILINE)]


def _code(readme: str) -> list[str]:
    """Its blocks without what is said in them for the reader alone."""
    blocks = re.findall(r"^```.*?^```$", (ROOT / readme).read_text(), flags=re.M | re.S)
    return [re.sub(r" +# .*", "", block) for block in blocks]


def _links(readme: str) -> list[str]:
    text = _without_code((ROOT / readme).read_text())
    found = re.findall(r"\]\(([^)]+)\)|<(https?://[^>]+)>", text)
    return sorted(one for pair in found for one in pair if one and one not in READMES)


@pytest.mark.parametrize("part", [_headings, _code, _rows, _links])
def test_both_languages_have_the_same(part):
    english, portuguese = (part(readme) for readme in READMES)
    assert english == portuguese


def test_each_language_names_the_same_tables_settings_checks_and_values():
    """A paragraph that one of them lacks would take its names along."""
    english, portuguese = (
        set(re.findall(r"`([^`\n]+)`", _without_code((ROOT / readme).read_text())))
        for readme in READMES
    )
    assert english ^ portuguese == set()


def test_both_languages_count_the_papers_of_the_demo():
    for readme, counted in zip(READMES, ("{} papers that", "{} papéis que"), strict=True):
        assert counted.format(len(PAPERS)) in (ROOT / readme).read_text()


def test_each_language_leads_to_the_other_at_once():
    for readme, other in (READMES, READMES[::-1]):
        assert f"]({other})" in (ROOT / readme).read_text().split("\n\n")[1]


def test_the_pictures_are_small_and_said_to_be_simulated():
    for readme, word in zip(READMES, ("simulated market", "mercado simulado"), strict=True):
        shown = re.findall(
            r"!\[[^]]+\]\(([^)]+)\)\n\n\*(.+?)\*\n\n", (ROOT / readme).read_text(), re.S
        )
        assert [picture for picture, _ in shown] == [
            "docs/pictures/lineage.png",
            "docs/pictures/report.png",
        ]
        assert all((ROOT / picture).stat().st_size < 300_000 for picture, _ in shown)
        assert all(word in " ".join(caption.split()) for _, caption in shown)


@pytest.mark.parametrize(
    ("readme", "for_models", "read", "for_people"),
    [
        (
            "README.md",
            "{} scale-free columns for models",
            "the forest reads {}, the LSTM {}",
            "{} for people and charts",
        ),
        (
            "README.pt-br.md",
            "{} colunas sem escala para os modelos",
            "a floresta lê {}, a LSTM {}",
            "{} para pessoas e gráficos",
        ),
    ],
    ids=READMES,
)
def test_the_readme_counts_the_features_right(readme, for_models, read, for_people):
    text = (ROOT / readme).read_text()
    assert for_models.format(len(FEATURE_NAMES)) in text
    assert read.format(len(FOREST_FEATURES), len(LSTM_FEATURES)) in text
    assert for_people.format(len(CATALOGUE) - len(FEATURE_NAMES)) in text


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
