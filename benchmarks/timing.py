"""One way to time for every benchmark: CPU seconds, best of several, both sides in turn."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable


def cpu_seconds(work: Callable[[], object], repeat: int = 3) -> float:
    """Least CPU seconds of this process that `work` took."""

    def once() -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    return min(once() for _ in range(repeat))


def cpu_seconds_of_process(code: str, repeat: int = 3) -> float:
    """Least CPU seconds of a fresh interpreter that runs `code`."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    return min(once() for _ in range(repeat))
