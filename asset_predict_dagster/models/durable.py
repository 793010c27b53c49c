"""Files that are on the disk when they are said to be, whatever happens to the machine next."""

import os
from pathlib import Path


def write_through(path: Path, content: bytes) -> None:
    """Write a file and wait for the disk: a name given to it afterwards never names half of it."""
    with path.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk as well; nothing where there is no way to.

    Windows opens no folder.
    """
    if os.name == "nt":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
