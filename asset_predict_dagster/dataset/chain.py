"""The chain: from B3's records to the row that a model is given, in the pipeline's order.

The steps are the core's own; this is what `leak_audit` takes the future away from.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from asset_predict_dagster.dataset import features as catalogue
from asset_predict_dagster.dataset.labels import compute_labels
from asset_predict_dagster.dataset.samples import Samples, build_samples
from asset_predict_dagster.market.history import known_events, spot_quotes
from asset_predict_dagster.market.quotes import adjust
from asset_predict_dagster.market.universe import FORECAST_CLASSES, liquid_universe
from asset_predict_dagster.tables import LABELS, QUOTES, RAW_QUOTES, UNIVERSE, Table

RECORD_COLUMNS = [
    name
    for name in RAW_QUOTES.column_names
    if name in QUOTES.column_names or name in (*RAW_QUOTES.key, "quotation_factor")
]
"""The columns of `raw_quotes` that the chain reads."""

STAGES: dict[str, Table] = {"quotes": QUOTES, "universe": UNIVERSE, "features": catalogue.TABLE}
"""The tables on the way to the model's input."""

INPUT = "input"
"""The stage after them: what a model is given of `Samples`, and nothing that it is taught."""


@dataclass(frozen=True)
class Tables:
    """What the chain makes of some records; rows with equal keys in equal order."""

    quotes: pd.DataFrame
    universe: pd.DataFrame
    features: pd.DataFrame

    @cached_property
    def labels(self) -> pd.DataFrame:
        return compute_labels(self.quotes, self.universe, self.features)

    @cached_property
    def known(self) -> pd.DataFrame:
        """What is declared point-in-time, as `stage.column`, up to what a model is given.

        Key: ticker, session.
        """
        parts = [self.quotes[["ticker", "session"]]]
        for stage, table in STAGES.items():
            names = [name for name in table.point_in_time_columns if name not in table.key]
            parts.append(getattr(self, stage)[names].add_prefix(f"{stage}."))
        parts.append(self.learned)
        return pd.concat([part.reset_index(drop=True) for part in parts], axis=1)

    @property
    def samples(self) -> Samples:
        """What models learn from: built with the labels, as every training builds it."""
        return build_samples(self.features, self.universe, self.labels)

    @cached_property
    def learned(self) -> pd.DataFrame:
        """What models are given of each row when they learn, as `input_rows`."""
        return input_rows(self.samples)

    @property
    def served(self) -> pd.DataFrame:
        """What they are given of it when no label is there."""
        return input_rows(build_samples(self.features, self.universe))


@dataclass(frozen=True)
class Chain:
    """The chain, with what it takes beside the records.

    Attributes
    ----------
    listed
        Rows of `tables.CORPORATE_ACTIONS` that a source lists, under current codes. Those after
        the last session of the records are left out.
    renames
        Rows of `tables.RENAMES`. They say which paper a row is of and nothing about it, so every
        past is told under the same codes.
    classes
        Kinds of paper in the universe.
    """

    listed: pd.DataFrame
    renames: pd.DataFrame
    classes: Collection[str] = FORECAST_CLASSES

    def tables(self, records: pd.DataFrame) -> Tables:
        """As of the last session of `records`, with the share events that they give away.

        Parameters
        ----------
        records
            Rows of `raw_quotes` with the columns `RECORD_COLUMNS`.
        """
        last = records["session"].max()
        spot = spot_quotes(records, self.renames, last.date())
        listed = self.listed[self.listed["ex_date"] <= last]
        return self._tables(spot, known_events(spot, listed))

    def _tables(self, spot: pd.DataFrame, events: pd.DataFrame) -> Tables:
        quotes = adjust(spot, events)
        universe = liquid_universe(quotes, self.classes)
        return Tables(quotes, universe, catalogue.compute_features(quotes, universe))


def input_rows(samples: Samples) -> pd.DataFrame:
    """What models are given of each row, as `input.column`: no label is among it."""
    table = pd.DataFrame(samples.features, columns=list(samples.feature_names))
    states = ("volatility", "in_universe", "is_forecastable")
    return table.assign(**{name: getattr(samples, name) for name in states}).add_prefix(f"{INPUT}.")


def listed_events(corporate_actions: pd.DataFrame) -> pd.DataFrame:
    """The events that a source lists: those that prices give away are inferred anew."""
    return corporate_actions[corporate_actions["source"] != "inferred"].reset_index(drop=True)


def split_labels() -> tuple[list[str], list[str]]:
    """The columns of `labels` that say what came later, and those that are known at t."""
    columns = [c for c in LABELS.columns if c.name not in (*LABELS.key, "span_end")]
    later = [c.name for c in columns if not c.point_in_time]
    return later, [c.name for c in columns if c.point_in_time]
