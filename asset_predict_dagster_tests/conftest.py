"""What holds for every test, and one small market for those that ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from asset_predict_dagster_tests.pipeline.conftest import Workplace

# An example that takes longer on a busy machine has not failed.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workplace:
    """A workplace in which `complete_pipeline` has run once. Tests must not change it."""
    # Dagster takes seconds to import, which the tests of the core need not wait for.
    from asset_predict_dagster_tests.pipeline.conftest import new_workplace

    place = new_workplace(tmp_path_factory.mktemp("finished"))
    result = place.run("complete_pipeline")
    assert result.success, [e.step_failure_data.error for e in result.get_step_failure_events()]
    return place
