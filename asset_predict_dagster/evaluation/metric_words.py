"""Metrics in words: what each is called, what it means, and how its number is written.

Whatever a person reads (the report, a model's card) takes its words and its digits from here, so
that two documents cannot name or round one figure differently.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from asset_predict_dagster.evaluation.metrics import METRICS

Unit = Literal["number", "share", "reais"]

ABSENT = "–"


@dataclass(frozen=True)
class Words:
    """`meaning` is half a sentence for someone who has not seen the name before."""

    label: str
    meaning: str
    unit: Unit = "number"


_NAMED = {
    "rank_ic": Words(
        "rank IC",
        "do tickers ranked higher rise more? Spearman's correlation, within each session, of the"
        " model's order with the returns a person could still trade on, averaged over sessions;"
        " 0 is chance, 1 a perfect order",
    ),
    "rank_ic_next_close": Words(
        "rank IC, next close", "the same with the return to the next close"
    ),
    "rank_icir": Words("rank ICIR", "mean of the daily rank IC divided by its standard deviation"),
    "rank_ic_t": Words(
        "t of rank IC",
        "rank IC in standard errors (Newey-West); beyond 2 is unlikely luck",
    ),
    "ic": Words("IC", "as rank IC, with Pearson's correlation"),
    "icir": Words("ICIR", "mean of the daily IC divided by its standard deviation"),
    "mae_return": Words("MAE of the return", "mean absolute error", "share"),
    "rmse_return": Words("RMSE of the return", "root of the mean squared error", "share"),
    "r2_return": Words(
        "R² of the return", "share of the returns' variance explained; 0 is their mean"
    ),
    "directional_accuracy": Words(
        "direction right",
        "how often the sign of the expected move was the sign of the move",
        "share",
    ),
    "mae_price": Words("MAE of the price", "mean absolute error in reais", "reais"),
    "rmse_price": Words("RMSE of the price", "root of the mean squared error in reais", "reais"),
    "mape_price": Words(
        "MAPE of the price", "mean absolute error as a share of the price", "share"
    ),
    "r2_price": Words(
        "R² of the price",
        "looks like 0.99 for anybody who says that tomorrow is today: prices differ far more"
        " between tickers than from day to day. It shows no skill",
    ),
    "interval_coverage": Words(
        "coverage",
        "share of outcomes inside the 90 % interval; 90 % is right",
        "share",
    ),
    "interval_width": Words(
        "width of the interval", "mean width, as a share of the price", "share"
    ),
    "accuracy": Words(
        "accuracy", "how often the likeliest of buy, hold and sell was right", "share"
    ),
    "balanced_accuracy": Words(
        "balanced accuracy",
        "mean over buy, hold and sell of the share of each that was found; a third is chance",
        "share",
    ),
    "log_loss": Words(
        "log-loss",
        "surprise at what happened, given the probabilities: 0 had it certain, 1.10 gave each of"
        " three actions a third",
    ),
    "brier": Words("Brier score", "mean squared error of the probabilities"),
    "expected_calibration_error": Words(
        "calibration error",
        "how far probabilities are from the shares that happen",
        "share",
    ),
}

_OF_AN_ACTION = {
    "precision": "of the rows called so, the share that were",
    "recall": "of the rows that were so, the share called so",
    "f1": "harmonic mean of precision and recall",
}


def words_of(metric: str) -> Words:
    """The words of a metric; of one that has none here its name, in spaces."""
    known = _NAMED.get(metric)
    if known is not None:
        return known
    kind, _, action = metric.partition("_")
    if kind in _OF_AN_ACTION and action:
        return Words(f"{kind} of {action}", _OF_AN_ACTION[kind], "share")
    return Words(metric.replace("_", " "), "")


def at_horizon(name: str, horizon: int) -> str:
    """A metric's name, and how many sessions ahead it looks where that is not the next one.

    >>> at_horizon("rank_ic", 1), at_horizon("log_loss", 5)
    ('rank_ic', 'log_loss, 5 sessions')
    """
    return name if horizon == 1 else f"{name}, {horizon} sessions"


def how_far_ahead(horizons: Iterable[int]) -> str:
    """What figures are of whose metrics are named by `at_horizon`.

    >>> how_far_ahead([1, 1]), how_far_ahead([1, 5])
    ('of the next session', 'of the next session unless a metric says how many ahead')
    """
    return "of the next session" + (
        "" if set(horizons) <= {1} else " unless a metric says how many ahead"
    )


def glossary(metrics: tuple[str, ...]) -> list[tuple[str, str]]:
    """Label and meaning of each metric, in the order given."""
    return [(words_of(metric).label, words_of(metric).meaning) for metric in metrics]


def written(value: float | None, unit: Unit = "number") -> str:
    """A number for people: shares in percent, reais to a tenth of a centavo.

    >>> written(0.01234), written(0.41128, "share"), written(0.4312, "reais"), written(None)
    ('0.0123', '41.13 %', 'R$ 0.431', '–')
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    if unit == "share":
        return f"{100 * value:z.2f} %"
    return f"R$ {value:z.3f}" if unit == "reais" else f"{value:z.4f}"


def measured(metric: str, value: float, low: float, high: float) -> str:
    """A metric and its 95 % interval.

    >>> measured("rank_ic", 0.0302, 0.0201, 0.0403)
    '0.0302 [0.0201, 0.0403]'
    >>> measured("accuracy", 0.41, float("nan"), float("nan"))
    '41.00 %'
    """
    return between(written(value, words_of(metric).unit), low, high, words_of(metric).unit)


def advantage(metric: str, skill: float, low: float, high: float) -> str:
    """The skill over a rival: of a loss the share it is lower by, of a score the difference.

    >>> advantage("log_loss", 0.009, 0.004, 0.014)
    '+0.90 % [0.40 %, 1.40 %]'
    >>> advantage("rank_ic", -0.002, -0.01, 0.006)
    '-0.0020 [-0.0100, 0.0060]'
    """
    is_loss = metric in METRICS and METRICS[metric].better == "less"
    unit: Unit = "share" if is_loss else words_of(metric).unit
    if not math.isfinite(skill):
        return ABSENT
    said = written(skill, unit)
    is_above = skill > 0 and any(digit in said for digit in "123456789")
    return between(f"+{said}" if is_above else said, low, high, unit)


def between(said: str, low: float, high: float, unit: Unit = "number") -> str:
    """What is said of a number, and its interval where there is one."""
    if said == ABSENT or not (math.isfinite(low) and math.isfinite(high)):
        return said
    return f"{said} [{written(low, unit)}, {written(high, unit)}]"


def chance(p_value: float) -> str:
    """A p-value for people: how often chance alone makes a difference as large.

    >>> chance(0.0312), chance(0.00004), chance(float("nan"))
    ('0.031', 'below 0.001', '–')
    """
    if not math.isfinite(p_value):
        return ABSENT
    return "below 0.001" if p_value < 0.001 else f"{p_value:.3f}"
