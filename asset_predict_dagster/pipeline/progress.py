"""A bar on the terminal while a step trains or tunes, for whoever started it there.

It tells what the Dagster log tells, on one line that stays below the log's. It is drawn only where
the process was started from a terminal by a person's command: not in runs that Dagster launches,
nor into a file or a pipe.

A step's output is captured by Dagster, which turns the process's stderr into a file meanwhile. So
the terminal is taken note of before, when this module is imported.
"""

import io
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import dagster as dg

_STDERR = 2
_TERMINAL = os.dup(_STDERR) if os.isatty(_STDERR) else None
"""The terminal that the process was started from; None: there is none."""

_BAR_WIDTH = 24
_TIMES_A_SECOND = 4

_DRAWN: list[Any] = []
"""The bars that are open, the innermost last: it alone is drawn, and the others wait for it."""


@dataclass(frozen=True)
class Progress:
    """How far a step has come: `done` of `total`, and what there is to say of it.

    `seconds_left` is NaN where nobody knows.
    """

    title: str
    done: int
    total: int
    said: str
    seconds_left: float


Show = Callable[[Progress], None]


def of_epoch(model: str, epoch: dict[str, Any]) -> Progress:
    """What a training reports after an epoch (`models.lstm_training.Report`).

    >>> of_epoch("lstm", {"seed": 42, "epoch": 2, "epochs": 5, "train_loss": 0.61,
    ...     "validation_loss": 0.62, "learning_rate": 0.005, "seconds_left": 3.2}).said
    'loss 0.6100, validation 0.6200, rate 0.005'
    """
    is_refit = math.isnan(epoch["validation_loss"])
    said = [f"loss {epoch['train_loss']:.4f}", f"rate {epoch['learning_rate']:.2g}"]
    if not is_refit:
        said.insert(1, f"validation {epoch['validation_loss']:.4f}")
    return Progress(
        f"{model} {'refit' if is_refit else 'fit'}, seed {epoch['seed']}",
        epoch["epoch"],
        epoch["epochs"],
        ", ".join(said),
        epoch["seconds_left"],
    )


def of_trial(model: str, trial: dict[str, Any]) -> Progress:
    """What a tuning reports after a trial (`models.tuning.Report`)."""
    known = {name: trial[name] for name in ("best", "default") if not math.isnan(trial[name])}
    return Progress(
        f"tune {model}",
        trial["n_ended"],
        trial["n_trials"],
        ", ".join(f"{name} {value:.4f}" for name, value in known.items()),
        trial["seconds_left"],
    )


def of_step(title: str, done: int, total: int, step: str) -> Progress:
    """What a run reports when a step begins.

    >>> of_step("retrain", 3, 9, "labels").said
    'labels'
    """
    return Progress(title, done, total, step, math.nan)


def is_watched(run: dg.DagsterRun) -> bool:
    """Whether a person's command executes the run, rather than a service that launched it."""
    return run.remote_job_origin is None


@contextmanager
def terminal_bar(title: str, is_watched: bool, terminal: int | None = _TERMINAL) -> Iterator[Show]:
    """A bar for as long as the block lasts; what is shown replaces what was shown before.

    Until the first report, and for a model that reports nothing, it says only for how long it
    has been at work.

    Parameters
    ----------
    is_watched
        False: nothing is drawn.
    terminal
        File descriptor of a terminal; None: nothing is drawn.
    """
    if terminal is None or not is_watched:
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    def text(name: str) -> TextColumn:
        # A second line would be left behind when the log is written over the first.
        return TextColumn(name, table_column=Column(no_wrap=True, overflow="ellipsis"))

    with _Terminal(terminal) as file:
        console = Console(file=file, force_terminal=True, width=file.width)
        bar = Bar(
            text("{task.description}"),
            BarColumn(_BAR_WIDTH),
            text("{task.fields[said]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            refresh_per_second=_TIMES_A_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        task = bar.add_task(title, total=None, said="")

        def show(progress: Progress) -> None:
            counted = f"{progress.done}/{progress.total}"
            seconds = progress.seconds_left
            left = "" if math.isnan(seconds) else f"about {seconds:.0f} s left"
            bar.update(
                task,
                description=progress.title,
                completed=progress.done,
                total=progress.total,
                said=", ".join(filter(None, [counted, progress.said, left])),
            )

        with _alone(bar), bar:
            yield show


@contextmanager
def _alone(bar: Any) -> Iterator[None]:
    """The bar around this one is not drawn meanwhile: both have the same line."""
    if _DRAWN:
        _DRAWN[-1].stop()
    _DRAWN.append(bar)
    try:
        yield
    finally:
        _DRAWN.pop()
        if _DRAWN:
            _DRAWN[-1].start()


class _Terminal(io.TextIOBase):
    """The terminal, its cursor put back to the margin after each drawing.

    Dagster's log reaches it from another process, which knows of no bar: a line of it is then
    written over the bar instead of behind it, and the bar is drawn anew below.
    """

    def __init__(self, descriptor: int) -> None:
        self._file = open(os.dup(descriptor), "w", encoding="utf-8", errors="replace")  # noqa: PTH123, SIM115
        columns = 0
        with suppress(OSError):
            columns = os.get_terminal_size(descriptor).columns
        # The last column stays free, or the terminal would begin a second line.
        self.width = (columns or 80) - 1

    def write(self, text: str) -> int:
        # A terminal that was closed stops no training.
        with suppress(OSError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.write("\r")
            self._file.flush()

    def close(self) -> None:
        super().close()  # which flushes
        with suppress(OSError):
            self._file.close()
