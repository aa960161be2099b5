"""Files of telephone numbers as people have them: one number a line, or a table that Excel wrote.

Excel writes "CSV" in the encoding of the machine, "CSV UTF-8" with a mark in front, and "Unicode text" in UTF-16.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from syncer.errors import SyncerError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How files of Excel itself begin, new and old."""
_LIKE_A_NUMBER = re.compile(r"[+(0][\d\s()./-]{6,}")
_AS_TEXT = 'Save it as text: in Excel as "CSV UTF-8", else one number a line'


def numbers_of(data: bytes) -> Iterator[tuple[int, str]]:
    """Take the number of each line that is not empty, no comment and not the heading, with the line's number.

    A file with a heading is a table: then it is the first column. Without one, a second number in a line is kept with
    the first, so that whoever reads it sees two.

    Raises:
        SyncerError: it is no text; says what to do.
    """
    is_table = False
    for at, line in enumerate(_text(data).splitlines(), 1):
        cells = [_bare(cell) for cell in line.replace(";", ",").replace("\t", ",").split(",")]
        if at == 1 and cells[0] and not any(map(str.isdecimal, cells[0])):
            is_table = True
        elif cells[0] and not cells[0].startswith("#"):
            more = [cell for cell in cells[1:] if not is_table and _LIKE_A_NUMBER.fullmatch(cell)]
            yield at, "; ".join([cells[0], *more])


def _bare(cell: str) -> str:
    """Take off quotes, and Excel's ways to keep a + or a 0 in front."""
    return cell.strip().removeprefix("=").strip("\"'").strip()


def _text(data: bytes) -> str:
    """Read bytes in the encoding that they are in.

    Raises:
        SyncerError: it cannot be told.
    """
    if data.startswith(_WORKBOOKS):
        raise SyncerError("the file is an Excel workbook, no text", _AS_TEXT)
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not encoding and b"\0" in data:
        raise SyncerError("the file is no text, or in UTF-16 without a mark in front", _AS_TEXT)
    try:
        return data.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        if encoding:
            raise SyncerError(f"the file begins like {encoding.upper()} and is not", _AS_TEXT) from None
    # What a Western machine's Excel writes; digits are the same in all such encodings, and only they count.
    return data.decode("cp1252", errors="replace")
