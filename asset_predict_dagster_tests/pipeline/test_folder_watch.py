"""A landing folder is remembered between looks: nothing is asked for twice, nothing is lost."""

from collections import Counter
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.pipeline.folder_watch import (
    Memory,
    marks_of,
    memory_of,
    unchanged_since,
)

NOW = datetime(2024, 2, 9, 20, tzinfo=UTC)

# What lies in the folder at each look: a name, and a mark of the state that its file is in.
marks = st.dictionaries(st.sampled_from("ABC"), st.sampled_from("12")).map(
    lambda found: {name: f"0000{name.lower()}00{state}" for name, state in found.items()}
)


@given(st.lists(marks), marks, st.booleans())
def test_whatever_came_before_a_file_that_stays_is_asked_for_once(history, last, runs_succeed):
    """No time passes: a run that failed is not asked for again yet."""
    memory, asked = Memory(), Counter()
    for run, found in enumerate([*history, *[last] * 4], 1):
        before, memory = memory, memory_of(memory.cursor()).look(found)
        memory = memory.after_run(run if runs_succeed else 0)
        landed = unchanged_since(before, memory)
        assert all(before.landing[name] == found[name] for name in landed)
        due = [*landed, *memory.due_again(NOW)]
        memory = memory.asks(due, NOW, run)
        if run > len(history):
            asked.update(due)
    assert all(n == 1 for n in asked.values())
    known, waiting = memory.known, {one.mark for one in memory.asked.values()}
    assert (known if runs_succeed else known | waiting) == set(last.values())


def test_a_known_file_takes_eight_letters_of_the_cursor(tmp_path):
    for day in range(10, 28):
        (tmp_path / f"COTAHIST_D{day}022024.ZIP").write_bytes(b"quotes")
    known = frozenset(marks_of(tmp_path.iterdir()).values())
    assert len(Memory(known).cursor()) - len(Memory().cursor()) == 18 * 8


def test_a_file_is_another_one_when_its_size_or_its_time_changes(tmp_path):
    path = tmp_path / "COTAHIST_A2024.TXT"
    path.write_bytes(b"quotes")
    first = marks_of([path])
    path.write_bytes(b"quotes and more")
    assert marks_of([path]) != first
    assert marks_of([path, tmp_path / "gone.TXT"]) == marks_of([path])


def test_an_empty_file_is_not_there_yet(tmp_path):
    path = tmp_path / "COTAHIST_A2024.TXT"
    path.touch()
    assert marks_of([path]) == {}
