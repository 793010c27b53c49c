"""What follows from the log: who served before, and from whom a person went back."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.errors import RegistryError
from asset_predict_dagster.registry.decisions import (
    LoggedDecision,
    predecessors,
    put_aside,
    rolled_back_from,
)


@dataclass(frozen=True)
class One:
    candidate_version: str
    incumbent_version: str
    decision: str
    model_version: str


def log_of(*moves: str) -> list[One]:
    """A log in short: `3` promotes version 3, `!3` does by hand, `?3` keeps it out, `<` goes back.

    Nothing is left out: going back where nobody served before is an error of the test.
    """
    log: list[One] = []
    for move in moves:
        serving = log[-1].model_version if log else ""
        if move == "<":
            before = predecessors(log)[-1]
            log.append(One(before, serving, "rolled_back", before))
        elif move.startswith("?"):
            log.append(One(move[1:], serving, "kept", serving))
        elif move.startswith("!"):
            log.append(One(move[1:], serving, "promoted_by_hand", move[1:]))
        else:
            log.append(One(move, serving, "promoted", move))
    return log


@pytest.mark.parametrize(
    ("moves", "before"),
    [
        ((), []),
        (("1",), []),
        (("?1", "1"), []),  # nobody served while a check kept the first one out
        (("1", "2", "3"), ["1", "2"]),
        (("1", "?2", "3"), ["1"]),  # what was kept out never served
        (("1", "2", "3", "<"), ["1"]),
        (("1", "2", "3", "<", "<"), []),
        (("1", "2", "<", "3"), ["1"]),  # what was gone back from is not gone back to
        (("1", "2", "!1"), ["1", "2"]),  # by hand is a promotion like any other
        (("1", "2", "!1", "<"), ["1"]),
    ],
    ids=lambda case: " ".join(sorted(case) if isinstance(case, set) else case),
)
def test_going_back_leads_to_who_served_before(moves, before):
    assert predecessors(log_of(*moves)) == before


@pytest.mark.parametrize(
    ("moves", "left"),
    [
        (("1", "2"), set()),
        (("1", "2", "<"), {"2"}),
        (("1", "2", "3", "<", "<"), {"2", "3"}),
        (("1", "2", "<", "3"), {"2"}),
        (("1", "2", "<", "!2"), set()),  # a person wants it after all
        (("1", "2", "<", "?2"), {"2"}),
    ],
    ids=lambda case: " ".join(sorted(case) if isinstance(case, set) else case),
)
def test_a_person_stays_away_from_a_version_until_a_person_asks_for_it(moves, left):
    assert rolled_back_from(log_of(*moves)) == left


def test_who_was_replaced_by_hand_is_not_put_back_by_the_rule_yet_served():
    log = log_of("1", "2", "!1")
    assert (put_aside(log), rolled_back_from(log)) == ({"2"}, set())
    assert put_aside(log_of("1", "2", "!1", "!2")) == {"1"}


def test_who_served_before_there_was_a_log_is_gone_back_to():
    assert predecessors([One("2", "1", "promoted", "2")]) == ["1"]


@given(st.lists(st.sampled_from(["new", "back", "kept"]), max_size=25))
def test_any_life_is_walked_back_to_its_first_champion(life):
    """Beside the plain stack that it is."""
    moves, served, newest = ["1"], ["1"], 1
    for what in life:
        if what == "back" and len(served) > 1:
            moves.append("<")
            served.pop()
        elif what != "back":
            newest += 1
            moves.append(str(newest) if what == "new" else f"?{newest}")
            served += [str(newest)] if what == "new" else []
    log = log_of(*moves)
    assert [*predecessors(log), log[-1].model_version] == served
    assert not rolled_back_from(log) & set(served)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": "lstm", "decided_at": "noon"}'])
def test_an_altered_decision_is_one_clear_sentence(text):
    with pytest.raises(RegistryError, match="tag decision_000001 should be a decision as this"):
        LoggedDecision.from_json(text, "tag decision_000001")
