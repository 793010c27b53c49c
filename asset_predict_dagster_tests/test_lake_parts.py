"""A table of parts: each is replaced by itself, and several runs write theirs side by side."""

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pandas as pd
import pytest
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.dataset_versions import list_versions
from asset_predict_dagster.errors import TableError
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.table_content import to_arrow
from asset_predict_dagster.tables import NUMBER, TEXT, Column, Table, widen

FIGURES = Table(
    "figures",
    "one figure of one ticker in one window",
    ("window", "ticker"),
    (
        Column("window", TEXT, "the part"),
        Column("ticker", TEXT, "B3's code"),
        Column("value", NUMBER, "the figure", required=False),
    ),
    partition_by=("window",),
)
WHOLE_FIGURES = Table(FIGURES.name, FIGURES.row, FIGURES.key, FIGURES.columns)


def figures(**windows: float) -> pd.DataFrame:
    """Two tickers in each window, with one value."""
    return pd.DataFrame(
        [(w, t, value) for w, value in windows.items() for t in ("ZZAA3", "ZZAB3")],
        columns=["window", "ticker", "value"],
    )


def values_in(lake: Lake, **how) -> dict[str, float]:
    stored = lake.read(FIGURES, **how)
    assert stored.groupby("window").size().eq(2).all()
    return dict(zip(stored["window"], stored["value"], strict=True))


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


# A part swapped


def test_a_part_is_swapped_and_the_others_stay(lake):
    lake.replace_parts(FIGURES, figures(holdout=1.0, h1=2.0))
    written = lake.replace_parts(FIGURES, figures(h1=3.0, h2=4.0))
    assert values_in(lake) == {"holdout": 1.0, "h1": 3.0, "h2": 4.0}
    assert (written.n_rows, written.changed) == (6, True)
    assert lake.parts(FIGURES) == {"h1": None, "h2": None, "holdout": None}


def test_several_parts_are_one_commit(lake):
    lake.replace_parts(FIGURES, figures(h1=1.0, h2=1.0))
    version = lake.version(FIGURES)
    assert lake.replace_parts(FIGURES, figures(h1=2.0, h2=2.0)).version == version + 1


def test_a_swapped_part_loses_the_tickers_that_it_no_longer_has(lake):
    lake.replace_parts(FIGURES, figures(h1=1.0, h2=2.0))
    lake.replace_parts(FIGURES, figures(h1=1.0).head(1))
    assert lake.read(FIGURES)["window"].tolist() == ["h1", "h2", "h2"]


def test_the_same_parts_again_make_no_version_whatever_came_between(lake):
    lake.replace_parts(FIGURES, figures(h1=1.0, h2=2.0), came_from={"quotes": 1})
    lake.replace_parts(FIGURES, figures(h2=5.0, h3=3.0), came_from={"quotes": 2})
    version = lake.version(FIGURES)
    again = lake.replace_parts(FIGURES, figures(h1=1.0, h3=3.0)[::-1], came_from={"quotes": 3})
    assert (again.version, again.changed) == (version, False)


def test_a_part_that_said_it_once_and_says_something_else_now_is_swapped_back(lake):
    for value in (1.0, 2.0, 1.0):
        lake.replace_parts(FIGURES, figures(h1=value))
    assert values_in(lake) == {"h1": 1.0}


def test_of_several_parts_only_those_that_changed_are_written(lake):
    lake.replace_parts(FIGURES, figures(h1=1.0, h2=2.0))
    before = set(lake.delta(FIGURES.name).file_uris())
    lake.replace_parts(FIGURES, figures(h1=1.0, h2=3.0))
    left = before & set(lake.delta(FIGURES.name).file_uris())
    assert [Path(file).parent.name for file in left] == ["window=h1"]


def test_no_rows_replace_no_part_and_make_the_table(lake):
    assert lake.replace_parts(FIGURES, figures()).changed
    assert lake.parts(FIGURES) == {}
    lake.replace_parts(FIGURES, figures(h1=1.0))
    assert not lake.replace_parts(FIGURES, figures()).changed
    assert values_in(lake) == {"h1": 1.0}


def test_a_name_with_a_quote_is_a_name(lake):
    lake.replace_parts(FIGURES, figures(**{"it's": 1.0, "h1": 2.0}))
    lake.replace_parts(FIGURES, figures(**{"it's": 3.0}))
    assert values_in(lake) == {"h1": 2.0, "it's": 3.0}


