"""Ingestion killed at any moment, and resumed, leaves the tables of an undisturbed run."""

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.cotahist_folder import CotahistFolder
from asset_predict_dagster.market.cotahist_writer import write_cotahist
from asset_predict_dagster.market.ingestion import ingest
from asset_predict_dagster.market.simulated import SimulatedMarket, complete_files
from asset_predict_dagster.table_content import content_digest
from asset_predict_dagster.tables import (
    INGESTED_FILES,
    INGESTED_SESSIONS,
    RAW_QUOTES,
    REJECTED_RECORDS,
)

pytestmark = pytest.mark.proofs

N_KILLS = 30
TABLES = (RAW_QUOTES, INGESTED_FILES, INGESTED_SESSIONS, REJECTED_RECORDS)

INGEST = """
import sys
from pathlib import Path
from asset_predict_dagster.lake import Lake
from asset_predict_dagster.market.cotahist_folder import CotahistFolder
from asset_predict_dagster.market.ingestion import ingest
print("ready", flush=True)
ingest(Lake(sys.argv[1]), CotahistFolder(Path(sys.argv[2])))
"""


def contents(root: Path) -> dict[str, str]:
    return {table.name: content_digest(table, Lake(root).read(table)) for table in TABLES}


@contextmanager
def ingesting(root: Path, folder: Path) -> Iterator[subprocess.Popen]:
    """A process that has imported what it needs and begins to ingest."""
    command = [sys.executable, "-c", INGEST, str(root), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def wait_for_the_first_commit(root: Path, process: subprocess.Popen) -> None:
    """Until the run has said which files it has begun: all that it read is yet to be written."""
    log = root / INGESTED_FILES.name / "_delta_log"
    n_before = len(list(log.iterdir()))
    while len(list(log.iterdir())) == n_before and process.poll() is None:
        time.sleep(0.001)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Days and months, then a year that outranks them and a day that was corrected."""
    folder = tmp_path_factory.mktemp("files")
    complete_files(folder, SimulatedMarket(), date(2019, 3, 15))
    return folder


@pytest.fixture(scope="module")
def lake_before(folder: Path, tmp_path_factory) -> Path:
    """What a first run left; then the files change."""
    root = tmp_path_factory.mktemp("before")
    ingest(Lake(root), CotahistFolder(folder))
    corrected = folder / "COTAHIST_D14032019.ZIP"
    records = read_cotahist(corrected, markets=None).records
    write_cotahist(records.iloc[:-40], corrected, generated_on=date(2019, 3, 18))
    year = (
        SimulatedMarket()
        .simulate(date(2019, 12, 30))
        .records_between(date(2019, 1, 2), date(2019, 12, 30))
    )
    write_cotahist(year, folder / "COTAHIST_A2019.ZIP", generated_on=date(2020, 1, 2))
    (folder / "COTAHIST_M022019.ZIP").unlink()
    return root


def test_ingestion_killed_at_random_moments_and_resumed_leaves_an_undisturbed_runs_tables(
    lake_before: Path, folder: Path, tmp_path: Path
):
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(lake_before, undisturbed)
    with ingesting(undisturbed, folder) as process:
        begun = time.monotonic()
        wait_for_the_first_commit(undisturbed, process)
        reading = time.monotonic() - begun
        assert process.wait() == 0
        writing = time.monotonic() - begun - reading
    expected, at_first = contents(undisturbed), contents(lake_before)

    moments = random.Random(42)
    n_in_time, n_between_commits = 0, 0
    for place in range(N_KILLS):
        root = tmp_path / str(place)
        shutil.copytree(lake_before, root)
        with ingesting(root, folder) as process:
            if place % 3:
                wait_for_the_first_commit(root, process)
                time.sleep(moments.uniform(0, writing))
            else:
                time.sleep(moments.uniform(0, reading + writing))
            process.send_signal(signal.SIGKILL)
            n_in_time += process.wait() == -signal.SIGKILL
        n_between_commits += contents(root) not in (expected, at_first)
        ingest(Lake(root), CotahistFolder(folder))
        assert contents(root) == expected, f"kill {place}"
        shutil.rmtree(root)
    print(f"{n_in_time} of {N_KILLS} killed in time, {n_between_commits} between two commits")
    assert n_in_time >= 20
    assert n_between_commits >= 5
