"""A check shows the newest rows that offend, and of how many tickers there are more."""

import dagster as dg
import pandas as pd

from asset_predict_dagster.pipeline.verdicts import verdict, warning


def offending(n: int) -> pd.DataFrame:
    """n rows as a table has them: by ticker, then by session."""
    days = pd.date_range("2024-01-01", periods=5, unit="us")
    return pd.DataFrame(
        [(f"ZZA{ticker}", day) for ticker in range(-(-n // 5)) for day in days][:n],
        columns=["ticker", "session"],
    )


def test_nothing_that_offends_is_a_pass():
    result = verdict(offending(0))
    assert result.passed
    assert result.metadata["offending"] == dg.MetadataValue.md("none")


def test_a_warning_fails_as_a_warning():
    result = warning(offending(1))
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_of_many_rows_the_newest_of_all_tickers_are_shown():
    result = verdict(offending(300))
    shown = result.metadata["offending"].value
    assert "2024-01-05" in shown
    assert "2024-01-04" not in shown  # 60 tickers have a row of the fifth, and 50 are shown
    assert result.metadata["n_offending"] == dg.MetadataValue.int(300)
    assert result.metadata["n_offending_by_ticker"].value.count("ZZA") == 60


def test_few_rows_are_all_shown_and_not_counted():
    result = verdict(offending(50))
    assert result.metadata["offending"].value.count("ZZA") == 50
    assert "n_offending_by_ticker" not in result.metadata
