"""Another future: the same rows up to a session, and others after it.

Whatever was known at that session is the same in both. The sessions at which to part are drawn
where looking ahead would show.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

KEY = ("ticker", "session")
"""The columns that say which paper and which session a row is of."""

DROPPED = 0.2
"""Share of the later rows that another future lacks."""

NEWCOMERS = 0.2
"""Share of the later tickers that another future has twice: once more under a new name."""

WARM_UP = 260
"""Sessions before the first cut that is drawn: a year, so that every feature has its past. Half of
the sessions, if there are not that many."""


def up_to(rows: pd.DataFrame, cut: pd.Timestamp, key: Sequence[str] = KEY) -> pd.DataFrame:
    """The rows of the sessions up to `cut`, numbered anew."""
    return rows[rows[key[1]] <= cut].reset_index(drop=True)


def another_future(
    source: pd.DataFrame, cut: pd.Timestamp, key: Sequence[str] = KEY, seed: int = 0
) -> pd.DataFrame:
    """`source` with everything after `cut` changed, and nothing up to it.

    Of the later rows a fifth are missing; each of the others holds what another one did, all its
    numbers with a fraction multiplied by one random factor, so that what is true within a row
    (low ≤ close ≤ high) stays true. A fifth of the tickers appear once more under a new name,
    `~` and their own; tickers that are no text do not.

    Parameters
    ----------
    source
        Rows with the columns of `key`: the paper, and the session.
    cut
        The last session to leave alone.
    seed
        With the cut it decides the future: the same twice.

    Returns
    -------
    The rows of `source` in their order, the new tickers behind them.

    Examples
    --------
    >>> days = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"])
    >>> rows = pd.DataFrame({"ticker": "PETR4", "session": days, "close": [37.0, 38.0, 39.0]})
    >>> future = another_future(rows, pd.Timestamp("2024-01-03"))
    >>> future["close"].head(2).tolist(), 39.0 in future["close"].tolist()
    ([37.0, 38.0], False)
    """
    paper, day = key
    random = np.random.default_rng([seed, pd.Timestamp(cut).toordinal()])
    source = source.reset_index(drop=True)
    is_later = (source[day] > cut).to_numpy()
    later = source[is_later]
    later = later[random.random(len(later)) >= DROPPED]
    content = [name for name in source.columns if name not in key]
    moved = later[content].take(random.permutation(len(later))).set_axis(later.index)
    factor = random.lognormal(sigma=0.5, size=len(later))
    for name in content:
        if pd.api.types.is_float_dtype(moved[name].dtype):
            moved[name] = (moved[name] * factor).astype(moved[name].dtype)
    changed = pd.concat([later[list(key)], moved], axis=1)[source.columns]
    parts = [pd.concat([source[~is_later], changed]).sort_index(kind="stable")]
    if len(changed) and pd.api.types.is_string_dtype(source[paper].dtype):
        names = changed[paper].unique()
        drawn = random.choice(names, size=max(1, round(NEWCOMERS * len(names))), replace=False)
        new = changed[changed[paper].isin(drawn)]
        parts.append(new.assign(**{paper: "~" + new[paper]}))
    return pd.concat(parts, ignore_index=True)


def draw_cuts(
    source: pd.DataFrame, n: int, key: Sequence[str] = KEY, seed: int = 0
) -> list[pd.Timestamp]:
    """`n` sessions to part at, in order: fewer if there are not so many.

    The last but one, after which is one session; of the others half where a value is missing, or a
    row of a ticker that has one before and after, since what fills a gap backwards shows nowhere
    else; the rest anywhere after the warm-up. None of fewer than two sessions.
    """
    sessions = np.unique(source[key[1]].to_numpy())
    random = np.random.default_rng([seed, n])
    first = WARM_UP if len(sessions) > WARM_UP + n else len(sessions) // 2
    allowed = sessions[first:-2]
    gaps = np.intersect1d(_gaps(source, key), allowed)
    of_gaps = random.permutation(gaps)[: n // 2]
    others = random.permutation(np.setdiff1d(allowed, of_gaps))
    # A session that is drawn twice would say nothing new.
    drawn = np.r_[sessions[-2:-1], of_gaps, others][:n]
    return [pd.Timestamp(session) for session in np.sort(drawn)]


def _gaps(source: pd.DataFrame, key: Sequence[str]) -> np.ndarray:
    """Sessions on which a value is missing, or a row of a ticker that is there on both sides."""
    paper, day = key
    sessions, row = np.unique(source[day].to_numpy(), return_inverse=True)
    codes, papers = pd.factorize(source[paper])
    is_there = np.zeros((len(sessions), len(papers)), dtype=bool)
    is_there[row, codes] = True
    before = np.maximum.accumulate(is_there, axis=0)
    after = np.maximum.accumulate(is_there[::-1], axis=0)[::-1]
    has_gap = (before & after & ~is_there).any(axis=1)
    # A column without any value has nothing to fill its gaps with.
    partly = source.loc[:, source.notna().any()]
    has_gap[row[partly.isna().any(axis=1).to_numpy()]] = True
    return sessions[has_gap]
