"""The verdict: what a report says of a model before it shows a single figure.

One paragraph for a reader who is no statistician: does the model beat the naive forecast out of
sample, by how much, how sure, after costs or only before, and what would make it wrong. What may
be claimed is decided in `skill_claim` by one test declared there; here it is put into words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.evaluation.backtest import Backtest
from asset_predict_dagster.evaluation.impossible_skill import impossible_figures
from asset_predict_dagster.evaluation.skill_claim import (
    SAME_DAY_LABEL,
    Claim,
    at_every_horizon,
    claim_of,
    measured,
    n_sessions,
)
from asset_predict_dagster.evaluation.verdict_costs import (
    Portfolio,
    before_or_after,
    costs_in_words,
    portfolios,
)
from asset_predict_dagster.evaluation.verdict_warnings import needs_a_reason, warnings_of


@dataclass(frozen=True)
class Verdict:
    """What a report opens with.

    Attributes
    ----------
    claim
        `skill`, `no_skill`, `impossible` (look for a leak) or `not_judged`.
    headline
        One line.
    paragraph
        Plain words with the numbers in them, about 120 at most.
    warnings
        One sentence each: what would make the verdict wrong.
    """

    model: str
    model_version: str
    window: str
    claim: Claim
    headline: str
    paragraph: str
    warnings: tuple[str, ...]


def judge(
    evaluation: pd.DataFrame,
    model: str,
    model_version: str,
    window: str,
    *,
    backtests: Sequence[Backtest] = (),
    n_trials: int = 1,
    label: str = "forward_return",
    planted_strength: float | None = None,
) -> Verdict:
    """Judge one version of a model in one window.

    The one test: skill is claimed if the mean daily rank IC against the tradable return lies above
    0 by its 95 % block-bootstrap interval and by 1.96 Newey-West errors, and the log-loss is not
    worse than the class prior's beyond doubt. Everything else is told and claims nothing; what no
    honest forecast reaches, at any horizon, is called impossible (`impossible_skill`).

    Parameters
    ----------
    evaluation
        Rows of `tables.EVALUATION`. Windows inside the judged one (the half-years of a
        walk-forward) are read as well, for how steady it was.
    backtests
        Of this version in this window, one per strategy; none: costs are said to be unknown.
    n_trials
        Variants that were tried before this one was chosen, itself included.
    label
        What buy, hold and sell meant (`Experiment.label`).
    planted_strength
        Signal strength of a simulated market; None: real prices, or not known.

    Raises
    ------
    DatasetError
        If the version was not evaluated in the window.
    """
    rows = measured(evaluation, model, model_version, window)
    every = at_every_horizon(evaluation, model, model_version, window)
    claim, reasons = claim_of(rows, label=label, found=impossible_figures(every, planted_strength))
    tried = portfolios(backtests)
    sentences = [_OPENINGS[claim](model, rows, reasons, label)]
    if claim in ("skill", "no_skill"):
        sentences.append(_lead(rows, evaluation, window))
        sentences += [_price_level(rows), costs_in_words(tried), _risk(planted_strength)]
    return Verdict(
        model=model,
        model_version=model_version,
        window=window,
        claim=claim,
        headline=_headline(claim, model, rows, reasons, tried, planted_strength),
        paragraph=" ".join(sentence for sentence in sentences if sentence),
        warnings=warnings_of(
            evaluation,
            rows,
            claim,
            tried=tried,
            n_trials=n_trials,
            label=label,
            planted_strength=planted_strength,
        ),
    )


def _headline(
    claim: Claim,
    model: str,
    rows: pd.DataFrame,
    reasons: list[str],
    tried: Sequence[Portfolio],
    planted_strength: float | None,
) -> str:
    if claim == "skill":
        doubt = needs_a_reason(rows, planted_strength)
        said = f"{model} has shown skill {before_or_after(tried)}: {_rank_ic(rows)}."
        return f"{said} {doubt}" if doubt else said
    if claim == "no_skill":
        return f"{model} has not shown skill, {_rank_ic(rows)}: {reasons[0]}."
    if claim == "impossible":
        return f"Impossible skill, so look for a leak: {reasons[0]}."
    return f"{model} is not judged: {reasons[0]}."


def _on_skill(model: str, rows: pd.DataFrame, reasons: list[str], label: str) -> str:
    return (
        f"{_when(rows)} {model} ordered the next session's returns better than chance, and tomorrow"
        f" = today cannot order them: {_rank_ic(rows)}. Of two stocks, its favourite did better"
        f" about {_times_in_100(rows):.1f} times in 100 (a coin: 50)."
    )


def _on_no_skill(model: str, rows: pd.DataFrame, reasons: list[str], label: str) -> str:
    return (
        f"{_when(rows)} {model} has not shown that it knows more than tomorrow = today:"
        f" {'; '.join(reasons)}. Chance is 0, and it has {_rank_ic(rows)}."
    )


def _on_the_impossible(model: str, rows: pd.DataFrame, reasons: list[str], label: str) -> str:
    if label == SAME_DAY_LABEL:
        what_to_do = (
            f"The label {SAME_DAY_LABEL} is a function of the same day's features: who is right"
            " about it has predicted nothing."
        )
    else:
        what_to_do = (
            "Look for a label made of the same day, a feature that knows a later session, or test"
            " sessions that were learned from; `asset-predict leaks` looks for them too. Until it"
            " is found, believe no figure of this model."
        )
    return (
        f"{_when(rows)} {model} knows more than an honest forecast can: {'; '.join(reasons[:3])}."
        f" {what_to_do}"
    )


def _on_nothing(model: str, rows: pd.DataFrame, reasons: list[str], label: str) -> str:
    told = (
        " Accuracy on it says nothing: a model that is always right has predicted nothing."
        if label == SAME_DAY_LABEL
        else ""
    )
    return f"{_when(rows)} {model} is not judged: {reasons[0]}.{told} No skill is claimed."


_OPENINGS: dict[Claim, Callable[[str, pd.DataFrame, list[str], str], str]] = {
    "skill": _on_skill,
    "no_skill": _on_no_skill,
    "impossible": _on_the_impossible,
    "not_judged": _on_nothing,
}


def _when(rows: pd.DataFrame) -> str:
    first = pd.Timestamp(rows["first_session"].min()).date()
    last = pd.Timestamp(rows["last_session"].max()).date()
    return f"From {first} to {last} ({n_sessions(rows):,} sessions)"


def _rank_ic(rows: pd.DataFrame) -> str:
    ic = rows.loc["rank_ic"]
    return f"rank IC {ic['value']:.4f} (95 % interval {ic['low']:.4f} to {ic['high']:.4f})"


def _times_in_100(rows: pd.DataFrame) -> float:
    """How often the higher ranked of two does better, if scores and returns were normal.

        100 (1/2 + arcsin(2 sin(π r / 6)) / π),  r the rank IC

    Source: Kruskal (1958), "Ordinal measures of association".
    """
    correlation = 2 * np.sin(np.pi * rows.loc["rank_ic", "value"] / 6)
    return float(100 * (0.5 + np.arcsin(correlation) / np.pi))


_CHANCE = 0.05


def _lead(rows: pd.DataFrame, evaluation: pd.DataFrame, window: str) -> str:
    """The lead over the best of the orders that need no model, and ridge by name."""
    ic, said = rows.loc["rank_ic"], []
    if pd.notna(ic["best_baseline"]):
        is_shown = ic["skill_low"] > 0 and not ic["p_value"] >= _CHANCE
        said.append(
            f"its lead over {ic['best_baseline']}, which needs no model, is"
            f" {'' if is_shown else 'not '}shown: {ic['skill']:+.4f} ({ic['skill_low']:.4f} to"
            f" {ic['skill_high']:.4f})"
        )
    ridge = evaluation[
        (evaluation["model"] == "ridge")
        & (evaluation["window"] == window)
        & (evaluation["horizon"] == ic["horizon"])
        & (evaluation["metric"] == "rank_ic")
    ]
    if len(ridge) and rows["model"].iloc[0] != "ridge":
        said.append(f"ridge, a linear model, has {ridge['value'].iloc[0]:.4f}")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}." if said else ""


def _price_level(rows: pd.DataFrame) -> str:
    """R² and mean error of the predicted price: high for anybody, so both are shown."""
    if not {"r2_price", "mape_price"} <= set(rows.index):
        return ""
    r2, error = rows.loc["r2_price"], rows.loc["mape_price"]
    return (
        f"Its price R² of {r2['value']:.4f} is no skill: tomorrow = today has"
        f" {r2['naive_value']:.4f} (mean errors {100 * error['value']:.2f} and"
        f" {100 * error['naive_value']:.2f} %)."
    )


def _risk(planted_strength: float | None) -> str:
    if planted_strength is not None:
        return "The market is simulated: nothing here is about B3."
    return "Luck, other years or survivors could make this wrong: see the warnings."
