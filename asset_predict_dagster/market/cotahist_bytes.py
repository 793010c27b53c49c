"""The raw records of a COTAHIST file, TXT or ZIP, a bounded block at a time.

What belongs here: opening, inflating, and cutting into records of equal length. What a record
says is not known here.
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from isal import isal_zlib
from isal.igzip_lib import DECOMP_DEFLATE, IgzipDecompressor, IsalError

from asset_predict_dagster.errors import MarketFileError
from asset_predict_dagster.market.cotahist_layout import RECORD_LENGTH

# Text handled at a time: much for numpy, little for a processor's cache, and a whole number of
# records whether lines have 246 or 247 characters, so that few are cut and glued.
TEXT_BLOCK_BYTES = 16 * 246 * 247
ZIP_PIECE_BYTES = 2**20

_LOCAL_HEADER_BYTES = 30
_LINE_ENDS = {b"\r\n": "CRLF", b"\n": "LF", b"\r": "CR", b"": "nothing"}


@dataclass(frozen=True)
class RecordBlock:
    """Some consecutive records of a file.

    Attributes
    ----------
    first_line
        Line number of the first record, counted from 1.
    rows
        Shape (n_records, 245), uint8: the characters as they are in the file.
    """

    first_line: int
    rows: np.ndarray


def record_blocks(path: Path) -> Iterator[RecordBlock]:
    """Every record of the file, in order, in blocks of about a megabyte.

    Line ends are CRLF or LF, the same throughout; the last record may lack its own. Behind the
    last line end, blank lines and the old end-of-file mark 0x1A are ignored as long as they are
    shorter together than a record.

    Raises
    ------
    MarketFileError
        If the file is missing, empty, not a sound ZIP, does not begin with a header, or has a
        line that is not 245 characters long or ends differently from the first.
    """
    line, carry, line_end = 1, b"", b""
    for text in _texts(path):
        data = carry + text
        if not line_end and len(data) < RECORD_LENGTH + len(b"\r\n"):
            carry = data
            continue
        line_end = line_end or _line_end_of_header(path, data)
        stride = RECORD_LENGTH + len(line_end)
        n_records = len(data) // stride
        lines = np.frombuffer(data, np.uint8, n_records * stride).reshape(n_records, stride)
        _check_line_ends(path, line, lines, data, line_end)
        if n_records:
            yield RecordBlock(line, lines[:, :RECORD_LENGTH])
        line += n_records
        carry = data[n_records * stride :]
    if line == 1 and not carry:
        raise MarketFileError(f"{path} is empty; download it again")
    line_end = line_end or _line_end_of_header(path, carry)
    if not carry.strip(b"\r\n\x1a"):
        return
    if len(carry) < RECORD_LENGTH or carry[RECORD_LENGTH:] not in (b"", line_end):
        raise _broken_line(path, line, carry, line_end)
    last = np.frombuffer(carry, np.uint8, RECORD_LENGTH)
    yield RecordBlock(line, last.reshape(1, RECORD_LENGTH))


def _line_end_of_header(path: Path, data: bytes) -> bytes:
    """The first line's end, which every other line must share."""
    if not data.startswith(b"00COTAHIST"):
        raise MarketFileError(
            f"{path}, line 1: a header '00COTAHIST' was expected but {_shown(data[:10])} was found;"
            " this is not a COTAHIST file, download it again"
        )
    first = data[: data.find(b"\n") + 1] or data
    line_end = b"\r\n" if first.endswith(b"\r\n") else b"\n"
    if len(first.rstrip(b"\r\n")) != RECORD_LENGTH:
        raise _broken_line(path, 1, first, line_end)
    return line_end


def _check_line_ends(
    path: Path, first_line: int, lines: np.ndarray, data: bytes, line_end: bytes
) -> None:
    """Every line of equal length has its end in the same place: one comparison for all."""
    is_broken = np.zeros(len(lines), dtype=bool)
    for offset, character in enumerate(line_end):
        is_broken |= lines[:, RECORD_LENGTH + offset] != character
    if is_broken.any():
        at = int(is_broken.argmax())
        raise _broken_line(path, first_line + at, data[at * lines.shape[1] :], line_end)


