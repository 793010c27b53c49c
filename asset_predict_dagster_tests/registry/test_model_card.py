"""A model's card says what it is and what it is worth, from its bundle and its evaluation."""

from dataclasses import replace

import pandas as pd
import pytest

from asset_predict_dagster.evaluation.verdict import Verdict
from asset_predict_dagster.models.bundle import Bundle
from asset_predict_dagster.models.experiment import Experiment
from asset_predict_dagster.registry.model_card import model_card, write_model_card
from asset_predict_dagster_tests.evaluation.verdict_rows import evaluated

VERDICT = Verdict(
    "random_forest",
    "12",
    "holdout",
    "no_skill",
    "random_forest has not shown skill: the interval reaches 0.",
    "From 2021-10-14 to 2024-02-20 it has not shown that it knows more than tomorrow = today.",
    ("Survivorship: every figure is too good.",),
)


def bundle(digest: str, until: str, n_rows: int) -> Bundle:
    card = {
        "model": "random_forest",
        "feature_names": ["log_return_1d", "my_own"],
        "feature_formulas": {"log_return_1d": "ln(close t / close t-1)", "my_own": None},
        "lookback": 1,
        "horizons": [1, 2, 3, 4, 5],
        "experiment": Experiment(label_width=0.7).as_card(),
        "window": "holdout",
        "settings": {"n_estimators": 100, "max_depth": None},
        "seed": 42,
        "lake_versions": {"quotes": 7, "features": 12},
        "code_version": "0.6.0",
        "training_sessions": ["2012-01-03", until],
        "n_training_rows": n_rows,
        "n_trials": 22,
        "validation": {
            "first_session": "2019-05-15",
            "last_session": "2021-09-27",
            "n_rows": 30000,
        },
    }
    return Bundle(digest, card, b"")


JUDGED, SERVING = bundle("a" * 64, "2019-04-26", 90000), bundle("b" * 64, "2024-02-16", 160000)


@pytest.fixture
def evaluation():
    rows = evaluated(version="12")
    naive = {"log_loss": "prior", "accuracy": "majority", "directional_accuracy": "always_up"}
    return rows.assign(naive_name=rows["metric"].map(naive).fillna("naive"))


@pytest.fixture
def card(evaluation):
    return model_card("12", JUDGED, SERVING, evaluation, VERDICT)


def test_the_card_opens_with_the_verdict(card):
    lines = card.splitlines()
    assert lines[0] == "# random_forest, version 12"
    assert lines[2] == f"**{VERDICT.headline}**"
    assert lines[4] == VERDICT.paragraph


def test_both_trainings_are_told_apart(card):
    assert "| measured version | 2012-01-03 to 2019-04-26, 90,000 rows |" in card
    assert "| serving version | 2012-01-03 to 2024-02-16, 160,000 rows |" in card
    assert f"| bundle that serves | {'b' * 64} |" in card
    assert f"| bundle that was measured | {'a' * 64} |" in card


def test_figures_are_those_of_the_evaluation_beside_the_naive_one(card):
    assert "| rank IC | 0.0315 [0.0160, 0.0480] | 0.0000 (naive) | 0.0273 (momentum) |" in card
    assert "| log-loss | 1.0829 [1.0770, 1.0890] | 1.0864 (prior) |" in card
    assert "2021-10-14 to 2024-02-20" in card


def test_figures_that_look_further_ahead_say_so(card, evaluation):
    assert "2021-10-14 to 2024-02-20, of the next session. In brackets" in card
    later = evaluation["horizon"].mask(evaluation["metric"] == "log_loss", 5)
    card = model_card("12", JUDGED, SERVING, evaluation.assign(horizon=later), VERDICT)
    assert "of the next session unless a metric says how many ahead. In brackets" in card
    assert "| log-loss, 5 sessions | 1.0829" in card
    assert "| rank IC | 0.0315" in card


def test_what_it_was_made_of_is_there(card):
    for line in (
        "| n_estimators | 100 |",
        "| log_return_1d | ln(close t / close t-1) |",
        "| my_own | not of the catalogue |",
        "| lake versions | features 12, quotes 7 |",
        "| variants tried, this one included | 31 |",
        "| differs from the default by | label_width=0.7 |",
        "- Survivorship: every figure is too good.",
    ):
        assert line in card


def test_a_version_that_was_not_measured_says_so(evaluation):
    other = evaluation.assign(model_version="11")
    card = model_card("12", JUDGED, None, other)
    assert "None: this version was not measured in the window `holdout`." in card
    assert "**Not judged yet**" in card
    assert "| serving version | none |" in card
    nothing = model_card("12", JUDGED, None, pd.DataFrame(columns=list(evaluation)))
    assert "was not measured" in nothing


def test_names_that_would_break_the_page_are_shown_as_they_are(evaluation):
    hostile = replace(VERDICT, paragraph="<script>x</script>\nsecond line", warnings=("a | b",))
    settings = {**JUDGED.card, "settings": {"a|b": "<img src=x>"}}
    card = model_card("12", Bundle("c", settings, b""), None, evaluation, hostile)
    assert "<script" not in card
    assert "<img" not in card
    assert "&lt;script>x&lt;/script> second line" in card
    assert "| a\\|b | &lt;img src=x> |" in card
    assert "- a \\| b" in card


def test_the_card_is_written_whole(tmp_path, evaluation, card):
    path = tmp_path / "cards" / "random_forest.md"
    assert write_model_card(path, "12", JUDGED, SERVING, evaluation, VERDICT) == path
    assert path.read_text(encoding="utf-8") == card
    assert [file.name for file in path.parent.iterdir()] == ["random_forest.md"]
