"""Canaries: what both models find on a market whose truth is known, and what chance allows.

Three figures, each one number a session, so that sessions can be pooled over markets:

- rank IC of the next session's forecasts;
- log-loss below that of the same forecasts *dealt out anew* among the tickers of their session.
  If nothing known tells one ticker from another, every deal is as good as the true one;
- log-loss of the direction, buy against sell where one of them came true, below that of the
  training rows' frequencies.

The log-loss of the action against the class prior is no canary. The width of `hold` is known at t
(half the trailing volatility) and volatility clusters, so hold can be told from move on a random
walk, honestly. What no honest forecast can do is beat the truth: `truth` are the probabilities of
one who knows the process itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from asset_predict_dagster.dataset.labels import LABEL_WIDTH
from asset_predict_dagster.dataset.path_returns import path_returns
from asset_predict_dagster.dataset.samples import ACTIONS, build_samples
from asset_predict_dagster.evaluation.forecasts import forecast_test_sessions
from asset_predict_dagster.evaluation.metrics import session_rank_ic
from asset_predict_dagster.market.simulated_market import SimulatedMarket
from asset_predict_dagster.market.simulated_prices import TAIL_DEGREES
from asset_predict_dagster.models.base import Learner
from asset_predict_dagster.models.bundle import load_bundle
from asset_predict_dagster.models.training import train
from asset_predict_dagster_tests.market.simulated_tables import MarketTables, market_as_of

ONE_SIDED_95 = 1.645
N_DEALS = 20
PROBABILITIES = [f"probability_{action}" for action in ACTIONS]
KEY = ["ticker", "session"]


@dataclass(frozen=True)
class Market:
    """One simulated market as its tables, with outcomes true or permuted."""

    tables: MarketTables
    labels: pd.DataFrame
    paths: np.ndarray
    seed: int
    strength: float
    last: date


def simulated(last: date, strength: float, seed: int) -> Market:
    tables = market_as_of(last, strength, seed)
    return Market(tables, tables.labels, path_returns(tables.quotes), seed, strength, last)


def with_permuted_labels(market: Market) -> Market:
    """What happened is dealt out anew among the tickers of each session's universe.

    All labels of a row stay together, so they are as likely together as before; which ticker they
    belong to is chance.
    """
    labels, generator = market.labels.copy(), np.random.default_rng(market.seed)
    is_known = market.tables.universe["in_universe"] & labels["action"].notna()
    outcome = [name for name in labels.columns if name not in KEY]
    source = np.arange(len(labels))
    for rows in labels[is_known].groupby("session").indices.values():
        positions = np.flatnonzero(is_known)[rows]
        source[positions] = generator.permutation(positions)
    labels[outcome] = labels[outcome].iloc[source].to_numpy()
    as_before = labels.astype(market.labels.dtypes.to_dict())
    return replace(market, labels=as_before, paths=market.paths[source])


def forecasts_of(market: Market, learners: Sequence[Learner], folder: Path) -> pd.DataFrame:
    """Next-session forecasts of the learners, the baselines and the oracle on the test sessions."""
    tables = market.tables
    samples = build_samples(tables.features, tables.universe, market.labels)
    folds, paths = tables.folds(), market.paths
    bundles = {}
    for learner in learners:
        trained = train(learner, samples, market.labels, paths, folds, folder, {})
        bundles[(learner.name, "1")] = load_bundle(folder, trained.evaluation_bundle)
    last_close = tables.quotes["close"].to_numpy()
    forecasts = forecast_test_sessions(bundles, samples, market.labels, paths, last_close, folds)
    forecasts = forecasts[forecasts["horizon"] == 1]
    return pd.concat([forecasts, _oracle(market, forecasts)], ignore_index=True)


def _oracle(market: Market, forecasts: pd.DataFrame) -> pd.DataFrame:
    """Rows of the model `oracle`: the planted expected return, also as the score, and the
    probabilities of one who knows both volatilities of the next return; without a planted signal
    these are exact.
    """
    simulation = SimulatedMarket(market.seed, market.strength).simulate(market.last)
    rows = forecasts[forecasts["model"] == "naive"].drop(columns=["score", *PROBABILITIES])
    rows = rows.merge(simulation.oracle, on=KEY).merge(simulation.next_volatilities, on=KEY)
    rows = rows.merge(market.tables.features[[*KEY, "volatility_21d"]], on=KEY)
    hold = probability_of_hold(
        rows["market_volatility"].to_numpy(),
        rows["own_volatility"].to_numpy(),
        LABEL_WIDTH * rows["volatility_21d"].to_numpy(),
    )
    move = (1 - hold) / 2
    said = dict(zip(PROBABILITIES, (move, hold, move), strict=True))
    rows = rows.assign(model="oracle", expected_return=rows["score"], **said)
    return rows[forecasts.columns]


def where_the_oracle_speaks(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Everybody's rows of the papers and sessions that have a signal, so that all cover the same.

    A paper without 126 trades behind it has none.
    """
    return forecasts.merge(forecasts.loc[forecasts["model"] == "oracle", KEY], on=KEY)


