"""Logs: one JSON object a line, one file a day, written by every process of ours.

    <data>/logs/2024-01-05.jsonl
    {"time": "2024-01-05T06:00:01.123+00:00", "level": "INFO", "logger": "dagster",
     "message": "...", "run_id": "...", "job": "daily_prediction", "step": "quotes"}

`run_id`, `job`, `step`, `event` (Dagster's word for what happened) and `exception` stand where they
are known. A day is UTC's. Whoever starts a process of ours calls `start_logs` once; what a Dagster
run tells comes in by `pipeline/run_logs.py`.

A line is one write to the end of the file, which the operating system does not mix with those of
other processes. The file is opened for each line: a folder that was cleaned up or moved is simply
made again. A log that cannot be written stops nothing.
"""

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import pandas as pd
from pydantic import SecretStr

from asset_predict_dagster.settings import Settings

HIDDEN = "***"

CONTEXT = ("run_id", "job", "step", "event")
"""What a record may say of the run that it belongs to, as attributes of those names."""

_OURS = "asset_predict_dagster"
_LEAST_SECRET = 8
"""Letters of a part of an address that could be a key."""

_TOLD_BY_DAGSTER = "dagster_meta"
"""Dagster marks a record that it takes into a run, and tells it itself."""


class JsonLines(logging.Handler):
    """Appends records to the day's file under `folder`; `secrets` never reach it."""

    def __init__(self, folder: Path, secrets: Iterable[str] = ()):
        super().__init__(logging.INFO)
        self.folder = folder
        self._hidden = sorted(
            {form for secret in secrets for form in _forms(secret)}, key=len, reverse=True
        )
        self._traces = logging.Formatter()
        self._has_complained = False

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, _TOLD_BY_DAGSTER):
            return
        at = datetime.fromtimestamp(record.created, UTC)
        path = self.folder / f"{at.date()}.jsonl"
        try:
            line = json.dumps(self._said(record, at)) + "\n"
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("ab", buffering=0) as file:
                file.write(line.encode())
        except OSError as error:
            if not self._has_complained:
                self._has_complained = True
                print(f"the log {path} cannot be written: {error.strerror}", file=sys.stderr)
        except Exception:  # a stranger's values, asked for their text, may raise anything
            self.handleError(record)

    def _said(self, record: logging.LogRecord, at: datetime) -> dict[str, str]:
        said = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._without_secrets(_message(record)),
        }
        said |= {
            name: str(getattr(record, name)) for name in CONTEXT if getattr(record, name, None)
        }
        trace = record.exc_text
        if record.exc_info and record.exc_info[0] is not None:
            trace = self._traces.formatException(record.exc_info)
        if trace:
            said["exception"] = self._without_secrets(trace)
        return said

    def _without_secrets(self, text: str) -> str:
        for form in self._hidden:
            text = text.replace(form, HIDDEN)
        return text


def start_logs(settings: Settings) -> None:
    """Let this process log to `<data>/logs` if the settings ask for it; once is enough.

    What other settings of the same process started before is stopped.
    """
    root = logging.getLogger()
    if (started := log_of_this_process()) is not None:
        root.removeHandler(started)
    if settings.enable_logs:
        root.addHandler(JsonLines(settings.logs, _secrets(settings)))
        logging.getLogger(_OURS).setLevel(logging.INFO)


def log_of_this_process() -> JsonLines | None:
    """What `start_logs` started; None if logs are off."""
    found = [one for one in logging.getLogger().handlers if isinstance(one, JsonLines)]
    return found[0] if found else None


def clean_up_logs(
    folder: Path, now: datetime, keep_for: timedelta, *, dry_run: bool = False
) -> pd.DataFrame:
    """Remove the files of days that ended more than `keep_for` before `now`.

    Other files in the folder are nobody's business here.

    Parameters
    ----------
    dry_run
        Say what would go and change nothing.

    Returns
    -------
    One row per file: `file`, its name, and `n_bytes`.
    """
    rows = []
    for path in sorted(folder.glob("*.jsonl")):
        day = _day(path.stem)
        if day is None or now.astimezone(UTC).date() - day <= keep_for:
            continue
        rows.append({"file": path.name, "n_bytes": path.stat().st_size})
        if not dry_run:
            path.unlink(missing_ok=True)
    return pd.DataFrame(rows, columns=["file", "n_bytes"])


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (LookupError, TypeError, ValueError):  # other values than its text has room for
        return f"{record.msg} {record.args}"


def _secrets(settings: Settings) -> list[str]:
    """The values of all settings that are shown nowhere."""
    values = [getattr(settings, name) for name in type(settings).model_fields]
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def _forms(secret: str) -> set[str]:
    """How a secret may stand in a text; of an address also what comes after the host.

    >>> sorted(_forms("https://hooks.example/T0/secret"))[0], len(_forms("https://h.example/x"))
    ('/T0/secret', 2)
    """
    forms = {secret, quote(secret, safe=""), repr(secret)[1:-1]}
    try:
        address = urlsplit(secret)
    except ValueError:
        return forms - {""}
    if address.hostname:
        behind = address.path + (f"?{address.query}" if address.query else "")
        alone = secret.partition("?")[0]
        parts = {behind, alone, address.path, address.query, address.password or ""}
        # A path as short as /x stands in many a line that tells nothing of it.
        forms |= {part for part in parts if len(part) >= _LEAST_SECRET}
    return forms - {""}
