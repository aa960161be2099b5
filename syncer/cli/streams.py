"""The standard streams: none is closed, no failed write is forgotten, and none blocks for ever.

Python's own streams forget. With PYTHONUNBUFFERED=1 nothing is left to flush at the end: a log on a full disk looks
like a good run. A stream that was closed is None, and the next file that is opened gets its number: prints would go
into the database. And a pipe that nobody reads blocks the process, whatever signals come.

So each stream gets a lowest layer of our own (`Output`). It writes without blocking, waits as long as makes sense, and
remembers what failed. Where the locale is not UTF-8, characters that it lacks are replaced.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import select
import stat
import sys
import time
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK = 0.25
"""Seconds after which a wait looks whether it is still wanted."""
LOG_PATIENCE = 5.0
"""Seconds that a log line waits for a reader. Texts must not wait longer than that because of a log."""
LAST_PATIENCE = 1.0
"""The same after a stop, and at the end of the process."""
KEPT = 1024 * 1024
"""Bytes of the log that are kept for a reader that does not read. Further lines are lost, and counted."""
LAST_STANDARD = 2
"""The file descriptor of stderr: the standard streams are 0, 1 and 2."""
PIECE = 4096
"""Most bytes of one write: a pipe with any room at all takes so many at once (PIPE_BUF of Linux)."""


class Output(io.RawIOBase):
    """The lowest layer of stdout or stderr.

    Attributes:
        failed: whether a write failed, or what was written is lost.
        lost: how many lines are lost.
        stopping: whether the process was asked to stop: then no write waits long.
        ending: whether the process ends: then no write raises an error.
    """

    def __init__(self, number: int, *, log: bool) -> None:
        """Take a file descriptor.

        Args:
            number: which; it stays open.
            log: whether the log goes there: it never raises an error, and waits at most `LOG_PATIENCE` for a reader.
                Other output waits for its reader as long as it takes.
        """
        super().__init__()
        self._number, self._log = number, log
        self._to = _without_blocking(number)
        self._kept = bytearray()
        self._blocked = False
        self.failed = False
        self.lost = 0
        self.stopping: Callable[[], bool] = lambda: False
        self.ending = False

    @property
    def is_log(self) -> bool:
        """Whether the log goes there."""
        return self._log

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._number

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._number)

    def writable(self) -> bool:
        """Whether it can be written."""
        return True

    def write(self, data: object) -> int:
        """Write everything, after what is still kept.

        Raises:
            OSError: it failed, and this is not the log.
        """
        piece = bytes(cast("bytes", data))
        if len(self._kept) >= KEPT:
            self._push()
        if len(self._kept) >= KEPT:
            self.failed = True
            self.lost += piece.count(b"\n")
        else:
            self._kept += piece
            self._push()
        return len(piece)

    def finish(self) -> None:
        """Write what is kept, or give it up: the process ends."""
        self.ending, self._blocked = True, False
        self._push()
        if self._kept:
            self._give_up()

    def _push(self) -> None:
        """Write what is kept, as long as somebody reads it, or patience lasts.

        Raises:
            OSError: it failed, and this is not the log.
        """
        waited = 0.0
        while self._kept:
            try:
                count = self._write_some()
            except OSError as error:
                self._give_up()
                self._complain(error)
                return
            if count:
                del self._kept[:count]
                self._blocked, waited = False, 0.0
            elif self._blocked or waited >= self._patience():
                self._blocked = True
                if not self._log:
                    self._give_up()
                    self._complain(TimeoutError(errno.ETIMEDOUT, "nobody reads it"))
                return
            else:
                waited += LOOK

    def _write_some(self) -> int:
        """Write a piece, after a short wait for a reader; returns how many bytes somebody took.

        Raises:
            OSError: it failed.
        """
        poll = select.poll()
        poll.register(self._to, select.POLLOUT)
        if not poll.poll(0 if self._blocked else LOOK * 1000):
            return 0
        try:
            return os.write(self._to, self._kept[:PIECE])
        except BlockingIOError:  # less room than it seemed, or somebody else was quicker
            time.sleep(0 if self._blocked else LOOK)
            return 0

    def _patience(self) -> float:
        """Return the seconds to wait for a reader. They are counted in waits: no clock is needed."""
        if self.stopping() or (self._log and self.ending):
            return LAST_PATIENCE
        return LOG_PATIENCE if self._log else float("inf")

    def _give_up(self) -> None:
        """Drop what is kept, and remember that."""
        self.failed = True
        self.lost += self._kept.count(b"\n")
        self._kept.clear()

    def _complain(self, error: OSError) -> None:
        if not self._log and not self.ending:
            raise error


class Ascii(io.TextIOWrapper):
    """Text in ASCII. It calls itself UTF-8, which that is, since click writes UTF-8 to what calls itself ASCII."""

    def write(self, text: str) -> int:
        """Write it with a question mark for each other character."""
        super().write(text.encode("ascii", "replace").decode("ascii"))
        return len(text)


_outputs: list[Output] = []
"""The lowest layers of stdout and stderr, as far as they are ours."""


def open_streams() -> None:
    """Open closed standard streams on the null device, and put a layer of our own under stdout and stderr.

    To be called first of all: the next file that is opened gets the number of a closed stream.
    """
    with contextlib.suppress(OSError):  # no device, or no more files: then it must do without
        while (number := os.open(os.devnull, os.O_RDWR)) <= LAST_STANDARD:
            pass
        os.close(number)
    _outputs.clear()
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            with contextlib.suppress(OSError):
                setattr(sys, name, _nowhere("r" if name == "stdin" else "w"))
        elif name != "stdin" and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _with_our_layer(stream, log=name == "stderr"))


def _nowhere(mode: str) -> TextIO:
    """Open a stream that nobody reads and in which nothing is, for the rest of the process."""
    return cast("TextIO", os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8", closefd=False))


def _with_our_layer(stream: io.TextIOWrapper, *, log: bool) -> io.TextIOWrapper:
    """Make the same stream over an `Output`; one without a file descriptor is returned as it is."""
    try:
        number = stream.fileno()
    except OSError:
        return stream
    with contextlib.suppress(OSError):  # nothing was written yet
        stream.flush()
    output = Output(number, log=log)
    _outputs.append(output)
    has_buffer = isinstance(stream.buffer, io.BufferedWriter)  # not with PYTHONUNBUFFERED
    buffer = io.BufferedWriter(output) if has_buffer else cast("io.BufferedWriter", output)
    is_ascii = codecs.lookup(stream.encoding).name == "ascii"
    return (Ascii if is_ascii else io.TextIOWrapper)(
        buffer,
        encoding="utf-8" if is_ascii else stream.encoding,
        errors=stream.errors if log and not is_ascii else "replace",  # stderr escapes what it lacks
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _without_blocking(number: int) -> int:
    """Open a pipe or a terminal once more, so that its writes do not block; else return the number itself.

    Setting the flag on the descriptor itself would set it for the shell and everybody else who shares it. Other files
    need none: a write of a small piece after a `poll` does not block there.
    """
    if stat.S_ISFIFO(os.fstat(number).st_mode) or os.isatty(number):
        with contextlib.suppress(OSError):  # no /proc here, or the pipe is another user's
            return os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    return number


def stop_waiting_when(stopping: Callable[[], bool]) -> None:
    """Let writes to stdout and stderr that nobody reads be given up soon after the process was asked to stop."""
    for output in _outputs:
        output.stopping = stopping


def lines_lost() -> int:
    """Count the lines of the log that could not be written so far."""
    return sum(output.lost for output in _outputs if output.is_log)


def all_was_written() -> bool:
    """Whether all output found its way: a log that nobody can read must not look like a good run."""
    try:
        for output in _outputs:
            output.ending = True
        written = True
        for stream in filter(None, (sys.stdout, sys.stderr)):
            try:
                stream.flush()
            except (OSError, ValueError):
                written = False
        for output in _outputs:
            output.finish()
    except KeyboardInterrupt:
        return False
    return written and not any(output.failed for output in _outputs)


def takes_all_letters() -> bool:
    """Whether stdout takes every character. Elsewhere JSON escapes them, so that programs lose nothing."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return not isinstance(sys.stdout, Ascii) and codecs.lookup(encoding).name.startswith("utf")
