"""A paper that changed its code stays one paper, and another one's code stays another's."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import MarketDataError, MarketFileError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.renames import read_renames, under_current_codes
from asset_predict_dagster.table_checks import broken_promises
from asset_predict_dagster.tables import RENAMES

HEADER = "old_ticker,new_ticker,first_session"
LAST = date(2024, 12, 30)
VIA = ("VVAR3,VIIA3,2021-08-16", "VIIA3,BHIA3,2023-09-20")
"""Two changes of one paper, one after the other."""


def write(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "renames.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def renames_of(*lines: str) -> pd.DataFrame:
    rows = [line.split(",") for line in lines]
    table = pd.DataFrame(rows, columns=RENAMES.column_names)
    table["first_session"] = pd.to_datetime(table["first_session"]).astype("datetime64[us]")
    return table


def rows_of(*rows: tuple[str, str], day: str = "session") -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["ticker", day])
    table[day] = pd.to_datetime(table[day]).astype("datetime64[us]")
    return table.assign(traded_as=table["ticker"])


def current(*rows: tuple[str, str], under: tuple[str, ...] = VIA) -> list[str]:
    """The current code of each row, in the order of the rows given."""
    table = rows_of(*rows).assign(place=range(len(rows)))
    renamed = under_current_codes(table, renames_of(*under), "session")
    return renamed.sort_values("place")["ticker"].tolist()


# The file


def test_each_line_is_one_change_of_code(tmp_path):
    path = write(tmp_path, "", VIA[1], VIA[0])
    renames = read_renames(path, LAST)
    assert renames["old_ticker"].tolist() == ["VVAR3", "VIIA3"]  # in the order they happened
    assert renames["new_ticker"].tolist() == ["VIIA3", "BHIA3"]
    assert renames["first_session"].dt.date.tolist() == [date(2021, 8, 16), date(2023, 9, 20)]
    assert broken_promises(RENAMES, renames).empty


def test_no_file_is_no_change_and_can_be_stored(tmp_path):
    renames = read_renames(None, LAST)
    assert renames.empty
    assert Lake(tmp_path / "lake").write(RENAMES, renames).n_rows == 0
    pd.testing.assert_frame_equal(renames, read_renames(write(tmp_path), LAST))


def test_a_change_of_the_last_session_counts_and_one_of_the_next_is_not_known_yet(tmp_path):
    path = write(tmp_path, *VIA)
    assert len(read_renames(path, date(2023, 9, 20))) == 2
    assert read_renames(path, date(2023, 9, 19))["new_ticker"].tolist() == ["VIIA3"]


def test_the_columns_may_come_in_any_order(tmp_path):
    path = write(tmp_path, "2021-08-16,VVAR3,VIIA3", header="first_session,old_ticker,new_ticker")
    assert list(read_renames(path, LAST)) == RENAMES.column_names


GOOD = "ZZAA3,ZZAB3,2024-03-01"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ZZAC3,ZZAD3,01/03/2024", "line 4: first_session is not a date .*'01/03/2024'"),
        ("ZZAC3,ZZAD3,", "line 4: first_session is not a date"),
        ("ZZAC3,ZZAD3,2024-03-02", "line 4: first_session is a day on which B3 does not trade"),
        ("ZZAC3,ZZAD3,1975-03-03", "line 4: first_session is a day on which B3 does not trade"),
        (",ZZAD3,2024-03-01", "line 4: old_ticker is no code of B3"),
        ("ZZAC3,zzad3,2024-03-01", "line 4: new_ticker is no code of B3 .*'zzad3'"),
        ("ZZAC3 ,ZZAD3,2024-03-01", "line 4: old_ticker is no code of B3"),
        ("ZZAC3,ZZAC3,2024-03-01", "line 4: the code stays the same"),
        ("ZZAA3,ZZAC3,2024-03-01", "line 4: the code was changed on that day by a line above"),
        ("ZZAC3,ZZAB3,2024-03-01", "line 4: a line above gives the new code to another paper"),
        ("ZZAC3,ZZAD3,2024-03-01,2", "cannot be read as CSV: .*line 4, saw 4"),
        ("ZZAB3,ZZAA3,2024-06-03", "line 2: expected a paper .* found ZZAA3 → ZZAB3 → ZZAA3;"),
    ],
)
def test_a_wrong_line_is_named_and_the_file_refused(tmp_path, line, message):
    path = write(tmp_path, GOOD, "", line)
    with pytest.raises(MarketFileError, match=f"renames.csv: {message}"):
        read_renames(path, LAST)


def test_a_cycle_of_three_is_refused_too(tmp_path):
    path = write(
        tmp_path, "ZZAA3,ZZAB3,2024-03-01", "ZZAB3,ZZAC3,2024-04-01", "ZZAC3,ZZAA3,2024-05-02"
    )
    with pytest.raises(MarketFileError, match="ZZAA3 → ZZAB3 → ZZAC3 → ZZAA3"):
        read_renames(path, LAST)


def test_a_wrong_line_is_refused_even_if_it_is_still_to_come(tmp_path):
    with pytest.raises(MarketFileError, match="line 2: the code stays the same"):
        read_renames(write(tmp_path, "ZZAA3,ZZAA3,2024-03-01"), date(2020, 1, 2))


def test_a_day_beyond_the_calendar_is_no_fault(tmp_path):
    assert read_renames(write(tmp_path, "ZZAA3,ZZAB3,2100-03-04"), LAST).empty


@pytest.mark.parametrize(
    "header", ["old_ticker,new_ticker", f"{HEADER},reason", "ticker,new_ticker,first_session"]
)
def test_other_columns_are_refused(tmp_path, header):
    path = write(tmp_path, header=header)
    with pytest.raises(MarketFileError, match=f"line 1: .*found {header.replace(',', ', ')}"):
        read_renames(path, LAST)


@pytest.mark.parametrize("content", [b"", b"old_ticker\n\xe9,\n", b'old_ticker,"new_ticker\n'])
def test_a_file_that_is_no_csv_is_refused_by_name(tmp_path, content):
    path = tmp_path / "renames.csv"
    path.write_bytes(content)
    with pytest.raises(MarketFileError, match=r"renames.csv: cannot be read as CSV"):
        read_renames(path, LAST)


def test_a_value_too_many_in_the_first_line_is_not_dropped(tmp_path):
    with pytest.raises(MarketFileError, match="cannot be read as CSV"):
        read_renames(write(tmp_path, f"{GOOD},merged"), LAST)


def test_a_file_that_is_not_there_says_which_setting_names_it(tmp_path):
    with pytest.raises(MarketFileError, match=r"nowhere.csv cannot be read.*ASSET_PREDICT_RENAMES"):
        read_renames(tmp_path / "nowhere.csv", LAST)


# The codes


def test_a_paper_has_its_last_code_over_the_whole_of_its_past():
    rows = [("VVAR3", "2019-01-02"), ("VVAR3", "2021-08-13"), ("VIIA3", "2021-08-16")]
    rows += [("VIIA3", "2023-09-19"), ("BHIA3", "2023-09-20"), ("PETR4", "2019-01-02")]
    assert current(*rows) == ["BHIA3"] * 5 + ["PETR4"]


def test_the_code_of_the_day_stays_beside_it():
    quotes = rows_of(("VVAR3", "2019-01-02"), ("VIIA3", "2022-01-03"))
    renamed = under_current_codes(quotes, renames_of(*VIA), "session")
    assert renamed["traded_as"].tolist() == ["VVAR3", "VIIA3"]
    assert renamed["ticker"].tolist() == ["BHIA3", "BHIA3"]
    assert quotes["ticker"].tolist() == ["VVAR3", "VIIA3"]  # what was given is left alone


def test_before_the_second_change_is_known_the_first_new_code_is_the_current_one():
    rows = [("VVAR3", "2019-01-02"), ("VIIA3", "2022-01-03")]
    assert current(*rows, under=VIA[:1]) == ["VIIA3", "VIIA3"]


def test_a_code_used_again_by_another_company_is_not_renamed():
    rows = [("VVAR3", "2021-08-13"), ("VVAR3", "2021-08-16"), ("VVAR3", "2024-01-02")]
    assert current(*rows) == ["BHIA3", "VVAR3", "VVAR3"]


def test_the_second_company_of_a_code_may_change_it_too():
    changes = (GOOD, "ZZAA3,ZZAC3,2024-09-02")
    rows = [("ZZAA3", "2024-02-29"), ("ZZAA3", "2024-06-03"), ("ZZAA3", "2024-09-02")]
    assert current(*rows, under=changes) == ["ZZAB3", "ZZAC3", "ZZAA3"]


def test_two_papers_may_change_codes_with_each_other():
    changes = ("ZZAA3,ZZAB3,2024-03-01", "ZZAB3,ZZAA3,2024-03-01")
    rows = [("ZZAA3", "2024-02-29"), ("ZZAB3", "2024-02-29"), ("ZZAA3", "2024-03-01")]
    assert current(*rows, under=changes) == ["ZZAB3", "ZZAA3", "ZZAA3"]


def test_an_event_follows_its_paper_by_its_ex_date():
    events = rows_of(
        ("ZZAA3", "2024-02-29"), ("ZZAA3", "2024-03-01"), ("ZZAB3", "2024-01-02"), day="ex_date"
    )
    renamed = under_current_codes(events, renames_of(GOOD), "ex_date")
    # The dividend of January stands under the new code, though it was paid under the old one.
    assert renamed["ticker"].tolist() == ["ZZAA3", "ZZAB3", "ZZAB3"]
    assert renamed["ex_date"].dt.strftime("%m-%d").tolist() == ["03-01", "01-02", "02-29"]


def test_two_events_of_one_paper_and_day_are_no_two_papers():
    rows = [("ZZAA3", "2024-02-29"), ("ZZAA3", "2024-02-29")]
    assert current(*rows, under=(GOOD,)) == ["ZZAB3", "ZZAB3"]


def test_two_papers_that_would_share_a_ticker_are_refused_with_the_line_to_blame():
    rows = [("ZZAA3", "2024-02-28"), ("ZZAA3", "2024-02-29"), ("ZZAB3", "2024-02-29")]
    with pytest.raises(
        MarketDataError,
        match=r"ZZAA3 and ZZAB3 have a row each on 2024-02-29 and would all be ZZAB3: .* correct"
        r" ZZAA3,ZZAB3,2024-03-01 in",
    ):
        current(*rows, under=("VVAR3,VIIA3,2021-08-16", GOOD))


def test_two_renamed_papers_cannot_end_as_one():
    changes = ("ZZAA3,ZZAC3,2024-03-01", "ZZAB3,ZZAC3,2024-06-03")
    rows = [("ZZAA3", "2024-02-29"), ("ZZAB3", "2024-02-29")]
    with pytest.raises(MarketDataError, match=r"ZZAA3 and ZZAB3 .* 2024-02-29 .* all be ZZAC3"):
        current(*rows, under=changes)


def test_what_came_sorted_stays_sorted():
    table = rows_of(
        ("ABEV3", "2020-01-02"),
        ("VIIA3", "2022-01-03"),
        ("VVAR3", "2019-01-02"),
        ("ZZAA3", "2020-01-02"),
    )
    renamed = under_current_codes(table, renames_of(*VIA), "session")
    assert renamed["ticker"].tolist() == ["ABEV3", "BHIA3", "BHIA3", "ZZAA3"]
    assert renamed["traded_as"].tolist() == ["ABEV3", "VVAR3", "VIIA3", "ZZAA3"]
    assert renamed.dtypes.to_dict() == table.dtypes.to_dict()


def test_where_no_code_has_changed_the_table_is_what_it_was():
    table = rows_of(("ZZAB3", "2020-01-02"), ("ZZAA3", "2020-01-02"))
    for nothing in (read_renames(None, LAST), renames_of("VVAR3,VIIA3,2021-08-16")):
        pd.testing.assert_frame_equal(under_current_codes(table, nothing, "session"), table)


MONTHS = pd.to_datetime([f"2024-{month:02d}-05" for month in range(1, 13)]).as_unit("us")


@st.composite
def histories(draw):
    """Papers that take free codes month by month: the table of trades, its truth, the changes."""
    n_papers, n_codes = draw(st.integers(1, 4)), 9
    codes = [f"ZZZ{letter}3" for letter in "ABCDEFGHI"[:n_codes]]
    holds = dict(enumerate(codes[:n_papers]))
    had = {paper: {code} for paper, code in holds.items()}
    trades, changes = [], []
    for month in MONTHS:
        for paper in holds:
            free = [c for c in codes if c not in holds.values() and c not in had[paper]]
            if free and month != MONTHS[0] and draw(st.integers(0, 3)) == 0:
                new = draw(st.sampled_from(free))
                changes.append((holds[paper], new, month))
                holds[paper] = new
                had[paper].add(new)
        trades += [(code, month, paper) for paper, code in holds.items()]
    return trades, changes


@settings(max_examples=100, deadline=None)
@given(history=histories(), n_known=st.integers(1, 12))
def test_every_paper_is_found_under_the_code_it_ends_with(history, n_known):
    trades, changes = history
    last = MONTHS[n_known - 1]
    known = [change for change in changes if change[2] <= last]
    seen = [trade for trade in trades if trade[1] <= last]
    table = pd.DataFrame(seen, columns=["ticker", "session", "paper"])
    renames = pd.DataFrame(known, columns=RENAMES.column_names)
    renames = renames.astype({"first_session": "datetime64[us]"})
    ends_as = {paper: code for code, _, paper in seen}  # the last one stands
    renamed = under_current_codes(table, renames, "session")
    assert renamed["ticker"].tolist() == [ends_as[paper] for paper in renamed["paper"]]
    assert not renamed.duplicated(["ticker", "session"]).any()
    assert sorted(zip(renamed["session"], renamed["paper"], strict=True)) == sorted(
        zip(table["session"], table["paper"], strict=True)
    )
