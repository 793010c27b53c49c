"""What a run has written is checked, and what was written before it stands."""

import dagster as dg
import pandas as pd
import pytest

from asset_predict_dagster.pipeline.checks import targets_are_sessions

HOLIDAY, SESSION = "2024-02-12", "2024-02-14"  # Carnival Monday, Ash Wednesday


@pytest.mark.parametrize(
    ("targets", "passed"),
    [
        ({"2024-02-09": [HOLIDAY, SESSION], "2024-02-10": [SESSION]}, True),
        ({"2024-02-09": [SESSION], "2024-02-10": [HOLIDAY, SESSION]}, False),
    ],
)
def test_a_holiday_decreed_since_fails_no_later_run(targets: dict[str, list[str]], passed: bool):
    """Day on which a run wrote → the days that its predictions are about."""
    rows = [(pd.Timestamp(made, tz="UTC"), day) for made, days in targets.items() for day in days]
    ledger = pd.DataFrame(rows, columns=["created_at", "target_session"])
    result = targets_are_sessions(
        predictions=ledger.assign(target_session=pd.to_datetime(ledger["target_session"]))
    )
    assert isinstance(result, dg.AssetCheckResult)
    assert result.passed == passed