@settings(max_examples=12, deadline=None)
@given(
    batches=st.lists(
        st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3), min_size=1),
        min_size=1,
        max_size=5,
    )
)
def test_replacing_parts_is_a_dictionary_that_keeps_its_last_value(tmp_path_factory, batches):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    expected: dict[str, float] = {}
    for batch in batches:
        said = {name: float(value) for name, value in batch.items()}
        is_news = any(expected.get(name) != value for name, value in said.items())
        assert lake.replace_parts(FIGURES, figures(**said)).changed == is_news
        expected |= said
    assert values_in(lake) == expected


# What a part was made by


def test_a_part_tells_the_recipe_it_was_made_by(lake):
    assert lake.parts(FIGURES) == {}
    lake.replace_parts(FIGURES, figures(h1=1.0), recipe="seed 1")
    lake.replace_parts(FIGURES, figures(h2=1.0), recipe="seed 2")
    lake.replace_parts(FIGURES, figures(holdout=1.0))
    assert lake.parts(FIGURES) == {"h1": "seed 1", "h2": "seed 2", "holdout": None}


def test_the_same_rows_by_another_recipe_are_noted(lake):
    lake.replace_parts(FIGURES, figures(h1=1.0), recipe="seed 1")
    assert lake.replace_parts(FIGURES, figures(h1=1.0), recipe="seed 2").changed
    assert lake.parts(FIGURES) == {"h1": "seed 2"}
    assert not lake.replace_parts(FIGURES, figures(h1=1.0), recipe="seed 2").changed


def test_a_version_records_the_sources_of_the_parts_it_wrote(lake):
    lake.replace_parts(FIGURES, figures(h1=1.0), came_from={"quotes": 1})
    assert lake.replace_parts(FIGURES, figures(h2=1.0), came_from={"quotes": 2}).came_from == {
        "quotes": 2
    }
    assert list_versions(lake, FIGURES)["came_from"].tolist()[:2] == ["quotes 2", "quotes 1"]


def test_rewriting_files_forgets_no_part(lake):
    lake.replace_parts(FIGURES, figures(h1=1.0), recipe="seed 1")
    lake.replace_parts(FIGURES, figures(h2=2.0), recipe="seed 1")
    lake.delta(FIGURES.name).optimize.z_order(["ticker"])
    assert list_versions(lake, FIGURES)["operation"].iloc[0] == "OPTIMIZE"
    assert lake.parts(FIGURES) == {"h1": "seed 1", "h2": "seed 1"}
    assert not lake.replace_parts(FIGURES, figures(h1=1.0), recipe="seed 1").changed


def test_after_a_write_of_the_whole_nothing_is_known_of_its_parts(lake):
    lake.replace_parts(FIGURES, figures(h1=1.0), recipe="seed 1")
    lake.write(FIGURES, figures(h1=2.0))
    assert lake.parts(FIGURES) == {"h1": None}
    lake.replace_parts(FIGURES, figures(h1=1.0), recipe="seed 1")
    assert values_in(lake) == {"h1": 1.0}


# Only what is asked for is read


def test_the_rows_of_some_parts_are_read_and_no_file_of_the_others(lake):
    lake.replace_parts(FIGURES, figures(holdout=1.0, h1=2.0, h2=3.0))
    (away,) = (f for f in lake.delta(FIGURES.name).file_uris() if "window=h1" in f)
    Path(away).rename(f"{away}.away")
    assert values_in(lake, where={"window": ["holdout", "h2"]}) == {"holdout": 1.0, "h2": 3.0}
    only = lake.read(FIGURES, columns=["value"], where={"window": ["h2"]})
    assert only.to_dict("list") == {"value": [3.0, 3.0]}
    assert lake.read_if_made(FIGURES, where={"window": ["holdout"]})["value"].tolist() == [1.0] * 2
    assert lake.parts(FIGURES).keys() == {"h1", "h2", "holdout"}


def test_a_part_that_is_not_there_has_no_rows(lake):
    lake.replace_parts(FIGURES, figures(h1=1.0))
    assert lake.read(FIGURES, where={"window": ["h9"]}).empty
    assert lake.read_if_made(WHOLE_FIGURES, where={"window": []}).empty


# What an earlier program stored


@pytest.fixture
def old_lake(lake) -> Lake:
    """One table, as it was before it had parts."""
    write_deltalake(f"{lake.root}/figures", to_arrow(WHOLE_FIGURES, figures(holdout=1.0, h1=2.0)))
    return lake


def test_a_table_without_partitions_is_carried_over_without_loss(old_lake):
    old_lake.replace_parts(FIGURES, figures(h1=3.0, h2=4.0), recipe="seed 1")
    assert values_in(old_lake) == {"holdout": 1.0, "h1": 3.0, "h2": 4.0}
    assert old_lake.delta(FIGURES.name).metadata().partition_columns == ["window"]
    assert old_lake.parts(FIGURES) == {"h1": "seed 1", "h2": "seed 1", "holdout": None}
    assert not old_lake.replace_parts(FIGURES, figures(holdout=1.0)).changed


