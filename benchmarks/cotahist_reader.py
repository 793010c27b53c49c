"""A year's file to a table of its spot records, beside inflating the ZIP and nothing else."""

import tempfile
from datetime import date
from pathlib import Path

import pandas as pd
from isal import isal_zlib

from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.cotahist_writer import write_cotahist
from asset_predict_dagster.market.simulated import SimulatedMarket
from benchmarks.timing import cpu_seconds

N_RECORDS = 1_500_000


def run() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "COTAHIST_A2018.ZIP"
        write_cotahist(_a_year(), path, date(2018, 12, 28))
        inflating = cpu_seconds(lambda: _inflate(path))
        reading = cpu_seconds(lambda: read_cotahist(path))
    return (
        f"COTAHIST reader: {N_RECORDS:,} records, ZIP to spot table {reading:.2f} CPU s,"
        f" inflating alone {inflating:.2f}: {reading / inflating:.1f} times"
    )


def _a_year() -> pd.DataFrame:
    simulated = SimulatedMarket().simulate(date(2018, 12, 28)).records
    copies = -(-N_RECORDS // len(simulated))
    return pd.concat([simulated] * copies, ignore_index=True).head(N_RECORDS)


def _inflate(path: Path) -> None:
    """The ZIP's one member through isal in pieces, thrown away."""
    content = path.read_bytes()
    name_length = int.from_bytes(content[26:28], "little")
    extra_length = int.from_bytes(content[28:30], "little")
    deflated = memoryview(content)[30 + name_length + extra_length :]
    inflater = isal_zlib.decompressobj(-15)
    for start in range(0, len(deflated), 1 << 17):
        inflater.decompress(deflated[start : start + (1 << 17)])