def _broken_line(path: Path, line: int, data: bytes, line_end: bytes) -> MarketFileError:
    """What to say of the line at the start of `data`, known to be broken."""
    content, newline, _ = data.partition(b"\n")
    text = content.removesuffix(b"\r")
    found_end = content[len(text) :] + newline
    if len(text) == RECORD_LENGTH:
        return MarketFileError(
            f"{path}, line {line:,}: lines end in {_LINE_ENDS[line_end]} but this one in"
            f" {_LINE_ENDS[found_end]}; download the file again, unedited"
        )
    # Without a newline the line may go on in the next block.
    length = f"{len(text):,}" if newline or len(text) < RECORD_LENGTH else f"at least {len(text):,}"
    return MarketFileError(
        f"{path}, line {line:,}: a record has {RECORD_LENGTH} characters but this one has"
        f" {length} (cut short, edited, or not latin-1); download the file again"
    )


def _texts(path: Path) -> Iterator[bytes]:
    """The file's text, block by block."""
    if not path.is_file():
        raise MarketFileError(f"{path} is missing; download it or correct the folder")
    if path.suffix.upper() == ".ZIP":
        yield from _unpacked(path)
        return
    with path.open("rb") as file:
        yield from _stored(file, path.stat().st_size)


def _unpacked(path: Path) -> Iterator[bytes]:
    """The one member of a ZIP, block by block, its size and checksum verified.

    `zipfile` reads the directory; the inflating is ISA-L's, several times faster than zlib's.
    """
    member = _only_member(path)
    unpack = _inflated if member.compress_type == zipfile.ZIP_DEFLATED else _stored
    size, checksum = 0, 0
    with path.open("rb") as file:
        file.seek(_start_of_data(path, member))
        try:
            for text in unpack(file, member.compress_size):
                size += len(text)
                checksum = isal_zlib.crc32(text, checksum)
                yield text
        # The stubs declare the error's class as an instance.
        except IsalError as error:  # pyright: ignore[reportGeneralTypeIssues]
            raise _corrupt(path, f"its data cannot be inflated ({error})") from error
    if size != member.file_size:
        raise _corrupt(path, f"it promises {member.file_size:,} bytes but holds {size:,}")
    if checksum != member.CRC:
        raise _corrupt(path, f"its checksum is {checksum:08x} but {member.CRC:08x} was promised")


def _stored(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The next `size` bytes, fewer if there are not as many."""
    while text := file.read(min(size, TEXT_BLOCK_BYTES)):
        size -= len(text)
        yield text


def _inflated(file: BinaryIO, size: int) -> Iterator[bytes]:
    """What the next `size` bytes inflate to; memory stays bounded if somebody means harm."""
    inflater = IgzipDecompressor(flag=DECOMP_DEFLATE)
    wanted = TEXT_BLOCK_BYTES
    while not inflater.eof:
        piece = b""
        if inflater.needs_input:
            piece = file.read(min(size, ZIP_PIECE_BYTES))
            size -= len(piece)
            if not piece:
                return
        text = inflater.decompress(piece, wanted)
        # What a piece's end cut short is made up for: blocks end where records do.
        wanted = wanted - len(text) or TEXT_BLOCK_BYTES
        yield text


def _only_member(path: Path) -> zipfile.ZipInfo:
    """The ZIP's single member; its name may be anything."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise MarketFileError(f"{path} is no readable ZIP ({error}); download it again") from error
    if len(members) != 1:
        names = ", ".join(member.filename for member in members[:5]) or "none"
        raise MarketFileError(
            f"{path}: a ZIP with one file was expected but {len(members)} were found ({names});"
            " download it again"
        )
    member = members[0]
    is_encrypted = bool(member.flag_bits & 1)
    if is_encrypted or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise MarketFileError(
            f"{path}: {member.filename} is encrypted or packed by method {member.compress_type};"
            " B3 deflates its files, download it again"
        )
    return member


def _start_of_data(path: Path, member: zipfile.ZipInfo) -> int:
    """Where the member's bytes begin: behind a local header of variable length."""
    with path.open("rb") as file:
        # Where bytes are lost, the directory can point to before the file.
        file.seek(max(member.header_offset, 0))
        header = file.read(_LOCAL_HEADER_BYTES)
    if member.header_offset < 0 or not header.startswith(b"PK\x03\x04"):
        raise _corrupt(path, f"{member.filename} is not where the directory says")
    name_length = int.from_bytes(header[26:28], "little")
    extra_length = int.from_bytes(header[28:30], "little")
    return member.header_offset + _LOCAL_HEADER_BYTES + name_length + extra_length


def _corrupt(path: Path, what: str) -> MarketFileError:
    return MarketFileError(f"{path} is a damaged ZIP: {what}; download it again")


def _shown(data: bytes) -> str:
    """Bytes as a message shows them."""
    return repr(data.decode("latin-1"))
