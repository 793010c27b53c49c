"""One way to time for every benchmark: CPU seconds, best of several, both sides in turn."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable


def cpu_seconds(*works: Callable[[], object], repeat: int = 3) -> list[float]:
    """Least CPU seconds of this process that each of the works took, done in turn."""

    def once(work: Callable[[], object]) -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    rounds = [[once(work) for work in works] for _ in range(repeat)]
    return [min(seconds) for seconds in zip(*rounds, strict=True)]


def cpu_seconds_of_process(code: str, repeat: int = 3) -> float:
    """Least CPU seconds of a fresh interpreter that runs `code`."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    return min(once() for _ in range(repeat))


def peak_megabytes_of_process(code: str) -> float:
    """Most memory (RSS, 10^6 bytes) that a fresh interpreter running `code` ever had; Linux."""
    # getrusage would not do: a child's begins with what its parent had when it was started.
    peak = "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    return int(said_of_process(f"{code}\n{peak}")) * 1024 / 1e6


def said_of_process(code: str) -> str:
    """What a fresh interpreter prints that runs `code`."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
