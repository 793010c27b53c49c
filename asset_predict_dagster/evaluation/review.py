"""Review: everything a report rests on, gathered from an evaluation and its forecasts.

One verdict and two backtests for each model of the judged window, and the market beside them.
Notebooks, the pipeline's reports and the command line all come by theirs here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.backtest import Backtest, backtest
from asset_predict_dagster.evaluation.costs import Costs
from asset_predict_dagster.evaluation.market_benchmarks import market_benchmarks
from asset_predict_dagster.evaluation.positions import STRATEGIES
from asset_predict_dagster.evaluation.report_input import Importance, ReportInput, Standing
from asset_predict_dagster.evaluation.trading_grid import TradingGrid
from asset_predict_dagster.evaluation.verdict import judge
from asset_predict_dagster.models.average import AVERAGE, AVERAGED
from asset_predict_dagster.models.baselines import BASELINE_VERSION

TRIED = {"random_forest": 10, "lstm": 15}
"""Candidates from which the default settings of a model were chosen (docs/LOG.md, 2026-11-21):
whoever is told of the best should be told of how many. 7 forests and 15 LSTMs on 2014 to 2017 of
the panel, and 3 numbers of bins on its validation sessions, 2019-05 to 2021-09, which a
walk-forward from 2018 tests as well."""


@dataclass(frozen=True)
class Market:
    """What a backtest trades in, and what stands beside it.

    Attributes
    ----------
    quotes, universe
        Rows of the tables of those names.
    index
        Closes of IBOV by session (`market.index_levels`); None: not known.
    planted_strength
        Of a simulated market; None: real prices.
    """

    quotes: pd.DataFrame
    universe: pd.DataFrame
    index: pd.Series | None = None
    planted_strength: float | None = None


@dataclass(frozen=True)
class Made:
    """How and when the figures were made, for the report to say.

    Attributes
    ----------
    at
        When, with a time zone.
    facts
        Name → what there is to know: versions, seeds, dates.
    n_trials
        Model → settings that were tried before its own were chosen, itself included.
    importances
        Model → what it draws on.
    label
        What buy, hold and sell mean (`Experiment.label`).
    standings
        Who serves, where the report is of registered versions.
    """

    at: datetime
    facts: Mapping[str, str] = field(default_factory=dict)
    n_trials: Mapping[str, int] = field(default_factory=dict)
    importances: Mapping[str, Importance] = field(default_factory=dict)
    label: str = "forward_return"
    standings: Sequence[Standing] = ()


def trials(model: str, since: Mapping[str, int]) -> int:
    """How many variants of a model were tried in all: for its defaults, and `since` then.

    The average of two models chose with each of them.

    >>> trials("lstm", {"lstm": 50}), trials("average", {}), trials("mine", {})
    (64, 25, 1)
    """
    if model == AVERAGE:
        return sum(trials(part, since) for part in AVERAGED)
    return TRIED.get(model, 1) + since.get(model, 1) - 1


def review(
    title: str,
    window: str,
    evaluation: pd.DataFrame,
    forecasts: pd.DataFrame,
    market: Market,
    made: Made,
    costs: Costs | None = None,
) -> ReportInput:
    """What a report of one window shows.

    Parameters
    ----------
    window
        The judged window: `holdout`, or the name that a walk-forward's windows are pooled under.
    evaluation
        Rows of `tables.EVALUATION` of `window` and, of a walk-forward, of the windows in it.
    forecasts
        Rows of `tables.FORECASTS_OUT_OF_SAMPLE` of its sessions: the next session's, and those of
        the action's horizon.
    costs
        None: as `Costs` reckons them.

    Raises
    ------
    DatasetError
        If the evaluation has no row of the window. A backtest that is not possible, of too few
        sessions, is a fact that the report states.
    """
    judged = evaluation[evaluation["window"] == window]
    is_model = judged["model_version"] != BASELINE_VERSION
    models = sorted(
        set(judged.loc[is_model, ["model", "model_version"]].itertuples(index=False, name=None)),
        key=_in_order,
    )
    if not models:
        raise DatasetError(
            f"'{title}': no model was evaluated in the window '{window}'; evaluate one first"
        )
    grid = TradingGrid(market.quotes)
    facts, backtests = dict(made.facts), {}
    for model, version in models:
        n_trials = trials(model, made.n_trials)
        scores = _scores(forecasts, model, version)
        try:
            backtests[(model, version)] = _backtests(scores, grid, costs or Costs(), n_trials)
        except DatasetError as error:
            facts[f"no backtest of {model} {version}"] = str(error)
    verdicts = [
        judge(
            evaluation,
            model,
            version,
            window,
            backtests=backtests.get((model, version), ()),
            n_trials=trials(model, made.n_trials),
            label=made.label,
            planted_strength=market.planted_strength,
        )
        for model, version in models
    ]
    sessions = forecasts["session"].drop_duplicates()
    return ReportInput(
        title=title,
        window=window,
        evaluation=evaluation,
        forecasts=forecasts,
        verdicts=verdicts,
        backtests=backtests,
        benchmarks=market_benchmarks(grid, market.universe, sessions, market.index),
        quotes=market.quotes,
        importances=made.importances,
        made_at=made.at,
        facts=facts,
        standings=made.standings,
    )


def _backtests(
    scores: pd.DataFrame, grid: TradingGrid, costs: Costs, n_trials: int
) -> tuple[Backtest, ...]:
    return tuple(backtest(scores, grid, strategy, costs, n_trials) for strategy in STRATEGIES)


def _scores(forecasts: pd.DataFrame, model: str, version: str) -> pd.DataFrame:
    is_its = (forecasts["model"] == model) & (forecasts["model_version"] == version)
    return forecasts.loc[
        is_its & (forecasts["horizon"] == ACTION_HORIZON), ["session", "ticker", "score"]
    ]


def _in_order(who: tuple[str, str]) -> tuple[int, str, str]:
    """The average first: it is what a person would follow. Then the models it is made of."""
    order = (AVERAGE, *AVERAGED)
    return (order.index(who[0]) if who[0] in order else len(order), *who)
