"""What one worker of the REST API answers under load, asked by `wrk` on the same machine.

A simulated market, both models at their default settings, the server as a person starts it.
`/api/b3/predict` of every ticker in turn: as fast as it goes, at 500 requests a second, and at 200
while a training runs. A rate is kept by connections that each wait a random time before they ask;
what is waited is not counted, so the figures are what a caller sees who has his connection open.
wrk rounds waits up: a little more than the rate is asked for.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from asset_predict_dagster.lake import Lake
from asset_predict_dagster.predictions.ledger import newest
from asset_predict_dagster.tables import PREDICTIONS
from asset_predict_dagster_tests.service.running import Server, environment, served

AS_OF = "2020-12-30"
SCRIPT = Path(__file__).with_name("load.lua")
SECONDS = 20
STEADY, BESIDE_A_TRAINING = 520, 208
MANY_CONNECTIONS, FEW_CONNECTIONS = 64, 8


def run() -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, home = folder / "data", folder / "home"
        home.mkdir()
        settings = {"ASSET_PREDICT_AS_OF": AS_OF, "ASSET_PREDICT_REQUESTS_A_SECOND": "1000000"}
        around = environment(data, DAGSTER_HOME=str(home), **settings)
        if _job("complete_pipeline", around, folder).wait():
            raise RuntimeError(f"complete_pipeline failed: {(folder / 'runs.log').read_text()}")
        rows = newest(Lake(data / "lake").read(PREDICTIONS))
        rows = rows[(rows["reason"] == "") & (rows["model"] == "random_forest")]
        tickers = ",".join(sorted(rows["ticker"].unique()))

        began = time.perf_counter()
        with served(folder, data, **settings) as server:
            seconds_to_start = time.perf_counter() - began
            _ask(server, tickers, FEW_CONNECTIONS, seconds=3)
            most = _ask(server, tickers, FEW_CONNECTIONS)
            steady = _ask(server, tickers, MANY_CONNECTIONS, rate=STEADY)
            training = _job("retrain", around, folder)
            beside = []
            while training.poll() is None:
                beside.append(
                    _ask(server, tickers, MANY_CONNECTIONS, rate=BESIDE_A_TRAINING, seconds=10)
                )
            if training.returncode:
                raise RuntimeError(f"retrain failed: {(folder / 'runs.log').read_text()}")
            resident = server.resident_mb
    worst = max(beside[:-1] or beside, key=lambda told: told["p99_ms"])
    return "\n".join(
        [
            f"REST API, one worker, {len(tickers.split(','))} tickers, wrk on the same cores:",
            f"  first answer after {seconds_to_start:.1f} s; {resident:.0f} MB resident at the end",
            f"  as fast as it goes: {_told(most)}",
            f"  at 500 a second: {_told(steady)}",
            f"  at 200 a second beside a training, worst of {len(beside)} spans: {_told(worst)}",
        ]
    )


def _job(name: str, around: dict[str, str], folder: Path) -> subprocess.Popen:
    """`dagster job execute` in a process of its own; what it says is in `runs.log`."""
    dagster = str(Path(sys.executable).with_name("dagster"))
    command = [dagster, "job", "execute", "-m", "asset_predict_dagster.definitions", "-j", name]
    around = {**around, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    with (folder / "runs.log").open("w") as log:
        return subprocess.Popen(command, env=around, cwd=folder, stdout=log, stderr=log)


def _ask(
    server: Server, tickers: str, connections: int, *, rate: int = 0, seconds: int = SECONDS
) -> dict[str, float]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT)]
    command += [str(server.client.base_url), "--", tickers]
    if rate:
        command += [str(rate), str(connections)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _told(figures: dict[str, float]) -> str:
    return (
        f"{figures['requests'] / figures['seconds']:,.0f} answers a second, p50"
        f" {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f}, worst"
        f" {figures['worst_ms']:.0f}; refused {figures['refused']:.0f}, broken"
        f" {figures['broken']:.0f}"
    )


if __name__ == "__main__":
    print(run())
