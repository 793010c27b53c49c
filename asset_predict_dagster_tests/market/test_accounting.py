"""Every record is in the quotes or counted where it was left out: break one sum and it is named."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import pandas as pd
import pytest

from asset_predict_dagster.market.accounting import account, unbalanced

LAST = date(2024, 1, 3)
YEAR, DAY = "COTAHIST_A2024.TXT", "COTAHIST_D03012024.TXT"


def january(day: int) -> pd.Timestamp:
    return pd.Timestamp(2024, 1, day).as_unit("us")


@dataclass(frozen=True)
class Books:
    """The five tables that are accounted for."""

    files: pd.DataFrame
    sessions: pd.DataFrame
    rejected: pd.DataFrame
    raw_quotes: pd.DataFrame
    quotes: pd.DataFrame

    @property
    def unbalanced(self) -> list[tuple]:
        tables = (self.files, self.sessions, self.rejected, self.raw_quotes, self.quotes)
        return list(unbalanced(*tables, LAST).itertuples(index=False, name=None))


def books() -> Books:
    """A year's file of three sessions, and a day's file that speaks for the second one.

    The year holds 12 records: 3 of other markets, 1 rejected, 8 kept: 3 + 2 + 3 in its sessions.
    The day holds 5: 1 of other markets, none rejected, 4 kept. The lake has 3 + 4 + 3; one of
    them is a right, 3 are of the 4th, after the as-of; 6 are quotes.
    """
    files = pd.DataFrame(
        [(YEAR, 12, 3, 1, 8), (DAY, 5, 1, 0, 4)],
        columns=["file", "n_quotes", "n_filtered", "n_rejected", "n_kept"],
    )
    sessions = pd.DataFrame(
        [
            (YEAR, january(2), 3, True),
            (YEAR, january(3), 2, False),
            (YEAR, january(4), 3, True),
            (DAY, january(3), 4, True),
        ],
        columns=["file", "session", "n_kept", "speaks"],
    )
    rejected = pd.DataFrame({"file": [YEAR], "line": [7], "reason": "a price is above zero"})
    raw = [(YEAR, january(2), "010", section) for section in ("02", "12", "10")]
    raw += [(DAY, january(3), "010", "02")] * 4
    raw += [(YEAR, january(4), "010", "02")] * 3
    raw_quotes = pd.DataFrame(raw, columns=["source_file", "session", "market_type", "bdi_code"])
    quotes = pd.DataFrame(
        {"ticker": list("ABCDEF"), "session": [january(2)] * 2 + [january(3)] * 4}
    )
    return Books(files, sessions, rejected, raw_quotes, quotes)


def changed(table: pd.DataFrame, row: int, **values) -> pd.DataFrame:
    table = table.copy()
    for column, value in values.items():
        table.loc[row, column] = value
    return table


def test_the_account_follows_the_records_from_the_files_to_the_quotes():
    tables = books()
    lines = account(*vars(tables).values(), LAST)
    assert list(lines.itertuples(index=False, name=None)) == [
        ("in the files", 17),
        ("of markets not asked for", 4),
        ("rejected", 1),
        ("spoken for by another file", 2),
        ("in raw_quotes", 10),
        ("of sections that are no standard lot", 1),
        ("of sessions after the as-of", 3),
        ("in quotes", 6),
    ]
    assert 17 == 4 + 1 + 2 + 10
    assert 10 == 1 + 3 + 6


def test_books_in_order_have_nothing_to_show():
    assert books().unbalanced == []


def test_nothing_at_all_is_in_order():
    empty = Books(**{name: table.head(0) for name, table in vars(books()).items()})
    assert empty.unbalanced == []
    assert account(*vars(empty).values(), LAST)["n_records"].sum() == 0


FILTERED = "filtered, rejected and kept"
WHOLE = "other sections, later sessions and quotes"


@pytest.mark.parametrize(
    ("name", "spoil", "expected"),
    [
        # A record of the file is nowhere
        ("files", lambda t: changed(t, 0, n_quotes=13), [(YEAR, FILTERED, 13, 12)]),
        ("files", lambda t: changed(t, 1, n_filtered=0), [(DAY, FILTERED, 5, 4)]),
        # One was rejected, and its row is lost; one more is there than was rejected
        ("rejected", lambda t: t.head(0), [(YEAR, "rejected", 1, 0)]),
        ("rejected", lambda t: changed(t, 0, file=DAY), [
            (YEAR, "rejected", 1, 0),
            (DAY, "rejected", 0, 1),
        ]),
        ("rejected", lambda t: changed(t, 0, file="GONE.TXT"), [
            (YEAR, "rejected", 1, 0),
            ("GONE.TXT", "rejected", 0, 1),
        ]),
        # A session that the file kept, and did not say so
        ("sessions", lambda t: t.drop(1), [(YEAR, "kept", 8, 6)]),
        ("sessions", lambda t: changed(t, 1, n_kept=1), [(YEAR, "kept", 8, 7)]),
        # A file speaks that should not, and one that should does not
        ("sessions", lambda t: changed(t, 1, speaks=True), [
            (f"{YEAR} 2024-01-03", "in raw_quotes", 2, 0),
            ("2024-01-03", "files that speak for the session", 1, 2),
        ]),
        ("sessions", lambda t: changed(t, 0, speaks=False), [
            (f"{YEAR} 2024-01-02", "in raw_quotes", 0, 3),
            ("2024-01-02", "files that speak for the session", 1, 0),
        ]),
        # A run was killed while it wrote
        ("sessions", lambda t: t.assign(speaks=t["speaks"].astype("boolean").mask(t.index == 3)), [
            (f"{DAY} 2024-01-03", "in raw_quotes", 0, 4),
            ("2024-01-03", "files that speak for the session", 1, 0),
        ]),
        # A record of the lake is lost, or comes from the file that does not speak
        ("raw_quotes", lambda t: t.drop(9), [
            (f"{YEAR} 2024-01-04", "in raw_quotes", 3, 2),
        ]),
        ("raw_quotes", lambda t: changed(t, 4, source_file=YEAR), [
            (f"{YEAR} 2024-01-03", "in raw_quotes", 0, 1),
            (f"{DAY} 2024-01-03", "in raw_quotes", 4, 3),
        ]),
        # A quote is lost, or made from a right
        ("quotes", lambda t: t.drop(5), [("raw_quotes", WHOLE, 10, 9)]),
        ("raw_quotes", lambda t: changed(t, 2, bdi_code="02"), [("raw_quotes", WHOLE, 10, 9)]),
        ("raw_quotes", lambda t: changed(t, 0, market_type="020"), [("raw_quotes", WHOLE, 10, 11)]),
    ],
)  # fmt: skip
def test_a_sum_that_does_not_hold_is_named_with_both_numbers(
    name: str, spoil: Callable[[pd.DataFrame], pd.DataFrame], expected: list[tuple]
):
    good = books()
    spoilt = replace(good, **{name: spoil(getattr(good, name))})
    assert sorted(spoilt.unbalanced) == sorted(expected)


def test_a_right_of_a_later_session_is_counted_once():
    good = books()
    raw_quotes = changed(good.raw_quotes, 9, bdi_code="10")
    lines = account(good.files, good.sessions, good.rejected, raw_quotes, good.quotes, LAST)
    counts = lines.set_index("what")["n_records"]
    assert counts["of sections that are no standard lot"] == 2
    assert counts["of sessions after the as-of"] == 2
    assert replace(good, raw_quotes=raw_quotes).unbalanced == []


def test_rows_of_the_lake_may_carry_any_index():
    good = books()
    raw_quotes = good.raw_quotes.set_index(pd.Index([0] * 10))
    assert replace(good, raw_quotes=raw_quotes).unbalanced == []
