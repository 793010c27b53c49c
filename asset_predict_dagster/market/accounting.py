"""Accounting: every record of every file is in the quotes, or counted where it was left out.

Each number is taken where it stands, never as what is left of the others: a sum that holds by
subtraction proves nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pandas as pd

from asset_predict_dagster.market.quotes import standard_lots


def account(
    files: pd.DataFrame,
    sessions: pd.DataFrame,
    rejected: pd.DataFrame,
    raw_quotes: pd.DataFrame,
    quotes: pd.DataFrame,
    last: date,
) -> pd.DataFrame:
    """One row per line of the account, in the order records flow; columns what, n_records.

    Parameters
    ----------
    files, sessions, rejected
        Rows of `tables.INGESTED_FILES`, `tables.INGESTED_SESSIONS`, `tables.REJECTED_RECORDS`.
    raw_quotes, quotes
        Rows of the tables of those names.
    last
        The as-of session that `quotes` was made with.
    """
    left_out = _left_out(raw_quotes, last)
    elsewhere = sessions.loc[~_speaks(sessions), "n_kept"]
    lines = {
        "in the files": files["n_quotes"].sum(),
        "of markets not asked for": files["n_filtered"].sum(),
        "rejected": len(rejected),
        "spoken for by another file": elsewhere.sum(),
        "in raw_quotes": len(raw_quotes),
        "of sections that are no standard lot": left_out.n_other_sections,
        "of sessions after the as-of": left_out.n_later,
        "in quotes": len(quotes),
    }
    return pd.DataFrame({"what": list(lines), "n_records": [int(n) for n in lines.values()]})


def unbalanced(
    files: pd.DataFrame,
    sessions: pd.DataFrame,
    rejected: pd.DataFrame,
    raw_quotes: pd.DataFrame,
    quotes: pd.DataFrame,
    last: date,
) -> pd.DataFrame:
    """One row per sum that does not hold; columns where, what, expected, found. Arguments: above.

    - per file: records it holds = of markets not asked for + rejected + kept
    - per file: rejected = rows of `rejected_records`; kept = the sum over its sessions
    - per file and session: kept = rows of `raw_quotes` if the file speaks for it, else none
    - per session: one file speaks for it
    - `raw_quotes` = other sections + later sessions + `quotes`
    """
    parts = [
        part[part["expected"] != part["found"]]
        for part in _sums(files, sessions, rejected, raw_quotes, quotes, last)
    ]
    return pd.concat(parts, ignore_index=True)


def _sums(
    files: pd.DataFrame,
    sessions: pd.DataFrame,
    rejected: pd.DataFrame,
    raw_quotes: pd.DataFrame,
    quotes: pd.DataFrame,
    last: date,
) -> Iterator[pd.DataFrame]:
    by_file = files.set_index("file")
    accounted = by_file["n_filtered"] + by_file["n_rejected"] + by_file["n_kept"]
    yield _both("filtered, rejected and kept", by_file["n_quotes"], accounted)
    yield _both("rejected", by_file["n_rejected"], rejected.groupby("file").size())
    yield _both("kept", by_file["n_kept"], sessions.groupby("file")["n_kept"].sum())

    speaking = sessions[_speaks(sessions)]
    promised = speaking.set_index(["file", "session"])["n_kept"]
    stored = raw_quotes.groupby(["source_file", "session"], observed=True).size()
    yield _both("in raw_quotes", promised, stored.rename_axis(["file", "session"]))
    voices = speaking.groupby("session").size()
    one = pd.Series(1, index=stored.index.get_level_values("session").union(voices.index).unique())
    yield _both("files that speak for the session", one, voices)

    left_out = _left_out(raw_quotes, last)
    accounted = left_out.n_other_sections + left_out.n_later + len(quotes)
    whole = {"where": "raw_quotes", "what": "other sections, later sessions and quotes"}
    yield pd.DataFrame([{**whole, "expected": len(raw_quotes), "found": accounted}])


def _both(what: str, expected: pd.Series, found: pd.Series) -> pd.DataFrame:
    """The two counts of each label that either knows; one that does not know it counts 0."""
    expected, found = expected.align(found, join="outer", fill_value=0)
    return pd.DataFrame(
        {
            "where": [_words(label) for label in expected.index],
            "what": what,
            "expected": expected.astype("int64").to_numpy(),
            "found": found.astype("int64").to_numpy(),
        }
    )


def _words(label: object) -> str:
    parts = label if isinstance(label, tuple) else (label,)
    return " ".join(
        f"{part:%Y-%m-%d}" if isinstance(part, pd.Timestamp) else str(part) for part in parts
    )


def _speaks(sessions: pd.DataFrame) -> pd.Series:
    """Missing where a run was killed: nobody speaks for that session until the next one."""
    return sessions["speaks"].astype("boolean").fillna(False).astype(bool)


@dataclass(frozen=True)
class _LeftOut:
    """Records of `raw_quotes` that are no quotes: of other sections, and of later sessions."""

    n_other_sections: int
    n_later: int


def _left_out(raw_quotes: pd.DataFrame, last: date) -> _LeftOut:
    records = raw_quotes[["session", "market_type", "bdi_code"]].reset_index(drop=True)
    kept = standard_lots(records)
    is_other = ~records.index.isin(kept.index)
    is_later = kept["session"] > pd.Timestamp(last)
    return _LeftOut(int(is_other.sum()), int(is_later.sum()))
