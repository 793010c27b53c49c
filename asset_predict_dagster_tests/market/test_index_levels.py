"""An index's closes come from a file that the user names, and a bad row is one clear sentence."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.index_levels import read_index_levels
from asset_predict_dagster.settings import load_settings

REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "ibovespa.csv"


def written(folder: Path, text: str) -> Path:
    path = folder / "index.csv"
    path.write_text(text)
    return path


def test_closes_are_read_in_the_order_of_time_and_other_columns_left_alone(tmp_path: Path):
    path = written(tmp_path, "Date,Close,src\n2024-02-26,129609.0,b\n2024-02-23,129419.0,b\n")
    levels = read_index_levels(path)
    assert levels.tolist() == [129419.0, 129609.0]
    assert levels.index.tolist() == [pd.Timestamp("2024-02-23"), pd.Timestamp("2024-02-26")]
    assert (levels.name, levels.index.dtype) == ("ibov", "datetime64[us]")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read as one"),
        ("Date,Close\n", "no row follows the header"),
        ("Day,Close\n2024-02-26,1\n", "Date is not among Day, Close"),
        ("Date,Close\n2024-02-23,1\n26/02/2024,1\n", "row 2 below .* not '26/02/2024' and '1'"),
        ("Date,Close\n2024-02-23,-1\n", "row 1 below .* '-1'"),
        ("Date,Close\n2024-02-23,0\n", "row 1 below"),
        ("Date,Close\n2024-02-23,\n", "row 1 below .* 'nan'"),
        ("Date,Close\n2024-02-23,inf\n", "row 1 below"),
        ("Date,Close\n2024-02-23,1\n2024-02-23,1\n", "2024-02-23 is there 2 times"),
        ('Date,Close\n"2024', "cannot be read as one"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, text: str, said: str):
    with pytest.raises(MarketFileError, match=said):
        read_index_levels(written(tmp_path, text))


def test_a_missing_file_says_which_setting_to_correct(tmp_path: Path):
    with pytest.raises(MarketFileError, match="correct ASSET_PREDICT_IBOVESPA"):
        read_index_levels(tmp_path / "nothing.csv")


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory, text: str):
    path = tmp_path_factory.mktemp("index") / "index.csv"
    path.write_text("Date,Close\n" + text, encoding="utf-8", newline="")
    try:
        assert (read_index_levels(path) > 0).all()
    except MarketFileError as error:
        assert str(path) in str(error)


def test_the_file_is_a_setting(monkeypatch):
    monkeypatch.delenv("ASSET_PREDICT_IBOVESPA", raising=False)
    assert load_settings().ibovespa is None
    monkeypatch.setenv("ASSET_PREDICT_IBOVESPA", "ibov.csv")
    assert load_settings().ibovespa == Path("ibov.csv")


@pytest.mark.skipif(
    not REAL.is_file(), reason="the index's real closes are not beside this checkout"
)
def test_the_real_closes_of_nineteen_years_are_read():
    levels = read_index_levels(REAL)
    assert len(levels) == 4737
    assert (levels.index[0], levels.iloc[0]) == (pd.Timestamp("2005-01-03"), 25722.0)
    assert (levels.index[-1], levels.iloc[-1]) == (pd.Timestamp("2024-02-26"), 129609.0)
