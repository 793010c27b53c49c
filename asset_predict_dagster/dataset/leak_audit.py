"""Leak audit: the project's own chain under the detector, from B3's records to the model's input.

What `tables.py` declares point-in-time must not look ahead; what it declares to be known later
must be an honest label; and with a label or without, a row gives a model the same.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from asset_predict_dagster.dataset.another_future import KEY, draw_cuts
from asset_predict_dagster.dataset.chain import INPUT, Chain, Tables, split_labels
from asset_predict_dagster.dataset.label_leaks import LabelWatch, find_label_copies
from asset_predict_dagster.dataset.leaks import Recomputed, as_leaks, looks_ahead, recomputed
from asset_predict_dagster.dataset.same_bits import align, differences
from asset_predict_dagster.market.quotes import standard_lots

WINDOW = 400
"""Sessions of history that a sample holds: a year of warm-up, and room to cut."""

MAX_TICKERS = 300
"""A sample of a larger market holds so many of its tickers, drawn like the rest."""

COPY_SESSIONS = 10
"""Sessions in which features are held beside labels, spread over the history."""

EVERYTHING = ("known", "labels")


@dataclass(frozen=True)
class Audit:
    """What was tested, and what was found.

    Attributes
    ----------
    cuts
        The sessions tested at.
    tested
        One row per stage: stage, n_columns, n_cuts, n_cut_rows (of the sessions cut at, the first
        that a look ahead shows in) and n_values: all that were compared, the past of each cut
        twice, without what came after it and with another future.
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

    Returns
    -------
    With `known`, a stage `learned` says in which columns of the model's input a row that has its
    label differs from the same row without.

    Raises
    ------
    DatasetError
        If there is no cut, or one without a session up to it or after it.
    """
    spot = standard_lots(records).reset_index(drop=True)
    base = chain.tables(spot)
    later, at_once = split_labels()
    names, n_rows, found = [], 0, []
    if "known" in what:
        names += [name for name in base.known if name not in KEY]
        found += _of_learned(base)
    watch = LabelWatch(base.labels, later) if "labels" in what else None
    for cut, how, tables in recomputed(chain.tables, spot, cuts=cuts):
        n_rows += int((base.quotes["session"] <= cut).sum())
        if "known" in what:
            found += looks_ahead(base.known, Recomputed(cut, how, tables.known))
        if watch is not None:
            labels = Recomputed(cut, how, tables.labels)
            watch.add(labels)
            found += _of_labels(looks_ahead(base.labels, labels, at_once))
    if watch is not None:
        found += _of_labels(watch.found()) + _copies(base, later)
        names += [f"labels.{name}" for name in (*later, *at_once)]
    stages = pd.Series(names, dtype="str").str.split(".").str[0]
    counts = stages.value_counts(sort=False).rename_axis("stage").reset_index(name="n_columns")
    n_at_cuts = int(base.quotes["session"].isin(cuts).sum())
    tested = counts.assign(
        n_cuts=len(cuts), n_cut_rows=n_at_cuts, n_values=counts["n_columns"] * n_rows
    )
    if "known" in what:
        n_columns, n_rows = base.learned.shape[1], len(base.learned)
        learned = stage_without_cuts("learned", n_columns, n_columns * n_rows)
        tested = pd.concat([tested, learned], ignore_index=True)
    return Audit(cuts, tested, as_leaks(found))


def stage_without_cuts(stage: str, n_columns: int, n_values: int) -> pd.DataFrame:
    """A row of `Audit.tested` for what is compared as a whole."""
    row = {"stage": stage, "n_columns": n_columns, "n_cuts": 0, "n_cut_rows": 0}
    return pd.DataFrame([{**row, "n_values": n_values}])


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


def _of_learned(base: Tables) -> list[dict]:
    key = base.features[list(KEY)].reset_index(drop=True)
    parts = [pd.concat([key, part], axis=1) for part in (base.learned, base.served)]
    unequal = differences(align(*parts, KEY), list(base.learned.columns), KEY)
    about = {"cut": key["session"].max(), "how": "learned"}
    return [
        {**one, **about, "column": one["column"].replace(INPUT, "learned", 1)} for one in unequal
    ]


def _of_labels(found: list[dict]) -> list[dict]:
    return [{**one, "column": f"labels.{one['column']}"} for one in found]
