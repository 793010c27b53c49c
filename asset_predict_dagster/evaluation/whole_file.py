"""Files for people, written in one step."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def replace_file(path: Path, content: str) -> Path:
    """Write a text so that whoever opens `path` sees the old one or the new one, whole.

    Folders that are missing are made. Returns `path`.

    Raises
    ------
    OSError
        If it cannot be written, with `path` as its file name; what was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _replace(path, content)
    except OSError as error:
        error.filename = str(path)  # and not the file beside it, which nobody knows
        raise
    return path


def _replace(path: Path, content: str) -> None:
    handle, beside = tempfile.mkstemp(prefix=".writing-", suffix=path.suffix, dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        # mkstemp lets the owner alone read it, and this is for showing.
        Path(beside).chmod(0o644)
        os.replace(beside, path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(beside).unlink()
        raise
