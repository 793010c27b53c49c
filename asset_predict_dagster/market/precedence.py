"""Precedence: which file speaks for a session that several files hold.

The file generated last, and of two generated on one day the longer period. That makes the lake
independent of the order in which files arrive. A session that a corrected file no longer holds
goes back to the file that speaks for it then, or vanishes.
"""

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from asset_predict_dagster.tables import INGESTED_SESSIONS

_LENGTH = {"daily": 0, "monthly": 1, "yearly": 2}


@dataclass(frozen=True)
class Plan:
    """What the lake should hold, and what has to be done for it.

    Attributes
    ----------
    sessions
        Rows of `tables.INGESTED_SESSIONS`: the whole table once it is done.
    pending
        The same table while it is being done: `speaks` is missing for the sessions that change.
    to_write
        Columns file, session, n_kept: the sessions that get the records of `file` anew.
    to_empty
        The sessions whose records go, as no file holds them now.
    """

    sessions: pd.DataFrame
    pending: pd.DataFrame
    to_write: pd.DataFrame
    to_empty: list[pd.Timestamp]


def plan(
    files: pd.DataFrame,
    sessions: pd.DataFrame,
    read: pd.DataFrame,
    anew: Collection[str],
    offered: Collection[str],
) -> Plan:
    """Decide for every session, from what is logged and what was read now.

    Parameters
    ----------
    files
        Rows of `tables.INGESTED_FILES` as they will be, the files read now among them.
    sessions
        Rows of `tables.INGESTED_SESSIONS` as they are logged: how the lake stands. Where a run
        was killed, `speaks` is missing: nobody knows whose records the session has.
    read
        Columns file, session, n_kept of the files read now.
    anew
        The files whose records the lake may not hold as they are now: read now, or given up.
    offered
        The files that the source has. Another one's records stay only where the lake holds them,
        for they cannot be read again.
    """
    speaks = sessions["speaks"].astype("boolean").fillna(False).astype(bool)
    is_settled = ~sessions["file"].isin(anew)
    can_speak = is_settled & (speaks | sessions["file"].isin(offered))
    candidates = joined(sessions.loc[can_speak, _COUNTED], read[_COUNTED])
    rank = files.assign(length=files["kind"].map(_LENGTH))[["file", "generated_on", "length"]]
    in_order = candidates.merge(rank, on="file").sort_values(["generated_on", "length", "file"])
    speakers = in_order.drop_duplicates("session", keep="last")[_COUNTED]

    before = sessions.loc[is_settled & speaks, _KEY]
    to_write = speakers[~_is_among(speakers, before)].sort_values("session", ignore_index=True)
    stored = set(sessions.loc[speaks | sessions["speaks"].isna(), "session"])
    to_empty = sorted(stored - set(speakers["session"]))

    logged = joined(sessions.loc[is_settled, _COUNTED], read[_COUNTED])
    final = logged.assign(speaks=_is_among(logged, speakers))
    either = joined(final, sessions).drop_duplicates(_KEY)
    is_changing = either["session"].isin([*to_write["session"], *to_empty])
    pending = either.assign(speaks=either["speaks"].astype("boolean").mask(is_changing))
    return Plan(final, pending, to_write, to_empty)


_KEY = list(INGESTED_SESSIONS.key)
_COUNTED = [*_KEY, "n_kept"]


def _is_among(rows: pd.DataFrame, others: pd.DataFrame):
    """Which (file, session) of `rows` stands among `others`, shape (n_rows,)."""
    return pd.MultiIndex.from_frame(rows[_KEY]).isin(pd.MultiIndex.from_frame(others[_KEY]))


def joined(*frames: pd.DataFrame) -> pd.DataFrame:
    """The rows of all frames; an empty one has no say in the types of the columns."""
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else frames[0]
