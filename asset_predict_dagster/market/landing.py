"""Files that land in a folder from elsewhere: are they whole, of which day, and where from.

A file on its way is a dot-file `.NAME.PROCESS.partial`, or lies under its final name in a folder
called so, for the readers that go by a file's name. No reader of the landing folder looks there.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import zipfile
import zlib
from datetime import date
from pathlib import Path

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.cotahist import SPOT, read_cotahist
from asset_predict_dagster.market.cotahist_layout import ENCODING, HEADER_FIELDS, RECORD_LENGTH
from asset_predict_dagster.market.cotahist_name import period_of

NOTES = ".downloads.json"
"""What an address said of each file: its ETag, its date, and the digest of what came."""

_PARTIAL = re.compile(r"\..+\.([0-9]+)\.partial")
_WEB_PAGE = re.compile(rb"\s*<(!doctype|html|head|body|\?xml)", re.IGNORECASE)
_HEADER = {field.name: field for field in HEADER_FIELDS}


def partial_of(path: Path) -> Path:
    """Where this process writes a file until it is whole: a file or a folder of that name."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def generated_on(path: Path) -> date | None:
    """The day in a market file's header; None if it has no header that can be read."""
    header = _header(path)
    day = header[_HEADER["generated_on"].span]
    if not (header.startswith("00COTAHIST") and day.isdigit()):
        return None
    with contextlib.suppress(ValueError):
        return date.fromisoformat(day)
    return None


def remove_partials(folder: Path) -> None:
    """Remove what downloads left behind whose processes are no more."""
    for path in folder.glob(".*.partial"):
        match = _PARTIAL.fullmatch(path.name)
        # A process with our number is long gone: we have only begun.
        if match and (int(match[1]) == os.getpid() or not _is_alive(int(match[1]))):
            remove_partial(path)


def remove_partial(partial: Path) -> None:
    """Remove what lies on its way, file or folder, if it is there."""
    if partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def check_landed(landed: Path) -> None:
    """Whether what came is what its name promises: a whole file, of those days alone.

    It is read as ingestion will read it: every record that the trailer counts, and every session
    of the spot market.

    Parameters
    ----------
    landed
        What came, under its final name.

    Raises
    ------
    MarketFileError
        Saying what came instead.
    """
    with landed.open("rb") as file:
        start = file.read(200)
    if _WEB_PAGE.match(start):
        raise MarketFileError("a web page came instead of a ZIP, as when a portal is down")
    try:
        sessions = read_cotahist(landed, SPOT).records["session"].dt.date
    except MarketFileError as error:
        # Behind the semicolon stands what to do with a file in the folder, where this is not.
        what, _, _ = str(error).removeprefix(str(landed)).rpartition(";")
        raise MarketFileError(f"what came{what}") from error
    period = period_of(landed)
    elsewhere = sessions[~sessions.between(period.first, period.last)]
    if len(elsewhere):
        days = f"{period.first} to {period.last}" if period.first < period.last else period.first
        raise MarketFileError(
            f"quotes of {days} were expected, {len(elsewhere):,} of {len(sessions):,} that came are"
            f" of other days, such as {elsewhere.iloc[0]}"
        )


def _header(path: Path) -> str:
    """The first record of a TXT or ZIP, or what there is of it."""
    with contextlib.suppress(zipfile.BadZipFile, zlib.error, EOFError, IndexError, RuntimeError):
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                return file.read(RECORD_LENGTH).decode(ENCODING)
        with zipfile.ZipFile(path) as archive, archive.open(archive.infolist()[0]) as member:
            return member.read(RECORD_LENGTH).decode(ENCODING)
    return ""


def digest_of(path: Path) -> str:
    """A file's content in 32 characters."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def read_notes(path: Path) -> dict[str, dict]:
    """What was noted; nothing if it cannot be read, so that every file is asked for anew."""
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(notes, dict):
        return {}
    return {name: note for name, note in notes.items() if isinstance(note, dict)}


def write_notes(path: Path, notes: dict[str, dict]) -> None:
    """Put the notes in their place in one step, so that nobody ever reads half of them."""
    partial = partial_of(path)
    try:
        partial.write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
