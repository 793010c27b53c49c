"""One character of a quote changed: the file is refused, or that one record differs."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.cotahist import CotahistFile, read_cotahist
from asset_predict_dagster.market.cotahist_columns import QuoteColumns
from asset_predict_dagster.market.cotahist_layout import FIELDS, RECORD_LENGTH, Field

DAY = Path(__file__).parents[1] / "answers" / "COTAHIST_D02012019.TXT"
HEADER, *SOUND, TRAILER = DAY.read_bytes().splitlines()
SOUND_ROWS = np.array([np.frombuffer(record, np.uint8) for record in SOUND])
FIELD_AT = [field for field in FIELDS for _ in range(field.width)]
N_MUTANTS = 100_000

REFUSED = object()


def by_hand(field: Field, characters: bytes) -> object:
    """What one field says, by the layout's rules and one step after the other."""
    text = characters.decode("latin-1")
    if field.kind == "text":
        pairs = zip(text, f"{text[1:]} ", strict=True)
        is_utf_8 = any(one in "ÂÃ" and "\xa0" <= two <= "\xbf" for one, two in pairs)
        is_control = any(one < " " or "\x7f" <= one <= "\x9f" for one in text)
        return REFUSED if is_utf_8 or is_control else text.rstrip(" ")
    if field.none and text == field.none:
        return None
    if not all(one in "0123456789" for one in text):
        return REFUSED
    if field.kind != "date":
        return int(text) / 10**field.decimals if field.decimals else int(text)
    try:
        return datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return REFUSED


def mutants(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Records with one character changed, which sound record each was, and at which place.

    The record type is left alone: which records are quotes is not for the fields to say.
    """
    random = np.random.default_rng(2019)
    origin = random.integers(len(SOUND), size=n)
    place = random.integers(FIELDS[0].last, RECORD_LENGTH, size=n)
    rows = SOUND_ROWS[origin]
    # uint8 wraps around: every other character is as likely.
    rows[np.arange(n), place] += random.integers(1, 256, size=n, dtype=np.uint8)
    return rows, origin, place


def written(folder: Path, records: list[bytes], line_end: bytes = b"\r\n") -> Path:
    """A file of the records, with a header and a trailer that counts them."""
    trailer = TRAILER[:31] + b"%011d" % (len(records) + 2) + TRAILER[42:]
    path = folder / DAY.name
    path.write_bytes(b"".join(line + line_end for line in [HEADER, *records, trailer]))
    return path


def refusal(row: np.ndarray, line: int) -> str:
    """What the reader says of one record; empty if it takes it."""
    columns = QuoteColumns(DAY)
    try:
        columns.add(np.array([line]), row[np.newaxis])
        columns.to_frame()
    except MarketFileError as error:
        return str(error)
    return ""


def test_each_of_100_000_mutants_is_refused_or_is_the_one_record_that_differs(tmp_path):
    rows, origin, place = mutants(N_MUTANTS)
    fields = [FIELD_AT[at] for at in place]
    meanings = [by_hand(f, row[f.span].tobytes()) for f, row in zip(fields, rows, strict=True)]
    is_refused = np.array([meaning is REFUSED for meaning in meanings])
    assert 0.7 < is_refused.mean() < 0.9

    for at in np.flatnonzero(is_refused):
        field = fields[at]
        where = f"line {at:,}, positions {field.first}-{field.last} ({field.b3_name}): "
        assert where in refusal(rows[at], int(at)), (at, place[at])

    taken = np.flatnonzero(~is_refused)
    records = [
        record
        for at in taken
        for record in (rows[at].tobytes(), SOUND[origin[at]])  # a sound one behind each mutant
    ]
    table = read_cotahist(written(tmp_path, records), markets=None).records
    sound = read_cotahist(DAY, markets=None).records.drop(columns="line").iloc[origin[taken]]
    assert table.pop("line").tolist() == list(range(2, 2 + 2 * len(taken)))
    beside = table.iloc[1::2].reset_index(drop=True)
    pd.testing.assert_frame_equal(beside, sound.reset_index(drop=True), check_exact=True)
    changed = table.iloc[::2].reset_index(drop=True)
    for field in FIELDS:
        said = sound[field.name].astype(object).where(sound[field.name].notna(), None).tolist()
        for row, at in enumerate(taken):
            if fields[at] == field:
                assert meanings[at] != said[row], "one character changes what a field says"
                said[row] = meanings[at]
        read = changed[field.name]
        assert read.astype(object).where(read.notna(), None).tolist() == said, field.b3_name


def without(file: CotahistFile, line: int) -> pd.DataFrame:
    return file.records.loc[file.records["line"] != line].reset_index(drop=True)


@settings(max_examples=300)
@given(
    record=st.integers(0, len(SOUND) - 1),
    place=st.integers(0, RECORD_LENGTH + 1),
    step=st.integers(1, 255),
    line_end=st.sampled_from([b"\n", b"\r\n"]),
    markets=st.sampled_from([None, ["010"], ["020", "070", "080"]]),
)
def test_a_changed_character_anywhere_in_a_line_spares_the_other_lines(
    tmp_path_factory, record, place, step, line_end, markets
):
    path = written(tmp_path_factory.mktemp("changed"), SOUND, line_end)
    sound = read_cotahist(path, markets)
    text = bytearray(path.read_bytes())
    stride = RECORD_LENGTH + len(line_end)
    at = (record + 1) * stride + min(place, stride - 1)
    text[at] = (text[at] + step) % 256
    path.write_bytes(text)
    line = record + 2
    try:
        file = read_cotahist(path, markets)
    except MarketFileError as error:
        assert f"{path}, line {line}" in str(error)
        return
    assert 2 <= place < RECORD_LENGTH, "a record's type and its line's end are always checked"
    assert file.n_quotes == file.n_filtered + file.n_kept == sound.n_quotes
    assert abs(file.n_kept - sound.n_kept) <= 1
    pd.testing.assert_frame_equal(without(file, line), without(sound, line), check_exact=True)


@pytest.mark.parametrize("place", [0, 1])
def test_no_other_character_passes_for_a_record_type(tmp_path, place):
    for character in set(range(256)) - {SOUND[3][place]}:
        changed = bytearray(SOUND[3])
        changed[place] = character
        path = written(tmp_path, [*SOUND[:3], bytes(changed), *SOUND[4:]])
        with pytest.raises(MarketFileError, match=r"line 5: a quote \(type 01\) was expected"):
            read_cotahist(path)