def test_a_table_without_partitions_is_read_by_its_parts(old_lake):
    assert values_in(old_lake, where={"window": ["h1"]}) == {"h1": 2.0}
    assert old_lake.parts(FIGURES) == {"h1": None, "holdout": None}


def test_a_column_that_joined_is_missing_in_the_parts_that_stay(lake):
    lake.replace_parts(FIGURES, figures(h1=1.0, h2=2.0), recipe="seed 1")
    wider = widen(FIGURES, [Column("low", NUMBER, "its lower end", required=False)])
    lake.replace_parts(wider, figures(h2=3.0).assign(low=0.5))
    stored = lake.read(wider)
    assert stored["value"].tolist() == [1.0, 1.0, 3.0, 3.0]
    assert stored["low"].isna().tolist() == [True, True, False, False]


def test_who_adds_to_rows_of_an_earlier_program_finds_a_new_column_missing(lake):
    lake.write(WHOLE_FIGURES, figures(h1=1.0))
    wider = widen(WHOLE_FIGURES, [Column("low", NUMBER, "its lower end", required=False)])
    assert lake.read_if_made(wider)["low"].isna().all()
    assert lake.arrow(wider)["low"].null_count == 2
    needed = widen(WHOLE_FIGURES, [Column("low", NUMBER, "its lower end")])
    with pytest.raises(TableError, match=r"has no columns \['low'\]"):
        lake.read_if_made(needed)
    with pytest.raises(TableError, match=r"has no columns \['low'\]"):
        lake.read(wider)


# What has no parts


def test_rows_that_belong_to_no_part_are_refused(lake):
    with pytest.raises(TableError, match="which is missing in 1 rows"):
        lake.replace_parts(FIGURES, figures(h1=1.0).assign(window=["h1", None]))
    assert not lake.exists(FIGURES)


def test_a_table_that_has_no_parts_is_refused(lake):
    by_value = Table("figures", "", ("window", "ticker"), FIGURES.columns, partition_by=("value",))
    for table in (WHOLE_FIGURES, by_value):
        with pytest.raises(TableError, match="has no parts"):
            lake.replace_parts(table, figures(h1=1.0))
    with pytest.raises(TableError, match="by the parts of 'window', not of 'ticker'"):
        lake.replace_parts(FIGURES, figures(h1=1.0), "ticker")


# Several writers at once

N_WRITERS, N_TABLES = 3, 8


def write_beside_others(root: Path, writer: int, start: Barrier, how: str) -> None:
    """Write to each of some tables at the same moment as the other writers."""
    for number in range(N_TABLES):
        lake = Lake(root / str(number))
        start.wait(60)
        if how == "own":
            lake.replace_parts(FIGURES, figures(**{f"h{writer}": float(writer)}), recipe="r")
        elif how == "same":
            lake.replace_parts(FIGURES, figures(h1=float(writer)))
        else:
            lake.write(WHOLE_FIGURES, figures(h1=float(writer)), over_others=True)


def together(root: Path, how: str) -> None:
    # Processes of their own, as runs of the pipeline are.
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(N_WRITERS)
    writers = [
        spawn.Process(target=write_beside_others, args=(root, writer, start, how))
        for writer in range(N_WRITERS)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * N_WRITERS


def test_writers_of_different_parts_all_succeed_at_once(tmp_path):
    """Half of the tables are not there yet, half are stored as an earlier program did."""
    for number in range(N_TABLES // 2):
        folder = f"{tmp_path}/{number}/figures"
        write_deltalake(folder, to_arrow(WHOLE_FIGURES, figures(holdout=9.0)))
    together(tmp_path, "own")
    theirs = {f"h{writer}": float(writer) for writer in range(N_WRITERS)}
    for number in range(N_TABLES):
        lake = Lake(tmp_path / str(number))
        before = {"holdout": 9.0} if number < N_TABLES // 2 else {}
        assert values_in(lake) == theirs | before
        assert lake.parts(FIGURES) == dict.fromkeys(theirs, "r") | dict.fromkeys(before)


def test_of_writers_of_the_same_part_one_stands_whole(tmp_path):
    together(tmp_path, "same")
    for number in range(N_TABLES):
        assert values_in(Lake(tmp_path / str(number)))["h1"] in range(N_WRITERS)


def test_writers_of_the_whole_may_write_over_each_other(tmp_path):
    together(tmp_path, "whole")
    for number in range(N_TABLES):
        stored = Lake(tmp_path / str(number)).read(WHOLE_FIGURES)
        assert stored["value"].tolist() in [[float(writer)] * 2 for writer in range(N_WRITERS)]
