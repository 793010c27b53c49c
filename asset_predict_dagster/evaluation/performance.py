"""Performance: what the returns of many sessions come to, with an interval where there can be one.

Definitions, all on simple returns r of a session as fractions of the equity, 252 sessions a year:

    annual return   (Π (1 + r))^(252 / n) - 1, what an equity that was left alone grew by
    volatility      sample standard deviation (n - 1) × √252
    Sharpe ratio    mean / sample standard deviation × √252, over 0
    drawdown        equity / its highest so far - 1, the starting 1 among them: 0 or less
    turnover        Σ |trade| of a session; exposure: Σ of the positions of one side
    hit rate        share of sessions with a return above 0
    break-even cost Σ gross return / Σ turnover: what each real traded, bought or sold, could have
                    cost before nothing was left. Of a long-only portfolio the market's own rise
                    is in it, and it says nothing of the forecasts

Intervals, 95 %, are of circular blocks of sessions (`dataset/bootstrap.py`).
"""

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.bootstrap import block_weights, interval
from asset_predict_dagster.evaluation.costs import BP
from asset_predict_dagster.evaluation.sharpe import (
    SESSIONS_A_YEAR,
    deflated_sharpe_ratio,
    probabilistic_sharpe_ratio,
)

CDI_CAVEAT = (
    "No riskless return (CDI) is subtracted. A long-short portfolio finances itself, and its"
    " capital would earn the CDI besides: its return is what it adds. A long-only portfolio ties"
    " its capital up, so its Sharpe ratio is too high by CDI / volatility: with a CDI of 10 % a"
    " year and a volatility of 25 %, by 0.4. Hold it against equal weight, not against 0."
)
"""For reports: what Sharpe ratios over 0 do not say where cash earns several percent a year."""

_WHOLE_LOSS = 1e-12
"""Of an equity that is lost whole this much is left, so that its logarithm is a number."""


def annual_return(returns: np.ndarray) -> float:
    """(Π (1 + r))^(252 / n) - 1.

    >>> round(annual_return(np.full(126, 0.001)), 6)  # half a year of .1 % a session
    0.286434
    """
    return (
        float(np.expm1(_logs(returns).mean() * SESSIONS_A_YEAR)) if len(returns) else float("nan")
    )


def equity(returns: np.ndarray) -> np.ndarray:
    """What 1 has become after each session; shape (n_sessions,)."""
    return np.cumprod(1 + np.maximum(returns, -1.0))


def drawdown(returns: np.ndarray) -> np.ndarray:
    """How far the equity is below its highest so far after each session, as a fraction, 0 or less.

    >>> drawdown(np.array([-0.5, 2.0, -0.2])).round(2).tolist()  # 0.5, 1.5, 1.2
    [-0.5, 0.0, -0.2]
    """
    level = equity(returns)
    return level / np.maximum(np.maximum.accumulate(level), 1.0) - 1


def performance(daily: pd.DataFrame, n_trials: int = 1, seed: int = 0) -> pd.DataFrame:
    """The figures of a backtest: columns metric, value, low, high.

    Parameters
    ----------
    daily
        As `Backtest.daily`.
    n_trials
        Variants looked at, for the deflated Sharpe ratio.
    seed
        Of the bootstrap.

    Returns
    -------
    gross_annual_return, net_annual_return; gross_volatility, volatility (net); sharpe_gross,
    sharpe_net (a year); probabilistic_sharpe_ratio, deflated_sharpe_ratio (of the net returns,
    probabilities); max_drawdown, hit_rate (net); turnover, long_exposure, short_exposure,
    n_positions (means of a session); cost_bps (cost paid per real traded, borrowing included) and
    break_even_bps; n_sessions. An interval is missing where a figure is no function of sums over
    sessions, and a value where it has no meaning.
    """
    net = daily["net_return"].to_numpy()
    sums = _sums(daily)
    weights = block_weights(len(daily), seed)
    rows = []
    for name, statistic in _OF_SUMS.items():
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(statistic(sums.sum(axis=0)))
            low, high = interval(sums, statistic, weights)
        rows.append((name, value if np.isfinite(value) else float("nan"), low, high))
    missing = float("nan")
    rows += [
        ("probabilistic_sharpe_ratio", probabilistic_sharpe_ratio(net), missing, missing),
        ("deflated_sharpe_ratio", deflated_sharpe_ratio(net, n_trials), missing, missing),
        ("max_drawdown", float(drawdown(net).min()), missing, missing),
        ("n_sessions", float(len(daily)), missing, missing),
    ]
    table = pd.DataFrame(rows, columns=["metric", "value", "low", "high"])
    return table.set_index("metric").loc[list(_ORDER)].reset_index()


