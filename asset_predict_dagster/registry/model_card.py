"""The model card: one page of Markdown on what a version is, what it is for, and its worth.

It says nothing of its own: settings, sessions and digests are the bundle's card, figures are rows
of `evaluation` in the report's words and digits, and what may be claimed is the verdict's.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from asset_predict_dagster.evaluation.evaluate import headline
from asset_predict_dagster.evaluation.metric_words import how_far_ahead
from asset_predict_dagster.evaluation.report_tables import HEADLINE_COLUMNS, headline_rows
from asset_predict_dagster.evaluation.review import trials
from asset_predict_dagster.evaluation.verdict import Verdict
from asset_predict_dagster.evaluation.whole_file import replace_file
from asset_predict_dagster.models.bundle import Bundle
from asset_predict_dagster.models.experiment import Experiment

_NOT_FOR = (
    "Not for trading without a person's judgement, and no investment advice: no figure here is a"
    " promise, and what is shown before costs may be gone after them.",
    "Not for tickers outside the universe of a session, nor for markets other than B3's spot market"
    " in standard lots.",
)


def model_card(
    version: str,
    judged: Bundle,
    serving: Bundle | None,
    evaluation: pd.DataFrame,
    verdict: Verdict | None = None,
) -> str:
    """The card of one registered version, as Markdown.

    Parameters
    ----------
    version
        Its number in the registry.
    judged
        The evaluation bundle, which knows the training sessions alone; every figure is of it.
    serving
        The bundle that serves, fitted once more on every labelled session; None: there is none.
    evaluation
        Rows of `tables.EVALUATION`; those of this version in the window of its card are shown. A
        version that was not measured has no figures, and the card says so.
    verdict
        Of this version in that window; None: it was not judged.
    """
    card = judged.card
    model, window = str(card["model"]), str(card["window"])
    rows = evaluation[evaluation["window"] == window]
    parts = [
        f"# {_plain(model)}, version {_plain(version)}",
        *_verdict(verdict),
        "## What it is",
        _table(("what", "value"), _what_it_is(judged, serving)),
        "## What it learned from",
        _table(("what", "value"), _learned_from(card, serving)),
        "## What it is for",
        _list(
            (
                "To order the liquid stocks of B3 by what they may do in the next sessions, and to"
                " say how sure it is: buy, hold or sell with probabilities, an expected return, and"
                " an interval that should hold 90 % of outcomes.",
                *_NOT_FOR,
            )
        ),
        "## Figures out of sample",
        *_figures(model, version, window, rows),
        "## Limits",
        _list(verdict.warnings if verdict and verdict.warnings else ("None were established.",)),
        "## Settings",
        _table(("setting", "value"), sorted(card["settings"].items())),
        "## Features",
        _table(
            ("feature", "formula"),
            [
                (name, card["feature_formulas"].get(name) or "not of the catalogue")
                for name in card["feature_names"]
            ],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def write_model_card(
    path: Path,
    version: str,
    judged: Bundle,
    serving: Bundle | None,
    evaluation: pd.DataFrame,
    verdict: Verdict | None = None,
) -> Path:
    """Write `model_card(...)` to `path` in one step, and return `path`."""
    return replace_file(path, model_card(version, judged, serving, evaluation, verdict))


def _verdict(verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return ["**Not judged yet**: no verdict stands behind this version."]
    return [f"**{_plain(verdict.headline)}**", _plain(verdict.paragraph)]


def _what_it_is(judged: Bundle, serving: Bundle | None) -> list[tuple[str, Any]]:
    card = judged.card
    definition = card["experiment"]
    scope = Experiment.from_card(definition).scope
    return [
        ("model", card["model"]),
        ("forecasts", _sessions(card["horizons"]) + " ahead"),
        ("its action is judged", _sessions([definition["horizon"]]) + " ahead"),
        ("buy, hold and sell mean", f"{definition['label']}, width {definition['label_width']:g}"),
        ("differs from the default by", scope or "nothing"),
        ("features", len(card["feature_names"])),
        ("sessions it looks back", card["lookback"]),
        ("seed", card["seed"]),
        ("variants tried, this one included", _n_tried(card)),
        ("code version", card["code_version"]),
        ("bundle that serves", serving.digest if serving else "none"),
        ("bundle that was measured", judged.digest),
    ]


def _n_tried(card: Mapping[str, Any]) -> int:
    """As the verdict is told: what the defaults were chosen from counts too."""
    model = str(card["model"])
    return trials(model, {model: int(card.get("n_trials", 1))})


def _learned_from(card: Mapping[str, Any], serving: Bundle | None) -> list[tuple[str, Any]]:
    said = [
        ("measured version", _span(card)),
        ("serving version", _span(serving.card) if serving else "none"),
    ]
    validation = card.get("validation")
    if validation:
        said.append(
            (
                "validation, which stopped and calibrated it",
                f"{validation['first_session']} to {validation['last_session']},"
                f" {validation['n_rows']:,} rows",
            )
        )
    versions = card["lake_versions"]
    lake = ", ".join(f"{table} {number}" for table, number in sorted(versions.items()))
    return [*said, ("lake versions", lake or "not recorded")]


def _figures(model: str, version: str, window: str, rows: pd.DataFrame) -> list[str]:
    mine = rows[(rows["model"] == model) & (rows["model_version"] == version)]
    if mine.empty:
        return [f"None: this version was not measured in the window `{_plain(window)}`."]
    first, last = mine["first_session"].min(), mine["last_session"].max()
    shown = headline_rows(rows, {(model, version): model})
    columns = [name for name in HEADLINE_COLUMNS if name != "model"]
    return [
        f"Window `{_plain(window)}`, {first:%Y-%m-%d} to {last:%Y-%m-%d},"
        f" {how_far_ahead(headline(mine)['horizon'])}. In brackets: 95 % intervals. Skill is"
        " measured against the best that can be said without a model; ridge, a linear model, stands"
        " apart, to show what a simple one reaches.",
        _table(columns, [(row[0], *row[2:]) for row in shown]),
    ]


def _sessions(horizons: Sequence[int]) -> str:
    said = ", ".join(map(str, horizons))
    return f"{said} session{'' if list(horizons) == [1] else 's'}"


def _span(card: Mapping[str, Any]) -> str:
    first, last = card["training_sessions"]
    return f"{first} to {last}, {card['n_training_rows']:,} rows"


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_plain(cell) for cell in line)} |" for line in lines)


def _list(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {_plain(sentence)}" for sentence in sentences)


def _plain(value: Any) -> str:
    """One line that Markdown shows as it is: no cell ends early, no tag begins."""
    said = " ".join(str(value).split())
    return said.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
