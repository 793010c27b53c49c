"""Leak audit: the project's own chain under the detector, from B3's records to the model's input.

What `tables.py` declares point-in-time must not look ahead; what it declares to be known later
must be an honest label; and the row that is served must be the row that models learn from.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.another_future import KEY, draw_cuts
from asset_predict_dagster.dataset.chain import Chain, Tables, input_rows, split_labels
from asset_predict_dagster.dataset.label_leaks import LabelWatch, find_label_copies
from asset_predict_dagster.dataset.leaks import Recomputed, as_leaks, looks_ahead, recomputed
from asset_predict_dagster.dataset.same_bits import align, differences
from asset_predict_dagster.dataset.samples import Samples, build_samples
from asset_predict_dagster.market.quotes import standard_lots

WINDOW = 400
"""Sessions of history that a sample holds: a year of warm-up, and room to cut."""

MAX_TICKERS = 300
"""A sample of a larger market holds so many of its tickers, drawn like the rest."""

COPY_SESSIONS = 10
"""Sessions in which features are held beside labels, spread over the history."""

SERVED_SESSIONS = 63
"""Sessions of features from which the row of the last one is made when it is served."""

EVERYTHING = ("known", "labels")


@dataclass(frozen=True)
class Audit:
    """What was tested, and what was found.

    Attributes
    ----------
    cuts
        The sessions tested at.
    tested
        One row per stage: stage, n_columns, n_cuts, n_values (compared at a cut, once with another
        past and once with another future).
    leaks
        As `find_leaks` gives them; a column is `stage.column`.
    """

    cuts: Sequence[pd.Timestamp]
    tested: pd.DataFrame
    leaks: pd.DataFrame


def audit(
    chain: Chain,
    records: pd.DataFrame,
    cuts: Sequence[pd.Timestamp],
    what: Collection[str] = EVERYTHING,
) -> Audit:
    """What the chain makes of `records`, tested at every cut.

    Parameters
    ----------
    records
        Rows of `raw_quotes` with the columns `RECORD_COLUMNS`.
    cuts
        Sessions to test at, each with sessions after it.
    what
        `known` for all that is known at t, `labels` for the table of labels, or both.
    """
    spot = standard_lots(records).reset_index(drop=True)
    base = chain.tables(spot)
    later, at_once = split_labels()
    names, n_rows, found = [], 0, []
    if "known" in what:
        names += [name for name in base.known if name not in KEY]
    watch = LabelWatch(base.labels, later) if "labels" in what else None
    for cut, how, tables in recomputed(chain.tables, spot, cuts=cuts):
        n_rows += int((base.quotes["session"] <= cut).sum())
        if "known" in what:
            found += looks_ahead(base.known, Recomputed(cut, how, tables.known), names)
        if watch is not None:
            labels = Recomputed(cut, how, tables.labels)
            watch.add(labels)
            found += _of_labels(looks_ahead(base.labels, labels, at_once))
    if watch is not None:
        found += _of_labels(watch.found()) + _copies(base, later)
        names += [f"labels.{name}" for name in (*later, *at_once)]
    stages = pd.Series(names, dtype="str").str.split(".").str[0]
    counts = stages.value_counts(sort=False).rename_axis("stage").reset_index(name="n_columns")
    tested = counts.assign(n_cuts=len(cuts), n_values=counts["n_columns"] * n_rows)
    return Audit(cuts, tested, as_leaks(found))


def draw_sample(
    records: pd.DataFrame, n_cuts: int, seed: int, *, latest: bool
) -> tuple[pd.DataFrame, list[pd.Timestamp]]:
    """A stretch of the records that takes seconds to test, and the cuts to test it at.

    400 sessions, the last ones or (not `latest`) any, of at most 300 tickers. The history that a
    stretch lacks is lacking in all that is compared.
    """
    random = np.random.default_rng([seed, int(latest)])
    spot = standard_lots(records)
    sessions = np.unique(spot["session"].to_numpy())
    n = min(WINDOW, len(sessions))
    end = len(sessions) if latest else int(random.integers(n, len(sessions) + 1))
    days = sessions[end - n : end]
    rows = spot[spot["session"].between(days[0], days[-1])]
    tickers = rows["ticker"].unique()
    if len(tickers) > MAX_TICKERS:
        rows = rows[rows["ticker"].isin(random.choice(tickers, MAX_TICKERS, replace=False))]
    # In a history too short for two stretches they are at least cut at other sessions.
    return rows.reset_index(drop=True), draw_cuts(rows, n_cuts, seed=2 * seed + int(latest))


def unequal_served_rows(
    chain: Chain,
    records: pd.DataFrame,
    corporate_actions: pd.DataFrame,
    features: pd.DataFrame,
    universe: pd.DataFrame,
) -> pd.DataFrame:
    """Where the last session's row of the model's input, made anew, is not the one learned from.

    Made from the records up to that session and the last 63 sessions of features, as it is
    served; compared to the bit with that of the tables, as training takes it.

    Parameters
    ----------
    records, corporate_actions, features, universe
        Rows of the tables `raw_quotes` and of those names; of the records the columns
        `RECORD_COLUMNS`, of the features the models' are enough.

    Returns
    -------
    One row per column that differs: column (`(rows)` where a ticker has a row on one side only),
    session, n_rows, largest_difference, ticker (the first). None if all is the same.
    """
    session = features["session"].max()
    events = corporate_actions[corporate_actions["ex_date"] <= session]
    made = chain.tables_with(records[records["session"] <= session], events)
    recent = np.unique(made.quotes["session"].to_numpy())[-SERVED_SESSIONS:][0]
    rows = (made.quotes["session"] >= recent).to_numpy()
    parts = made.features[rows], made.universe[rows]
    served = _input_of(build_samples(*(part.reset_index(drop=True) for part in parts)), session)
    learned = _input_of(build_samples(features, universe), session)
    names = [name for name in served if name not in KEY]
    found = differences(align(served, learned, KEY), names, KEY)
    columns = ["column", "row_session", "n_rows", "largest_difference", "ticker"]
    table = pd.DataFrame(found, columns=columns)
    return table.rename(columns={"row_session": "session"})


def listed_events(corporate_actions: pd.DataFrame) -> pd.DataFrame:
    """The events that a source lists: those that prices give away are inferred anew."""
    return corporate_actions[corporate_actions["source"] != "inferred"].reset_index(drop=True)


def _copies(base: Tables, names: list[str]) -> list[dict]:
    """Features that are a label, by some sessions from which every label is known."""
    labelled = np.unique(base.labels.loc[base.labels["span_end"].notna(), "session"].to_numpy())
    if len(labelled) == 0:
        return []
    days = labelled[np.linspace(0, len(labelled) - 1, COPY_SESSIONS).astype(int)]
    rows = base.labels["session"].isin(days).to_numpy()
    labels = base.labels.loc[rows, [*KEY, *names]]
    copies = find_label_copies(base.features[rows], labels)
    named = "features." + copies["column"] + " = labels." + copies["label"]
    first = {"row_session": days[0], "ticker": labels["ticker"].iloc[0]}
    found = copies.assign(column=named, how="copy", cut=days[-1], **first)
    return found.to_dict("records")


def _of_labels(found: list[dict]) -> list[dict]:
    return [{**one, "column": f"labels.{one['column']}"} for one in found]


def _input_of(samples: Samples, session: pd.Timestamp) -> pd.DataFrame:
    days = samples.sessions[samples.session_codes]
    rows = np.flatnonzero(days == session.to_numpy().astype("datetime64[D]"))
    ticker = samples.tickers[samples.ticker_codes[rows]]
    return input_rows(samples).iloc[rows].assign(ticker=ticker, session=session)
