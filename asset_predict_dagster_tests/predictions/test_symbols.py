"""A code is found however it is typed, and a slip of the keyboard finds what was meant."""

from hypothesis import given
from hypothesis import strategies as st

from asset_predict_dagster.predictions.asked import codes_of
from asset_predict_dagster.predictions.symbols import MAX_LENGTH, NearNames, normalised

codes = st.from_regex(r"[A-Z0-9]{4}[0-9]{1,2}", fullmatch=True)
spaces = st.text(" \t\n", max_size=3)


@given(codes, spaces, spaces, st.sampled_from(["", ".SA", ".sa", ".Sa"]), st.booleans())
def test_a_code_is_the_same_in_small_letters_with_spaces_and_with_yahoos_suffix(
    code, before, after, suffix, in_small_letters
):
    typed = before + (code.lower() if in_small_letters else code) + suffix + after
    assert normalised(typed) == code


@given(st.text(max_size=40))
def test_what_is_normalised_stays_as_it_is(typed):
    assert normalised(normalised(typed)) == normalised(typed)


@given(st.lists(codes, min_size=1, max_size=20, unique=True), st.data())
def test_a_code_with_a_letter_too_few_or_two_exchanged_is_found(tickers, data):
    names = NearNames.of(dict.fromkeys(tickers, "A COMPANY"))
    meant = data.draw(st.sampled_from(tickers))
    at = data.draw(st.integers(0, len(meant) - 2))
    too_few = meant[:at] + meant[at + 1 :]
    exchanged = meant[:at] + meant[at + 1] + meant[at] + meant[at + 2 :]
    for slip in {too_few, exchanged} - {meant}:
        assert meant in names.near(slip, n=len(tickers))


@given(st.text(max_size=40))
def test_nothing_that_is_typed_finds_itself_or_more_than_asked_for(typed):
    names = NearNames.of({"PETR3": "PETROBRAS", "PETR4": "PETROBRAS", "VALE3": "VALE"})
    near = names.near(typed, n=2)
    assert len(near) <= 2
    assert normalised(typed[:MAX_LENGTH]) not in near


def test_other_papers_of_the_company_come_first():
    names = NearNames.of({"PETZ3": "PETZ", "PETR3": "PETROBRAS", "PETR4": "PETROBRAS"})
    assert names.near("PETR5") == ["PETR3", "PETR4"]
    assert names.near("petrobras") == ["PETR3", "PETR4"]


def test_an_unknown_code_costs_a_look_up_a_letter_however_many_codes_there_are():
    class Counted(dict):
        n = 0

        def get(self, *asked):
            Counted.n += 1
            return super().get(*asked)

    names = NearNames.of({f"{n:04}{k}": f"COMPANY {n}" for n in range(1000) for k in (3, 4)})
    counted = NearNames(*map(Counted, (names.by_root, names.by_shortened, names.by_word)))
    for n in range(50):
        counted.near(f"XY{n:02}3")
    # Its company, its word, itself, and itself without each of its five letters.
    assert Counted.n <= 50 * 8


def test_what_was_meant_comes_in_the_same_order_in_every_process():
    meant = ["ZBCDE", "AZCDE", "ABZDE", "ABCZE"]
    names = NearNames.of(dict.fromkeys(sorted(meant), ""))
    # The slip nearest to the beginning first.
    assert names.near("ABCDE") == meant


@given(st.lists(codes, min_size=1, max_size=5), st.sampled_from([" ", ",", ", ", "  "]))
def test_codes_typed_in_one_line_are_the_codes_each_once(typed, between):
    assert codes_of([between.join(code.lower() + ".sa" for code in typed)]) == list(
        dict.fromkeys(typed)
    )
