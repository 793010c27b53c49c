"""`B3Model`: training, predictions and evaluation for notebooks, on the project's own lake.

Whatever trains is a run that Dagster keeps, as everywhere: with DAGSTER_HOME set its UI shows it.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from asset_predict_dagster.evaluation.judged_version import figures_of_version
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.sessions import last_closed_session
from asset_predict_dagster.models.asked_training import asked_training
from asset_predict_dagster.models.names import model_called, models_called
from asset_predict_dagster.predictions.asked import ask, codes_of
from asset_predict_dagster.predictions.own_quotes import ask_own
from asset_predict_dagster.predictions.versions_asked import (
    opened_registry,
    serving_asked,
    version_asked,
)
from asset_predict_dagster.settings import Settings, load_settings
from asset_predict_dagster.tables import EVALUATION, QUOTES


class B3Model:
    """The models of one environment: those that serve, and those to be trained.

    Parameters
    ----------
    settings
        Where the lake and the registry are; None: as the environment says (`load_settings`).

    Examples
    --------
    model = B3Model()
    model.train(model_type="rf", n_jobs=2)
    model.predict("PETR4", model_type="lstm", days_ahead=5)
    model.evaluate(model_type="rf")
    """

    def __init__(self, settings: Settings | None = None):
        self.settings = load_settings() if settings is None else settings

    def train(self, model_type: str = "both", **settings: Any) -> pd.DataFrame:
        """Train on what the lake holds: the job `retrain`, run to its end in this process.

        Parameters
        ----------
        model_type
            rf, lstm, or both.
        settings
            Every setting of the models by name (`models/settings.py`), such as `n_jobs=2` or
            `lr=0.01`; where both are trained, one that only one of them has is that one's. An
            experiment of its own (`horizon`, `tickers`, ...) makes scoped versions, which never
            serve.

        Returns
        -------
        One row per model: `model, version, bundle, training_end, n_training_rows, scope, decision,
        serving, status, reason, run_id`. `decision` to `reason` say who serves now and why; they
        are empty of a scoped version.

        Raises
        ------
        SettingsError
            If a setting is unknown or impossible.
        AssetPredictError
            With the sentence that the run failed with, such as a table that has not been made.
        """
        # Dagster takes seconds to import, and nothing else here needs it.
        from asset_predict_dagster.training_runs import run_training

        asked = asked_training(
            models_called(model_type),
            settings,
            presets=self.settings.presets,
            seed=self.settings.seed,
        )
        trained = run_training(self.settings, asked)
        rows = [{**asdict(version), "run_id": trained.run_id} for version in trained.versions]
        return pd.DataFrame(rows)

    run = train

    def predict(
        self,
        what: str | Sequence[str] | pd.DataFrame,
        model_type: str = "rf",
        days_ahead: int = 5,
        version: int | str | None = None,
    ) -> pd.DataFrame:
        """What a model says of the next sessions; nothing is written.

        Parameters
        ----------
        what
            A ticker or several, as people type them, at the close of the last session of the lake.
            Or quotes of one's own, with the columns of `tables.QUOTES`, whole histories: at the
            close of the last session given. They take the place of the lake's quotes of the same
            tickers, and the rest of the market stands beside them.
        model_type
            rf or lstm.
        days_ahead
            Sessions ahead, 1 to 30.
        version
            A version by its number; None: the one that serves.

        Returns
        -------
        Rows of `tables.PREDICTIONS`: one per ticker and target session, in that order. A refused
        ticker has a `reason` and no numbers. Three columns more say what `action` and its
        probabilities are of: `action_horizon` sessions after `session` (0: `session` itself), by
        the definition `label`, which a scoped version's `scope` tells in words. Where
        `sessions_late` is above 0 some of those sessions are over.

        Raises
        ------
        SettingsError
            If a ticker is unknown, with near names; or of a kind that is not forecast.
        NoChampionError
            If nobody serves yet.
        AssetPredictError
            If the data are too old or of different runs, or the version has learned from what it
            would forecast.
        """
        lake, now = Lake(self.settings.lake_root), datetime.now(UTC)
        expires_after = timedelta(days=self.settings.model_expires_after_days)
        serving = serving_asked(
            lake,
            self.settings.registry_database,
            self.settings.bundles,
            model_called(model_type),
            version,
        )
        if isinstance(what, pd.DataFrame):
            market = lake.read(QUOTES) if lake.exists(QUOTES) else None
            classes = self.settings.asset_classes
            return ask_own(what, market, serving, days_ahead, classes, now, expires_after)
        codes = codes_of([what] if isinstance(what, str) else what)
        last_closed = self.settings.as_of or last_closed_session(now)
        return ask(lake, serving, codes, days_ahead, last_closed, now, expires_after)

    def evaluate(self, model_type: str = "rf", version: int | str | None = None) -> pd.DataFrame:
        """How good a model is out of sample, beside naive and the best without a model.

        Parameters
        ----------
        version
            A version by its number; None: the one that serves, or was trained last.

        Returns
        -------
        Rows of `tables.EVALUATION` of the version in its own window, every metric and horizon.

        Raises
        ------
        RegistryError
            If there is no such version.
        MissingTableError, DatasetError
            If nothing was measured, or that version was not.
        """
        registry = opened_registry(self.settings.registry_database)
        asked = version_asked(registry, model_called(model_type), version)
        evaluation = Lake(self.settings.lake_root).read(EVALUATION)
        return figures_of_version(evaluation, asked.model, asked.version, asked.window)