def one_after_another(markets: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The forecasts of several markets as those of one: each market's days begin years later."""
    years = pd.Timedelta(days=2 * 364)
    return pd.concat(
        [rows.assign(session=rows["session"] + n * years) for n, rows in enumerate(markets)],
        ignore_index=True,
    )


def probability_of_hold(market: np.ndarray, own: np.ndarray, width: np.ndarray) -> np.ndarray:
    """P(|market × m + own × z| <= width), m and z Student's t of unit variance, all (n,).

    The common part is summed over 200 equally likely values of m.
    """
    unit = np.sqrt((TAIL_DEGREES - 2) / TAIL_DEGREES)
    law = stats.t(TAIL_DEGREES, scale=unit)
    common = market[:, None] * law.ppf((np.arange(200) + 0.5) / 200)  # (n, 200)
    high, low = (width[:, None] - common) / own[:, None], (-width[:, None] - common) / own[:, None]
    return (law.cdf(high) - law.cdf(low)).mean(axis=1)


def daily_rank_ic(markets: Sequence[pd.DataFrame], model: str) -> np.ndarray:
    return np.concatenate(
        [
            session_rank_ic(rows[rows["model"] == model], "realised_return_tradable").dropna()
            for rows in markets
        ]
    )


def gain_over(markets: Sequence[pd.DataFrame], model: str, other: str) -> np.ndarray:
    """Per session: log-loss of `other` minus the model's, on the rows that both forecast."""
    gains = []
    for rows in markets:
        loss = [_log_losses(rows, name) for name in (other, model)]
        both = pd.concat(loss, axis=1, join="inner")
        gains.append((both.iloc[:, 0] - both.iloc[:, 1]).groupby(level="session").mean())
    return np.concatenate(gains)


def gain_over_other_deals(markets: Sequence[pd.DataFrame], model: str) -> np.ndarray:
    """Per session: mean log-loss of other deals of its forecasts minus that of the true one."""
    gains, generator = [], np.random.default_rng(0)
    for rows in markets:
        mine = rows[rows["model"] == model]
        said = np.log(mine[PROBABILITIES].to_numpy())
        came = mine["realised_label"].map(ACTIONS.index).to_numpy()
        true = -said[np.arange(len(mine)), came]
        dealt = np.zeros(len(mine))
        for positions in mine.reset_index(drop=True).groupby("session").indices.values():
            for _ in range(N_DEALS):
                other = generator.permutation(positions)
                dealt[positions] -= said[other, came[positions]] / N_DEALS
        gain = pd.Series(dealt - true, index=mine["session"].to_numpy())
        gains.append(gain.groupby(level=0).mean())
    return np.concatenate(gains)


def direction_gain(markets: Sequence[pd.DataFrame], model: str) -> np.ndarray:
    """Per session: log-loss of the prior's buy against sell minus the model's, where it moved."""
    gains = []
    for rows in markets:
        loss = []
        for name in ("prior", model):
            mine = rows[(rows["model"] == name) & (rows["realised_label"] != "hold")]
            buy, sell = mine["probability_buy"], mine["probability_sell"]
            right = buy.where(mine["realised_label"] == "buy", sell) / (buy + sell)
            loss.append((-np.log(right)).groupby(mine["session"].to_numpy()).mean())
        gains.append(loss[0] - loss[1])
    return np.concatenate(gains)


def _log_losses(rows: pd.DataFrame, model: str) -> pd.Series:
    mine = rows[rows["model"] == model].set_index(KEY)
    came = mine["realised_label"].map(ACTIONS.index).to_numpy()
    said = mine[PROBABILITIES].to_numpy()[np.arange(len(mine)), came]
    return pd.Series(-np.log(said), index=mine.index)


def lower_end(values: np.ndarray, deviations: float = ONE_SIDED_95) -> float:
    """Of the one-sided interval of the mean, 95 % by default; sessions count as independent."""
    return values.mean() - deviations * values.std(ddof=1) / np.sqrt(len(values))
