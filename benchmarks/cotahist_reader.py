"""A year's file to a table, beside inflating its ZIP and beside the readers people use.

Run alone, it takes another interpreter to time `b3fileparser` with, which wants a pandas older
than ours and so an environment of its own:

    python -m venv other && other/bin/pip install b3fileparser
    python -m benchmarks.cotahist_reader other/bin/python
"""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from isal import isal_zlib

from asset_predict_dagster.market.cotahist import read_cotahist
from asset_predict_dagster.market.cotahist_layout import ENCODING, FIELDS
from asset_predict_dagster.market.cotahist_writer import write_cotahist
from asset_predict_dagster.market.simulated import SimulatedMarket
from benchmarks.timing import cpu_seconds, peak_megabytes_of_process

YEAR, LONG_YEAR, FIFTH = 1_500_000, 4_000_000, 300_000
DISTINCT = 100_000
"""Records that differ; a file repeats them. They are far more than deflate can look back on."""

B3_OF_JANUARY_2021 = {"070": 0.37, "080": 0.33, "010": 0.16, "030": 0.08, "020": 0.06}
SESSIONS = np.arange("2018-01-08", "2018-01-24", dtype="M8[D]").astype("M8[us]")
"""Sixteen days, of as many records as B3 had in each of sixteen sessions of that month."""

LAST = date(2018, 12, 28)


def run(other_python: str | None = None) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return "\n".join(_lines(Path(folder), other_python))


def _lines(folder: Path, other_python: str | None) -> Iterator[str]:
    simulated = SimulatedMarket().simulate(LAST).records
    mixed = _mixed(simulated)
    year = _file(folder / "year", mixed, YEAR)
    yield f"COTAHIST reader: {YEAR:,} records, CPU s"
    yield _beside_inflating("16 % spot, as B3's of January 2021", year)
    half = _file(folder / "half", simulated, YEAR)
    yield _beside_inflating("55 % spot, as simulated", half)

    text, fifth = year.with_suffix(".TXT"), _file(folder / "fifth", mixed, FIFTH)
    spot, every, fwf = cpu_seconds(
        lambda: read_cotahist(text),
        lambda: read_cotahist(text, markets=None),
        lambda: _read_fwf(fifth.with_suffix(".TXT")),
    )
    fwf *= YEAR / FIFTH
    yield (
        f"  TXT: spot table {spot:.2f}, table of all markets {every:.2f}; pandas.read_fwf"
        f" {fwf:.1f} (a fifth, times 5): {fwf / spot:.0f} and {fwf / every:.0f} times as long"
    )
    if other_python:
        spot, every = cpu_seconds(
            lambda: read_cotahist(year), lambda: read_cotahist(year, markets=None)
        )
        for engine in ("pandas", "polars"):
            other = min(_b3fileparser(other_python, engine, fifth) for _ in range(3))
            other *= YEAR / FIFTH
            yield (
                f"  ZIP: spot table {spot:.2f}, table of all markets {every:.2f}; b3fileparser"
                f" ({engine}) {other:.1f} (a fifth, times 5): {other / spot:.0f} and"
                f" {other / every:.0f} times as long"
            )

    long_year = _file(folder / "long", mixed, LONG_YEAR)
    reader = "from pathlib import Path; from asset_predict_dagster.market.cotahist import *"
    spot = f"{reader}; read_cotahist(Path({str(long_year)!r}))"
    parts = f"{reader}\nfor part in cotahist_parts(Path({str(long_year)!r})): pass"
    yield (
        f"  {LONG_YEAR:,} records, peak memory of a fresh process, MB: imports alone"
        f" {peak_megabytes_of_process(reader):.0f}, spot table"
        f" {peak_megabytes_of_process(spot):.0f}, all markets in parts"
        f" {peak_megabytes_of_process(parts):.0f}"
    )


def _beside_inflating(what: str, path: Path) -> str:
    reading, inflating = cpu_seconds(lambda: read_cotahist(path), lambda: _inflate(path), repeat=5)
    return (
        f"  {what}: ZIP to spot table {reading:.2f}, inflating alone {inflating:.2f}:"
        f" {reading / inflating:.2f} times"
    )


def _mixed(simulated: pd.DataFrame) -> pd.DataFrame:
    """Records in the shares that B3's markets have; forwards are made of spot records."""
    spot = simulated[simulated["market_type"] == "010"]
    forwards = spot.assign(
        market_type="030", bdi_code="62", ticker=spot["ticker"] + "T", forward_days=30
    )
    records = pd.concat([simulated, forwards], ignore_index=True)
    parts = []
    for market, share in B3_OF_JANUARY_2021.items():
        of_market = records[records["market_type"] == market]
        at = np.arange(round(share * DISTINCT))
        session = SESSIONS[at * len(SESSIONS) // len(at)]
        parts.append(of_market.iloc[at % len(of_market)].assign(session=session))
    mixed = pd.concat(parts, ignore_index=True)
    return mixed.sort_values(["session", "market_type"], kind="stable", ignore_index=True)


def _file(folder: Path, records: pd.DataFrame, n_records: int) -> Path:
    """A ZIP, and beside it the TXT, of the records again and again."""
    folder.mkdir()
    path = folder / "COTAHIST_A2018.ZIP"
    text = path.with_suffix(".TXT")
    write_cotahist(records.head(n_records), text, LAST)
    header, *lines, trailer = text.read_bytes().splitlines(keepends=True)
    n_copies, n_more = divmod(n_records, len(lines))
    once = b"".join(lines)
    with text.open("wb") as file:
        file.write(header)
        for _ in range(n_copies):
            file.write(once)
        file.writelines(lines[:n_more])
        file.write(trailer[:31] + b"%011d" % (n_records + 2) + trailer[42:])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(text, text.name)
    return path


def _inflate(path: Path) -> list[bytes]:
    """The ZIP's one member through isal, to memory."""
    content = path.read_bytes()
    name_length = int.from_bytes(content[26:28], "little")
    extra_length = int.from_bytes(content[28:30], "little")
    deflated = memoryview(content)[30 + name_length + extra_length :]
    inflater = isal_zlib.decompressobj(-15)
    # In pieces, which is faster than the whole at once.
    starts = range(0, len(deflated), 1 << 20)
    return [inflater.decompress(deflated[start : start + (1 << 20)]) for start in starts]


def _read_fwf(path: Path) -> pd.DataFrame:
    """The same columns, codes as text; days and decimals are left as they are in the file."""
    return pd.read_fwf(
        path,
        colspecs=[(field.first - 1, field.last) for field in FIELDS],
        names=[field.name for field in FIELDS],
        dtype={field.name: "str" for field in FIELDS if field.kind == "text"},
        skiprows=1,
        skipfooter=1,
        encoding=ENCODING,
    )


_PARSE = """
import sys, time
from b3fileparser.b3parser import B3Parser
parser = B3Parser.create_parser(sys.argv[1])
start = time.process_time()
parser.read_b3_file(sys.argv[2])
print(time.process_time() - start)
"""


def _b3fileparser(other_python: str, engine: str, path: Path) -> float:
    """CPU seconds that `b3fileparser` takes, in an environment of its own."""
    command = [other_python, "-c", _PARSE, engine, str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    print(run(sys.argv[1] if len(sys.argv) > 1 else None))
