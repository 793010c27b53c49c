"""What a report is made of: tables, verdicts and backtests that others made, and views of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import pandas as pd

from asset_predict_dagster.dataset.samples import ACTION_HORIZON
from asset_predict_dagster.errors import DatasetError
from asset_predict_dagster.evaluation.backtest import Backtest
from asset_predict_dagster.evaluation.verdict import Verdict
from asset_predict_dagster.models.baselines import BASELINE_VERSION

Key = tuple[str, str]
"""Model and version."""


@dataclass(frozen=True)
class Importance:
    """What one version of a model draws on.

    Attributes
    ----------
    table
        From `models.importance.permutation_importance`; empty: there is none.
    words
        Of an empty table why there is none; else which version it is of and on which sessions it
        was measured.
    """

    table: pd.DataFrame
    words: str


@dataclass(frozen=True)
class Standing:
    """Who serves of one model, and which two versions stand side by side.

    Attributes
    ----------
    challenger
        The version trained last.
    serving
        The version that serves; empty: none does.
    beside
        The other version, forecast on the challenger's sessions; empty: there is none.
    """

    model: str
    challenger: str
    serving: str = ""
    beside: str = ""


@dataclass(frozen=True)
class ReportInput:
    """Everything a report shows; it measures nothing that these do not hold, and reads no clock.

    Attributes
    ----------
    title
        The report's heading.
    window
        The window of `evaluation` that is judged: `holdout`, a scoped one, or the name that a
        walk-forward's windows are pooled under.
    evaluation
        Rows of `tables.EVALUATION`: of `window`, and of a walk-forward's windows where there are
        any. Those of other versions than the judged ones are to be left out.
    forecasts
        Rows of `tables.FORECASTS_OUT_OF_SAMPLE` of the same sessions: the next session's, and
        those of the action's horizon.
    verdicts
        One for each model, in the order they are shown in.
    backtests
        (model, version) → its backtests, one a strategy; may be empty.
    benchmarks
        `session, equal_weight, ibov`, simple returns, missing where unknown; None: not asked for.
    quotes
        Rows of `tables.QUOTES` that hold the judged sessions, for prices and traded value.
    importances
        Model → what it draws on; may be empty.
    made_at
        When, with a time zone.
    facts
        Name → what there is to know of how it was made: versions, seeds, dates.
    standings
        Of registered versions, one a model; empty: the report is of none.
    """

    title: str
    window: str
    evaluation: pd.DataFrame
    forecasts: pd.DataFrame
    verdicts: Sequence[Verdict]
    backtests: Mapping[Key, Sequence[Backtest]]
    benchmarks: pd.DataFrame | None
    quotes: pd.DataFrame
    importances: Mapping[str, Importance]
    made_at: datetime
    facts: Mapping[str, str]
    standings: Sequence[Standing] = ()

    @cached_property
    def judged(self) -> pd.DataFrame:
        """The evaluation's rows of the judged window.

        Raises
        ------
        DatasetError
            If there are none.
        """
        rows = self.evaluation[self.evaluation["window"] == self.window]
        if rows.empty:
            known = ", ".join(map(str, self.evaluation["window"].unique())) or "none"
            raise DatasetError(
                f"report '{self.title}': the evaluation has no row of window '{self.window}', it"
                f" has {known}; evaluate that window, or name one of these"
            )
        return rows

    @cached_property
    def models(self) -> list[Key]:
        """The models of the judged window, those with a verdict first and in its order."""
        rows = self.judged[self.judged["model_version"] != BASELINE_VERSION]
        there = list(rows.groupby(["model", "model_version"], observed=True).groups)
        spoken = [(verdict.model, verdict.model_version) for verdict in self.verdicts]
        return [key for key in spoken if key in there] + [key for key in there if key not in spoken]

    @cached_property
    def names(self) -> dict[Key, str]:
        """What each model is called here: its version is said where there are two of it."""
        models = [model for model, _ in self.models]
        return {
            (model, version): model if models.count(model) == 1 else f"{model} {version}"
            for model, version in self.models
        }

    @cached_property
    def span(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """First and last judged session."""
        return self.judged["first_session"].min(), self.judged["last_session"].max()

    @cached_property
    def sessions(self) -> str:
        """Which sessions the figures are of, in words."""
        first, last = self.span
        n_sessions = self.forecasts["session"].nunique()
        return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}, {n_sessions:,} sessions"

    def next_session(self, model: str, version: str) -> pd.DataFrame:
        """A model's or a baseline's forecasts one session ahead; may be empty."""
        return self._of(model, version, self.forecasts["horizon"] == ACTION_HORIZON)

    def acted(self, model: str, version: str) -> pd.DataFrame:
        """Its forecasts of the action where it is known what would have been right, as `action`."""
        has_action = self.forecasts["probability_buy"].notna()
        rows = self._of(model, version, has_action & self.forecasts["realised_label"].notna())
        return rows.rename(columns={"realised_label": "action"})

    @cached_property
    def most_traded(self) -> list[str]:
        """Forecast tickers by the value traded in the judged sessions, the largest first."""
        first, last = self.span
        during = self.quotes["session"].between(first, last)
        asked = self.quotes["ticker"].isin(self.forecasts["ticker"].unique())
        rows = self.quotes[during & asked]
        traded = rows.groupby("ticker", observed=True)["volume_brl"].sum()
        return [str(ticker) for ticker in traded.sort_values(ascending=False, kind="stable").index]

    def _of(self, model: str, version: str, also: pd.Series) -> pd.DataFrame:
        mine = (self.forecasts["model"] == model) & (self.forecasts["model_version"] == version)
        return self.forecasts[mine & also]
