"""A training or a daily run that is killed leaves a champion that serves, and no loose end.

A third of the moments lie anywhere in the run, the others behind its longest step: training takes
most of the time, and what others see is written afterwards.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from asset_predict_dagster_tests.pipeline.conftest import Workplace
from asset_predict_dagster_tests.proofs.processes import (
    NEXT,
    TRAINED_ON,
    copy_of,
    refuse_what_points_nowhere,
    said,
    started,
    workplace,
)

pytestmark = pytest.mark.proofs

N_KILLS = 15
"""Of each job."""

SIGNS = {"retrain": (": bundle ", 2), "daily_prediction": ("records kept", 1)}
"""What a run says, and how often, at the end of the step behind which most kills fall."""


@dataclass(frozen=True)
class Undisturbed:
    """A whole run: what it leaves, and its seconds up to the sign and from there to the end."""

    tables: dict[str, str]
    until_sign: float
    after_sign: float


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Champions that serve, and a session that has closed since."""
    folder = tmp_path_factory.mktemp("trained")
    assert workplace(folder, TRAINED_ON).run("complete_pipeline").success
    return folder


@pytest.fixture(scope="module")
def one_day_later(trained: Path, tmp_path_factory) -> Path:
    """The same after the next session's daily run: there is something new to learn."""
    folder = copy_of(trained, tmp_path_factory.mktemp("day") / "later")
    assert workplace(folder, NEXT).run("daily_prediction").success
    return folder


def contents(place: Workplace) -> dict[str, str]:
    # How long ago a model was trained is another number each time it is asked.
    return {name: digest for name, digest in place.contents().items() if name != "model_health"}


def wait_for_the_sign(job: str, folder: Path, run: subprocess.Popen) -> float:
    """Seconds until the log says it, or the run is over."""
    sign, times = SIGNS[job]
    begun = time.monotonic()
    while run.poll() is None and said(folder).count(sign) < times:
        time.sleep(0.01)
    return time.monotonic() - begun


@pytest.mark.parametrize("job", ["retrain", "daily_prediction"])
def test_a_killed_run_leaves_champions_that_load_and_the_next_run_repairs_the_rest(
    job: str, trained: Path, one_day_later: Path, tmp_path: Path
):
    before = one_day_later if job == "retrain" else trained
    n_in_time = 0
    at_first = contents(workplace(before, NEXT))
    whole = undisturbed(job, copy_of(before, tmp_path / "undisturbed"))
    moments = random.Random(42)
    n_between = 0
    for place in range(N_KILLS):
        folder = copy_of(before, tmp_path / str(place))
        run = started(folder, job, NEXT)
        if place % 3:
            wait_for_the_sign(job, folder, run)
            time.sleep(moments.uniform(0, whole.after_sign))
        else:
            time.sleep(moments.uniform(0, whole.until_sign + whole.after_sign))
        os.killpg(run.pid, signal.SIGKILL)
        n_in_time += run.wait() == -signal.SIGKILL
        left = workplace(folder, NEXT)
        refuse_what_points_nowhere(left)
        n_between += contents(left) not in (whole.tables, at_first)
        assert left.run(job).success, f"kill {place} of {job}"
        refuse_what_points_nowhere(left)
        assert contents(left) == whole.tables, f"kill {place} of {job}"
        left.instance.dispose()
        shutil.rmtree(folder)
    print(
        f"{job}: {n_in_time} of {N_KILLS} in time, {n_between} between the first table and the last"
    )
    assert n_in_time >= N_KILLS * 2 // 3
    assert n_between >= N_KILLS // 5


def undisturbed(job: str, folder: Path) -> Undisturbed:
    run = started(folder, job, NEXT)
    until_sign = wait_for_the_sign(job, folder, run)
    begun = time.monotonic()
    assert run.wait(timeout=300) == 0, said(folder)
    return Undisturbed(contents(workplace(folder, NEXT)), until_sign, time.monotonic() - begun)
