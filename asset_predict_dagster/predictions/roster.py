"""Who is asked: the versions that answer at the close of a session, each bundle opened once."""

from collections.abc import Callable
from datetime import date

import pandas as pd

from asset_predict_dagster.errors import BundleError
from asset_predict_dagster.models.bundle import Bundle
from asset_predict_dagster.predictions.daily import Serving
from asset_predict_dagster.registry.serving import served_at


class Roster:
    """Opens what `registry.serving.served_at` names; a damaged version is passed over.

    Attributes
    ----------
    passed_over
        One sentence for each version that was, in the order in which they were met.
    """

    def __init__(
        self,
        promotions: pd.DataFrame | None,
        champions: pd.DataFrame,
        load: Callable[[str], Bundle],
        report: Callable[[str], object],
    ):
        """`promotions`, `champions` as for `served_at`.

        `load` opens a bundle by its digest, or raises `BundleError`; `report` is told of each
        version that is passed over.
        """
        self.passed_over: list[str] = []
        self._promotions, self._champions = promotions, champions
        self._load, self._report = load, report
        self._opened: dict[str, Bundle | None] = {}

    def at(self, session: date) -> list[Serving]:
        """The version of each model to ask at the close of `session`."""
        rows = served_at(self._promotions, self._champions, session, self._can_serve)
        return [
            Serving(row.model, row.model_version, row.status, bundle, row.trained_at)
            for row in rows.itertuples()
            if (bundle := self._opened[row.bundle]) is not None
        ]

    def _can_serve(self, model: str, version: str, digest: str) -> bool:
        if digest not in self._opened:
            try:
                self._opened[digest] = self._load(digest)
            except BundleError as error:
                self._opened[digest] = None
                self.passed_over.append(f"{model} {version} is passed over: {error}")
                self._report(self.passed_over[-1])
        return self._opened[digest] is not None
