"""The quick tour of the README works as typed, from `make demo` to its last line of Python.

It is typed into real terminals, in a folder with what a clone has. Two things are not as in a
person's hands. pip installs nothing: `make` finds an environment that is up to date, this one. And
`ASSET_PREDICT_AS_OF` lets the simulated market end early, so that the demo takes half the time.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import AF_INET, SO_REUSEADDR, SOL_SOCKET, socket

import duckdb
import httpx
import pytest

from asset_predict_dagster.service.runs import DagsterRuns, DagsterUnreachable
from asset_predict_dagster_tests.pipeline.conftest import AS_OF

ROOT = Path(__file__).parents[1]
CLONED = ("Makefile", "pyproject.toml", "constraints.txt", "dagster.yaml", "workspace.yaml")
ENVIRONMENT = Path(sys.prefix)
DAGSTER, API = "http://localhost:3000", "http://localhost:5000"
PATIENCE = 600
"""Seconds, on a machine that others keep busy."""

STAYS_UP = {"make dev": DAGSTER, ".venv/bin/asset-predict serve": API}
"""Block of one command that does not end → where it answers."""

_END = "--- typed:"


def tour(readme: str) -> list[tuple[str, str]]:
    """Language and text of each block that a reader types, in order."""
    section = (ROOT / readme).read_text().split("\n## ")[1]
    return re.findall(r"^```(\w+)\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


class Terminal:
    """A shell in which one block after the other is typed; it ends at the first that fails."""

    def __init__(self, folder: Path, log: Path):
        self._log = log
        with log.open("w") as written:
            self._shell = subprocess.Popen(
                ["bash"],
                stdin=subprocess.PIPE,
                stdout=written,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=variables(),
                text=True,
                start_new_session=True,
            )
        self._n_typed = 0
        self._say("set -e")

    def type(self, block: str) -> str:
        """What it printed."""
        seen, self._n_typed = len(self.said), self._n_typed + 1
        end = f"{_END} {self._n_typed}"
        self._say(f"{block}\necho '{end}'")
        until = time.monotonic() + PATIENCE
        while end not in self.said:
            assert self._shell.poll() is None, f"{block} failed:\n{self.said[seen:][-4000:]}"
            assert time.monotonic() < until, f"{block} goes on:\n{self.said[seen:][-4000:]}"
            time.sleep(0.1)
        return self.said[seen:].split(end)[0]

    def start(self, block: str) -> None:
        self._say(block)

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """End all that it started; Dagster's processes may outlive a polite request."""
        for sent, seconds in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
            try:
                os.killpg(self._shell.pid, sent)
            except ProcessLookupError:
                break
            end = time.monotonic() + seconds
            while self._shell.poll() is None and time.monotonic() < end:
                time.sleep(0.1)
        self._shell.wait(5)
        assert self._shell.stdin is not None
        self._shell.stdin.close()

    def _say(self, text: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{text}\n")
        self._shell.stdin.flush()


def variables() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "ASSET_PREDICT_AS_OF": str(AS_OF), "COLUMNS": "80"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A folder as after a clone, in which `make` has installed."""
    if not (ENVIRONMENT / "bin/activate").exists():
        pytest.skip(f"{ENVIRONMENT} is no environment that can be activated")
    for program in ("bash", "make", "curl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not here")
    for port in (3000, 5000):
        if not is_free(port):
            pytest.skip(f"another program listens on {port}, which the tour names")
    folder = tmp_path_factory.mktemp("clone")
    for name in CLONED:
        shutil.copy(ROOT / name, folder)
    (folder / ".venv").mkdir()
    # Not the folder itself: Python looks for its environment beside the `bin` it was started from.
    for part in ENVIRONMENT.iterdir():
        if not part.name.startswith("installed"):
            (folder / ".venv" / part.name).symlink_to(part)
    (folder / ".venv/installed").touch()
    return folder


def is_free(port: int) -> bool:
    with socket(AF_INET) as there:
        there.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            there.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextmanager
def opened(folder: Path, log: str) -> Iterator[Terminal]:
    terminal = Terminal(folder, folder / log)
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.fixture(scope="module")
def typed(clone: Path) -> Iterator[list[str]]:
    """What each block of the tour printed; nothing of those that stay up, which still are."""
    printed: list[str] = []
    with ExitStack() as terminals:
        first = terminals.enter_context(opened(clone, "first.log"))
        for language, block in tour("README.md"):
            if (command := block.strip()) in STAYS_UP:
                other = terminals.enter_context(opened(clone, f"{len(printed)}.log"))
                other.start(block)
                wait_for(STAYS_UP[command], other)
                printed.append("")
            elif language == "python":
                printed.append(first.type(f"python - <<'PYTHON'\n{block}PYTHON"))
            else:
                printed.append(first.type(block))
        yield printed


def wait_for(address: str, terminal: Terminal) -> None:
    until = time.monotonic() + PATIENCE
    while not is_up(address):
        assert time.monotonic() < until, terminal.said[-4000:]
        time.sleep(0.5)


def is_up(address: str) -> bool:
    if address == DAGSTER:
        try:
            return bool(DagsterRuns(DAGSTER).assets())
        except DagsterUnreachable:
            return False
    try:
        return httpx.get(f"{API}/api/v1/health", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("readme", ["README.md", "README.pt-br.md"])
def test_the_tour_is_what_these_tests_type(readme: str):
    """That both say the same is in test_docs.py."""
    assert [language for language, _ in tour(readme)] == ["bash"] * 5 + ["python"]
    assert {block.strip() for _, block in tour(readme)} >= set(STAYS_UP)


def test_the_demo_prints_predictions_and_says_that_they_are_simulated(typed):
    demo = typed[0]
    assert "SIMULATED prices" in demo
    assert "Out of sample, next session" in demo
    assert "Where to look next" in demo


def test_the_commands_tell_of_the_same_market(typed):
    commands = typed[1]
    assert f"at the close of {AS_OF} (SIMULATED prices)" in commands
    assert "ZZAA3 by lstm 1" in commands
    assert f"last closed session: {AS_OF}" in commands
    assert re.search(r"complete_pipeline .* success", commands)


def test_the_api_answers_what_the_command_and_python_say(typed):
    action, path = documents(typed[4])
    assert action["predictions"][0] in ("buy", "hold", "sell")
    assert action["ticker"] == path["ticker"] == "ZZAA3"
    prices = [point["predicted_price"] for point in path["predictions"]]
    assert len(prices) == 5
    for point, price in zip(path["predictions"], prices, strict=True):
        assert re.search(rf"{point['session']} .* {price:.2f} ", typed[1])
        assert re.search(rf"{point['session']} +{price:.6f} ", typed[5])


def test_python_prints_the_rank_ic_beside_the_naive_one(typed):
    assert "naive_value" in typed[5]
    assert len(re.findall(r"^\d+ +[1-5] ", typed[5], flags=re.MULTILINE)) == 5


def test_the_api_sees_the_run_of_the_demo_through_the_dagster_that_was_started(typed):
    said = httpx.get(f"{API}/api/b3/status", timeout=60).json()
    assert (said["job"], said["status"]) == ("complete_pipeline", "completed")


def test_the_queries_of_the_readme_find_the_predictions_and_the_figures(typed, clone: Path):
    (block,) = re.findall(r"^```sql\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
    predictions, figures = block.strip().rstrip(";").split(";")
    with duckdb.connect(clone / "data/warehouse.duckdb", read_only=True) as warehouse:
        assert "ZZAA3" in {row[0] for row in warehouse.execute(predictions).fetchall()}
        assert "rank_ic" in {row[1] for row in warehouse.execute(figures).fetchall()}


def documents(text: str) -> list[dict]:
    """The JSON documents that follow each other."""
    found, decoder = [], json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found
