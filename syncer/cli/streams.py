"""The standard streams where the locale is not UTF-8: characters that it lacks are replaced, and nothing fails."""

from __future__ import annotations

import codecs
import io
import sys


class Ascii(io.TextIOWrapper):
    """Text in ASCII. It calls itself UTF-8, which that is, since click writes UTF-8 to what calls itself ASCII."""

    def write(self, text: str) -> int:
        """Write it with a question mark for each other character."""
        super().write(text.encode("ascii", "replace").decode("ascii"))
        return len(text)


def replace_odd_characters() -> None:
    """Let stdout and stderr replace what their encoding lacks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):
            continue  # closed from the start
        if codecs.lookup(stream.encoding).name == "ascii":
            setattr(sys, name, Ascii(stream.buffer, "utf-8", "replace", line_buffering=stream.line_buffering))
        elif name == "stdout":  # stderr escapes by itself, and so does the log
            stream.reconfigure(errors="replace")


def takes_all_letters() -> bool:
    """Whether stdout takes every character. Elsewhere JSON escapes them, so that programs lose nothing."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return not isinstance(sys.stdout, Ascii) and codecs.lookup(encoding).name.startswith("utf")
