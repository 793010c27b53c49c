"""A real terminal to start programs in, and what a person would see on it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

N_COLUMNS = 120


def run_in_terminal(command: list[str], env: dict[str, str], folder: Path) -> tuple[int, str]:
    """Exit code, and all that a program wrote to the terminal that is its stdout and stderr."""
    person, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 40, N_COLUMNS, 0, 0))
    started = subprocess.Popen(
        command, stdin=program, stdout=program, stderr=program, env=env, cwd=folder
    )
    os.close(program)
    written = b""
    try:
        while some := os.read(person, 65_536):
            written += some
    except OSError:  # Linux says so where the last process has closed the terminal
        pass
    os.close(person)
    return started.wait(60), written.decode()


def screen(written: str) -> list[str]:
    """The lines that a terminal shows, of which a program can move back over the last ones."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1] or 1)
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith("\x1b"):
            line = lines[row].ljust(column)
            lines[row] = line[:column] + part + line[column + len(part) :]
            column += len(part)
    return lines
