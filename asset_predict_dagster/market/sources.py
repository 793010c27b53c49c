"""Sources: where records come from, behind one small protocol.

A source offers batches: named parts of what it holds, each known by the digest of its content.
`ingestion.ingest` reads those that are new or changed. What a source fetches from elsewhere it
lands first, in `refresh`, whole or not at all; one that is down raises `SourceDownError` and
changes nothing.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

import pandas as pd

from asset_predict_dagster.market.cotahist_name import Kind

B3 = "B3"
"""The origin of real prices, whoever passes them on as B3 wrote them."""


@dataclass(frozen=True)
class Batch:
    """A part of what a source holds: a file, or some sessions of a table.

    `name` is its own within the source and stays the same when the content is corrected;
    `digest` changes with the content and with nothing else.
    """

    name: str
    digest: str


@dataclass(frozen=True)
class Delivery:
    """What a batch holds.

    Attributes
    ----------
    kind
        The period it covers; of two batches generated on one day, the longer one speaks.
    generated_on
        The day its content was made; the batch made last speaks for a session.
    n_quotes
        Records in the batch, of every market.
    n_filtered
        Those of markets that were not asked for.
    records
        One row per record asked for, or of a market unknown to B3's layout: the columns of
        `tables.RAW_QUOTES` without `source_file` and `year`, and `line`, its place in the batch.
    first, last
        The days that its name promises; a record of another day cannot be true.
    """

    kind: Kind
    generated_on: date
    n_quotes: int
    n_filtered: int
    records: pd.DataFrame
    first: date = date.min
    last: date = date.max


class Source(Protocol):
    """Where prices come from."""

    @property
    def origin(self) -> str:
        """Whose prices they are: a lake holds those of one origin."""
        ...

    def refresh(self, last: date) -> list[str]:
        """Fetch what is new up to the session `last`; sentences to tell people, maybe none.

        Raises
        ------
        SourceDownError
            If it cannot be reached. What was fetched whole before stays.
        """
        ...

    def files(self) -> list[Path] | None:
        """Its files as they lie there, unread and maybe not whole, each named as its batch.

        None if what it holds is no files.
        """
        ...

    def batches(self) -> list[Batch]:
        """What it holds now, in the order to read it."""
        ...

    def read(self, batch: Batch) -> Delivery:
        """The content of one batch.

        Raises
        ------
        MarketFileError
            If it breaks its own promise.
        """
        ...

    def corporate_actions(self, last: date) -> pd.DataFrame:
        """The events it knows of up to `last`, as `tables.CORPORATE_ACTIONS`; possibly none."""
        ...
