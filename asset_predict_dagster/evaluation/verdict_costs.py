"""What the verdict says of money: is anything earned, is it left after costs, by which portfolio.

Skill is about order: a rank IC above chance need not be a gain. Only a long-short portfolio can
show that something is earned or left. A long-only one also earns what the
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

    @property
    def gains_before_costs(self) -> bool:
        """Long-short, and the 95 % interval of the Sharpe ratio before costs lies above 0."""
        return self.side == "long_short" and self.figure("sharpe_gross", "low") > 0


def portfolios(backtests: Sequence[Backtest]) -> list[Portfolio]:
    return [
        Portfolio(b.strategy.name, b.strategy.side, b.n_trials, b.figures().set_index("metric"))
        for b in backtests
    ]


def before_or_after(tried: Sequence[Portfolio]) -> str:
    """Of skill that was shown: where it is left, as a clause for the headline."""
    if not tried:
        return "in its order; no gain was measured"
    if any(portfolio.earns_beyond_luck for portfolio in tried):
        return "before and after costs"
    if any(portfolio.gains_before_costs for portfolio in tried):
        return "before costs only"
    return "in its order only; a gain before costs is not shown"


def costs_in_words(tried: Sequence[Portfolio]) -> str:
    """Whether a gain is shown before and after costs: Sharpe ratios, what trading earned and paid.

    Of the long-short portfolios; of the others where there are no such.
    """
    if not tried:
        return "No cost is deducted."
    is_left = any(portfolio.earns_beyond_luck for portfolio in tried)
    if is_left:
        told = "After costs something is left"
    elif any(portfolio.gains_before_costs for portfolio in tried):
        told = "After costs nothing is shown to be left"
    else:
        told = "No gain is shown before costs, nor after"
    deciding = [portfolio for portfolio in tried if portfolio.side == "long_short"] or tried
    clauses = (
        f"{portfolio.name} has {_net_sharpe(portfolio)}, earning {_break_even(portfolio)} bp of"
        f" what it trades, paying {portfolio.figure('cost_bps'):.1f}"
        for portfolio in deciding
    )
    return f"{told}: {'; '.join(clauses)}."


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


def _break_even(portfolio: Portfolio) -> str:
    earned, low, high = (portfolio.figure("break_even_bps", n) for n in ("value", "low", "high"))
    return f"{earned:.1f} ({low:.1f} to {high:.1f})"


def _net_sharpe(portfolio: Portfolio) -> str:
    value, low, high = (portfolio.figure("sharpe_net", name) for name in ("value", "low", "high"))
    return f"Sharpe ratio {value:.2f} ({low:.2f} to {high:.2f})"
