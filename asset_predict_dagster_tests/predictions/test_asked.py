"""How far ahead is a whole number of sessions, and everything else is refused in a sentence."""

import numpy as np
import pytest

from asset_predict_dagster.errors import SettingsError
from asset_predict_dagster.predictions.asked import refuse_range


@pytest.mark.parametrize("days_ahead", [0, 31, 2.5, 5.0, "5", None, True, [5]])
def test_what_is_no_number_of_sessions_is_refused(days_ahead):
    with pytest.raises(SettingsError) as refused:
        refuse_range(days_ahead)
    assert str(refused.value) == (
        f"days_ahead is 1 to 30 sessions; found {days_ahead!r}; give a whole number of them"
    )


@pytest.mark.parametrize("days_ahead", [1, 30, np.int64(5)])
def test_a_whole_number_in_range_is_taken(days_ahead):
    refuse_range(days_ahead)