def compare_with_benchmarks(
    daily: pd.DataFrame, benchmarks: pd.DataFrame, seed: int = 0
) -> pd.DataFrame:
    """What a backtest earned beyond each benchmark: one row per benchmark that has a return.

        excess = mean(net return - benchmark's return) × 252, on sessions where both are known

    Columns: benchmark; n_sessions; net_annual_return and benchmark_annual_return on them;
    excess_return with its 95 % interval low, high (paired: both are drawn in the same blocks).

    Parameters
    ----------
    daily
        As `Backtest.daily`.
    benchmarks
        As `market_benchmarks` gives them: session, and a column of simple returns each.
    """
    both = daily[["session", "net_return"]].merge(benchmarks, on="session")
    rows = []
    for name in benchmarks.columns.drop("session"):
        known = both.dropna(subset=[name])
        if known.empty:
            continue
        difference = (known["net_return"] - known[name]).to_numpy()
        low, high = interval(
            np.column_stack([np.ones(len(known)), difference]),
            lambda sums: SESSIONS_A_YEAR * sums[..., 1] / sums[..., 0],
            block_weights(len(known), seed),
        )
        rows.append(
            {
                "benchmark": name,
                "n_sessions": len(known),
                "net_annual_return": annual_return(known["net_return"].to_numpy()),
                "benchmark_annual_return": annual_return(known[name].to_numpy()),
                "excess_return": float(difference.mean() * SESSIONS_A_YEAR),
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(rows, columns=_BESIDE)


_BESIDE = (
    *("benchmark", "n_sessions", "net_annual_return", "benchmark_annual_return"),
    *("excess_return", "low", "high"),
)

_MEANS = ("turnover", "long_exposure", "short_exposure", "n_positions")


def _sums(daily: pd.DataFrame) -> np.ndarray:
    """What each session adds: 1, then per kind of return its sum, square and log, then the rest."""
    gross, net = daily["gross_return"].to_numpy(), daily["net_return"].to_numpy()
    of_returns = [part for r in (gross, net) for part in (r, r**2, _logs(r))]
    rest = [daily[name].to_numpy(dtype=np.float64) for name in ("cost", *_MEANS)]
    return np.column_stack([np.ones(len(daily)), *of_returns, net > 0, *rest])


_N, _GROSS, _NET, _HITS, _COST, _FIRST_MEAN = 0, 1, 4, 7, 8, 9


def _volatility(sums: np.ndarray, of: int) -> np.ndarray:
    n, total, squares = sums[..., _N], sums[..., of], sums[..., of + 1]
    variance = (squares - total**2 / n) / (n - 1)
    # Equal returns leave a variance that is rounding alone.
    variance = np.where(variance > 1e-12 * squares / n, variance, 0.0)
    return np.sqrt(variance * SESSIONS_A_YEAR)


def _sharpe(sums: np.ndarray, of: int) -> np.ndarray:
    volatility = _volatility(sums, of)
    mean = SESSIONS_A_YEAR * sums[..., of] / sums[..., _N]
    return np.where(volatility > 0, mean / volatility, np.nan)


def _growth(sums: np.ndarray, of: int) -> np.ndarray:
    return np.expm1(SESSIONS_A_YEAR * sums[..., of + 2] / sums[..., _N])


_OF_SUMS = {
    "gross_annual_return": lambda sums: _growth(sums, _GROSS),
    "net_annual_return": lambda sums: _growth(sums, _NET),
    "gross_volatility": lambda sums: _volatility(sums, _GROSS),
    "volatility": lambda sums: _volatility(sums, _NET),
    "sharpe_gross": lambda sums: _sharpe(sums, _GROSS),
    "sharpe_net": lambda sums: _sharpe(sums, _NET),
    "hit_rate": lambda sums: sums[..., _HITS] / sums[..., _N],
    **{
        name: lambda sums, at=at: sums[..., at] / sums[..., _N]
        for at, name in enumerate(_MEANS, start=_FIRST_MEAN)
    },
    "cost_bps": lambda sums: sums[..., _COST] / sums[..., _FIRST_MEAN] / BP,
    "break_even_bps": lambda sums: sums[..., _GROSS] / sums[..., _FIRST_MEAN] / BP,
}

_ORDER = (
    *("gross_annual_return", "net_annual_return", "gross_volatility", "volatility"),
    *("sharpe_gross", "sharpe_net", "probabilistic_sharpe_ratio", "deflated_sharpe_ratio"),
    *("max_drawdown", "hit_rate", "turnover", "cost_bps", "break_even_bps"),
    *("long_exposure", "short_exposure", "n_positions", "n_sessions"),
)


def _logs(returns: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(1 + returns, _WHOLE_LOSS))
