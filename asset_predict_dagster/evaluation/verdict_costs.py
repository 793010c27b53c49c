"""What the verdict says of costs: is anything left, and for which portfolio.

Only a long-short portfolio can show that something is left. A long-only one also earns what the
market earns, so its figures stand beside and decide nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from asset_predict_dagster.evaluation.backtest import Backtest

SURELY = 0.95
"""Deflated Sharpe ratio above which the number of trials does not explain it."""


@dataclass(frozen=True)
class Portfolio:
    """A backtest as the verdict reads it; `figures` are `Backtest.figures`, by metric."""

    name: str
    side: str
    n_trials: int
    figures: pd.DataFrame

    def figure(self, metric: str, column: str = "value") -> float:
        return float(self.figures[column][metric])

    @property
    def earns_beyond_luck(self) -> bool:
        """Long-short; the 95 % interval of the net Sharpe ratio lies above 0; and the deflated one,
        which knows how many variants were tried, is above .95.
        """
        return (
            self.side == "long_short"
            and self.figure("sharpe_net", "low") > 0
            and self.figure("deflated_sharpe_ratio") > SURELY
        )


def portfolios(backtests: Sequence[Backtest]) -> list[Portfolio]:
    return [
        Portfolio(b.strategy.name, b.strategy.side, b.n_trials, b.figures().set_index("metric"))
        for b in backtests
    ]


def before_or_after(tried: Sequence[Portfolio]) -> str:
    """Of skill that was shown: where it is left, as a clause for the headline."""
    if not tried:
        return "before costs, which were not measured"
    is_left = any(portfolio.earns_beyond_luck for portfolio in tried)
    return "before and after costs" if is_left else "before costs only"


def costs_in_words(tried: Sequence[Portfolio]) -> str:
    """One sentence: the net Sharpe ratio, what trading earned, and what it paid.

    Of the long-short portfolios; of the others where there are no such.
    """
    if not tried:
        return "No cost is deducted."
    is_left = any(portfolio.earns_beyond_luck for portfolio in tried)
    told = "something is left" if is_left else "nothing is shown to be left"
    deciding = [portfolio for portfolio in tried if portfolio.side == "long_short"] or tried
    clauses = (
        f"{portfolio.name} has {_net_sharpe(portfolio)}, earning"
        f" {portfolio.figure('break_even_bps'):.1f} bp of what it trades and paying"
        f" {portfolio.figure('cost_bps'):.1f}"
        for portfolio in deciding
    )
    return f"After costs {told}: {'; '.join(clauses)}."


def luck_in_words(tried: Sequence[Portfolio]) -> list[str]:
    """One sentence a portfolio: how likely its net Sharpe ratio is more than luck."""
    sentences = []
    for portfolio in tried:
        luck = "above 0"
        if portfolio.n_trials > 1:
            luck = f"above what the best of {portfolio.n_trials:,} variants has by luck"
        market = " The market's own rise is in it." if portfolio.side == "long_only" else ""
        sentences.append(
            f"{portfolio.name} after costs: {_net_sharpe(portfolio)}, truly {luck} with a"
            f" probability of {portfolio.figure('deflated_sharpe_ratio'):.2f} (deflated Sharpe"
            f" ratio).{market}"
        )
    return sentences


def _net_sharpe(portfolio: Portfolio) -> str:
    value, low, high = (portfolio.figure("sharpe_net", name) for name in ("value", "low", "high"))
    return f"Sharpe ratio {value:.2f} ({low:.2f} to {high:.2f})"
