"""What sources say against each other: of one event, one tells another size."""

from collections import defaultdict

import numpy as np
import pandas as pd

from asset_predict_dagster.tables import CASH_KINDS

SAME_SIZE = 1.01
"""Two sizes agree if neither is larger than the other by more than this: B3 cuts an amount to the
tenth of a centavo, and amounts scaled by a later split come back less exact."""

_DAY = ["ticker", "ex_date", "group"]


def disputes(events: pd.DataFrame, told_again: dict[int, int]) -> pd.Series:
    """Per event what the sources that it wins over say instead; missing where none disagrees.

    Compared are the cash of one day in sum, and the product of one day's factors. Kinds without a
    size have nothing to disagree on, and the same factor under another name is no other event.
    An inferred factor is the likeliest of a list, and disputes none that somebody stated.

    Parameters
    ----------
    events
        Rows of `tables.CORPORATE_ACTIONS` with `rank` (the source of the lowest wins a day) and
        `group` (`cash`, `shares` or a kind of no size).
    told_again
        Label of a share event that gave way → label of the one, of another day, that stays.

    Returns
    -------
    Labels as `events`; what each row disputed before is kept.
    """
    notes: dict[int, list[str]] = defaultdict(list)
    for label, note in events["disputed"].dropna().items():
        notes[int(str(label))].append(note)
    for winners, losers in _unequal_days(events):
        for label in winners.index:
            notes[label].append(_said(losers, winners))
    for loser, winner in told_again.items():
        theirs, ours = events.loc[[loser]], events.loc[[winner]]
        notes[winner] += notes[loser]
        if not theirs["source"].eq("inferred").any() and not _agree(_size(theirs), _size(ours)):
            day = theirs["ex_date"].iloc[0]
            notes[winner].append(f"{_said(theirs, ours)} on {day:%Y-%m-%d}")
    told = {label: ", ".join(dict.fromkeys(said)) for label, said in notes.items() if said}
    return pd.Series(told, dtype="str").reindex(events.index)


def _unequal_days(events: pd.DataFrame) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Of each day and group told in two sizes: the rows of the winner, and those of a loser."""
    sized = events[events["group"].isin(("cash", "shares"))]
    is_cash = sized["group"] == "cash"
    per_source = [sized[name] for name in (*_DAY, "rank")]
    cash = sized["amount_brl"].groupby(per_source).transform("sum")
    size = np.log(cash.where(is_cash, sized["factor"].groupby(per_source).transform("prod")))
    spread = size.groupby([sized[name] for name in _DAY])
    # Most days are told alike by all; only the others are looked at one by one.
    unequal = spread.transform("max") - spread.transform("min") > np.log(SAME_SIZE)
    pairs = []
    for _, told in sized[unequal].groupby(_DAY):
        first, *others = (own for _, own in told.groupby("rank"))
        pairs += [
            (first, other)
            for other in others
            if not other["source"].eq("inferred").all() and not _agree(_size(first), _size(other))
        ]
    return pairs


def _size(rows: pd.DataFrame) -> float:
    is_cash = rows["kind"].isin(CASH_KINDS).all()
    return float(rows["amount_brl"].sum() if is_cash else rows["factor"].prod())


def _agree(one: float, other: float) -> bool:
    return abs(np.log(one / other)) <= np.log(SAME_SIZE)


def _said(theirs: pd.DataFrame, ours: pd.DataFrame) -> str:
    kinds = sorted(set(theirs["kind"]))
    name = "" if kinds == sorted(set(ours["kind"])) else f"{' and '.join(kinds)} "
    return f"{theirs['source'].iloc[0]}: {name}{_size(theirs):.6g}"
