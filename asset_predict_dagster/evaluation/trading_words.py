"""A backtest's figures in words: what each is called, and how its number is written."""

import math

from asset_predict_dagster.evaluation.metric_words import ABSENT

_LABELS = {
    "gross_annual_return": "return a year, before costs",
    "net_annual_return": "return a year, after costs",
    "gross_volatility": "volatility a year, before costs",
    "volatility": "volatility a year",
    "sharpe_gross": "Sharpe ratio, before costs",
    "sharpe_net": "Sharpe ratio, after costs",
    "probabilistic_sharpe_ratio": "probability that it is above 0",
    "deflated_sharpe_ratio": "the same, told how many were tried",
    "max_drawdown": "deepest drawdown",
    "hit_rate": "sessions with a gain",
    "turnover": "turnover of a session",
    "cost_bps": "cost of what is traded",
    "break_even_bps": "cost at which nothing is left",
    "long_exposure": "held long",
    "short_exposure": "held short",
    "n_positions": "positions",
    "n_sessions": "sessions",
}

_DIGITS = {"sharpe_gross": 2, "sharpe_net": 2, "n_positions": 1, "n_sessions": 0}

MEANINGS = (
    (
        "Sharpe ratio",
        "mean return over its standard deviation, a year. The probability that it is above 0 takes"
        " sessions as independent; told how many variants were tried (deflated), it asks whether"
        " the best of as many lucky ones would look as good",
    ),
    (
        "turnover",
        "what is bought and sold in a session, as a share of the equity: 200 % replaces all of it",
    ),
    (
        "cost at which nothing is left",
        "basis points (1/100 of a percent) that each real traded could have cost before the gain"
        " before costs was gone; compare it with the cost of what is traded",
    ),
    ("drawdown", "how far the equity was below its highest so far"),
)
"""For the report's list of words."""


def trading_label(metric: str) -> str:
    """What a figure is called; one that has no words here by its name, in spaces.

    >>> trading_label("sharpe_net")
    'Sharpe ratio, after costs'
    """
    return _LABELS.get(metric, metric.replace("_", " "))


def trading_number(metric: str, value: float) -> str:
    """A figure for people: ratios and counts as they are, costs in basis points, shares in percent.

    >>> trading_number("net_annual_return", -0.0412), trading_number("break_even_bps", 3.24)
    ('-4.1 %', '3.2 bp')
    >>> trading_number("sharpe_net", 0.384), trading_number("n_sessions", 745)
    ('0.38', '745')
    """
    if not math.isfinite(value):
        return ABSENT
    if metric in _DIGITS:
        return f"{value:z,.{_DIGITS[metric]}f}"
    return f"{value:z.1f} bp" if metric.endswith("_bps") else f"{100 * value:z.1f} %"
