"""What would make a verdict wrong, one sentence each."""

from collections.abc import Sequence

import pandas as pd

from asset_predict_dagster.evaluation.sharpe import expected_maximum_sharpe
from asset_predict_dagster.evaluation.skill_claim import (
    SAME_DAY_LABEL,
    Claim,
    n_sessions,
    windows_within,
)
from asset_predict_dagster.evaluation.verdict_costs import Portfolio, luck_in_words
from asset_predict_dagster.models.average import AVERAGE, AVERAGED

NEEDS_A_REASON = 0.036
"""A rank IC on B3's stocks above what hundreds of tried variants have shown out of sample."""

FEW_SESSIONS = 252
"""A year: below, an interval of 95 % holds the truth about 92 % of the time (dataset/bootstrap)."""

COVERAGE = 0.9

SEEN = (pd.Timestamp("2018-01-01"), pd.Timestamp("2024-02-22"))
"""Sessions of B3 that the project had scored before it settled its defaults (docs/LOG.md)."""


def warnings_of(
    evaluation: pd.DataFrame,
    rows: pd.DataFrame,
    claim: Claim,
    *,
    tried: Sequence[Portfolio],
    n_trials: int,
    label: str,
    planted_strength: float | None,
) -> tuple[str, ...]:
    """Sentences, those about the market first; `rows` are from `skill_claim.measured`."""
    found = [_of_the_market(planted_strength), *_of_years_seen(rows, planted_strength)]
    if label == SAME_DAY_LABEL:
        found.append(
            f"The label {SAME_DAY_LABEL} is known at the close of its own day: buy, hold and sell"
            " predict nothing here."
        )
    if n_sessions(rows) < FEW_SESSIONS:
        found.append(
            f"{n_sessions(rows)} sessions are less than a year: intervals of so few are too narrow."
        )
    if claim in ("skill", "no_skill"):
        found += _of_the_rank_ic(rows, n_trials, planted_strength)
        found += _of_windows(evaluation, rows)
        found += _of_probabilities(rows)
        found += _of_intervals(rows)
        found += luck_in_words(tried)
    return tuple(found)


def _of_the_market(planted_strength: float | None) -> str:
    if planted_strength is None:
        return (
            "Survivorship: if the data hold only papers that still trade, every figure is too good."
        )
    return (
        f"The market is simulated with a planted signal of {planted_strength:g}: the figures say"
        " that the code works, and nothing about B3."
    )


def _of_years_seen(rows: pd.DataFrame, planted_strength: float | None) -> list[str]:
    first, last = rows["first_session"].min(), rows["last_session"].max()
    is_ours = rows["model"].iloc[0] in (AVERAGE, *AVERAGED)
    if planted_strength is not None or not is_ours or last < SEEN[0] or first > SEEN[1]:
        return []
    return [
        "Years looked at before: the default settings were chosen on 2014 to 2017 of 58 B3 papers,"
        " and the forest's bins on 2019-05 to 2021-09; 2018 to 2024-02 had been scored, and 2021-10"
        " to 2024-02 looked at twice, before this test was declared. Figures of these years"
        " confirm nothing new about the defaults."
    ]


def needs_a_reason(rows: pd.DataFrame, planted_strength: float | None) -> str:
    """The doubt about a rank IC, one session ahead, above what has held up on B3; or nothing."""
    ic = rows.loc["rank_ic", "value"]
    if planted_strength is not None or not ic > NEEDS_A_REASON:
        return ""
    return (
        f"A rank IC of {ic:.4f} needs a reason: none above {NEEDS_A_REASON} held up on B3's stocks,"
        " so look for a leak first."
    )


def _of_the_rank_ic(rows: pd.DataFrame, n_trials: int, planted_strength: float | None) -> list[str]:
    doubt, t = needs_a_reason(rows, planted_strength), rows.loc["rank_ic_t", "value"]
    found = [doubt] if doubt else []
    if n_trials > 1:
        # Of variants that know nothing t has unit variance, as the formula of Sharpe ratios asks.
        luck = expected_maximum_sharpe(n_trials, 1.0)
        found.append(
            f"{n_trials:,} variants were tried: the best of as many that know nothing would be"
            f" {luck:.1f} errors above 0; this one is {t:.1f}"
            f"{'' if t > luck else ', which luck explains'}."
        )
    return found


def _of_windows(evaluation: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    model, version = rows["model"].iloc[0], rows["model_version"].iloc[0]
    windows = windows_within(evaluation, model, version, rows).dropna(subset="value")
    if len(windows) < 2:
        return ["One window tells nothing of other years; a walk-forward does."]
    worst = windows.loc[windows["value"].idxmin()]
    n_positive = int((windows["value"] > 0).sum())
    return [
        f"How steady: the rank IC was above 0 in {n_positive} of {len(windows)} windows; the"
        f" weakest is {worst['window']} with {worst['value']:.4f}."
    ]


def _of_probabilities(rows: pd.DataFrame) -> list[str]:
    loss, prior = rows.loc["log_loss", "value"], rows.loc["log_loss", "naive_value"]
    if not loss > prior:
        return []
    return [
        "Its probabilities of buy, hold and sell are no better than the class frequencies"
        f" (log-loss {loss:.4f} against {prior:.4f}): do not act on them."
    ]


def _of_intervals(rows: pd.DataFrame) -> list[str]:
    if "interval_coverage" not in rows.index:
        return []
    held = rows.loc["interval_coverage"]
    if not (held["low"] > COVERAGE or held["high"] < COVERAGE):
        return []
    wide = "narrow" if held["value"] < COVERAGE else "wide"
    return [
        f"Its 90 % intervals held {100 * held['value']:.1f} % of the outcomes: they are too {wide}."
    ]
