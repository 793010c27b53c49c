"""A run that failed says why in one sentence, a defect too."""

import dagster as dg

from asset_predict_dagster.executions import why_not


@dg.op
def divides():
    raise ValueError("no share\nis left")


@dg.job
def dividing():
    divides()


def test_a_defect_is_told_by_what_was_raised_and_not_by_what_dagster_wraps_it_in():
    with dg.DagsterInstance.ephemeral() as instance:
        result = dividing.execute_in_process(instance=instance, raise_on_error=False)
    assert why_not(result) == f"ValueError: no share is left (run {result.run_id})"
