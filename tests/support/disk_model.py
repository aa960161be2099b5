"""A model of a disk that loses its power: which files may be there afterwards, and with what in them.

What was written and not synced may be there, or not, or in part, in any order; names made or removed since the folder
was last synced may be so, in their order. Pessimistic: real file systems promise more. A trace by strace of a real run
is the story; its sockets tell when a text had arrived, on the same line of time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

TRACED = "openat,pwrite64,write,ftruncate,unlink,fsync,fdatasync,sendto"
OPTIONS = ("-xx", "-y", "-s", "70000", "-e", f"trace={TRACED}")
"""For strace: everything in hexadecimal digits, and each descriptor with its path."""
SECTOR = 512
UNFINISHED = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")
DESCRIPTOR = re.compile(r"^-?\d+<([^>]*)>")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
KEY = re.compile(rb'"custom_args":\{"key":"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: `write`, `truncate`, `sync`, `create`, `unlink` or `sync names` of a file; or `arrived`
    (a text, by its key) or `done` (all results are committed).
    """

    kind: str
    name: str = ""
    offset: int = 0
    data: bytes = b""


def unhex(digits: str) -> bytes:
    r"""Read what strace writes as `\x41\x42`."""
    return bytes.fromhex(digits.replace("\\x", ""))


def calls(trace: str) -> Iterator[tuple[str, str]]:
    """Read the calls that went well, each with its arguments, in the order in which they ended."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        whole = line
        if found := UNFINISHED.match(line):
            begun[found[1]] = found[3]
            continue
        if found := RESUMED.match(line):
            whole = f"{found[1]} {found[2]}({begun.pop(found[1])}{found[3]}"
        if (found := CALL.match(whole)) and int(found[4]) >= 0:
            yield found[2], found[3]


def story(trace: str, folder: Path, there: Sequence[str]) -> list[Event]:
    """Read a trace: what happened to the files of a folder, and to the texts.

    Args:
        trace: by strace, with `OPTIONS`.
        folder: all other files are left out.
        there: the names in it before.
    """
    names, events = set(there), []
    for call, arguments in calls(trace):
        if call == "sendto":
            body = TEXT.search(arguments)
            if body and (key := KEY.search(unhex(body[1]))):
                events.append(Event("arrived", key[1].decode()))
            continue
        if call in {"openat", "unlink"}:
            said = TEXT.search(arguments)
            name = unhex(said[1]).decode().removeprefix(f"{folder}/") if said else "/"
            if "/" not in name and call == "unlink":
                names.discard(name)
                events.append(Event("unlink", name))
            elif "/" not in name and "O_CREAT" in arguments and name not in names:
                names.add(name)
                events.append(Event("create", name))
            continue
        if not (at := DESCRIPTOR.match(arguments)):
            continue
        path = unhex(at[1].removesuffix("(deleted)")).decode(errors="replace")
        if path == str(folder) and call in {"fsync", "fdatasync"}:
            events.append(Event("sync names"))
        elif path.startswith(f"{folder}/"):
            events += _of_a_file(call, path.removeprefix(f"{folder}/"), arguments)
    return events


def _of_a_file(call: str, name: str, arguments: str) -> list[Event]:
    """Read a call on one file."""
    numbers = arguments.rpartition('"')[2].split(", ") if '"' in arguments else arguments.split(", ")
    match call:
        case "pwrite64":
            said = TEXT.search(arguments)
            assert said is not None
            return [Event("write", name, int(numbers[-1]), unhex(said[1]))]
        case "ftruncate":
            return [Event("truncate", name, int(numbers[-1]))]
        case "fsync" | "fdatasync":
            return [Event("sync", name)]
        case "write":  # the log: only its last line matters
            said = TEXT.search(arguments)
            return [Event("done")] if said and b'"run.completed"' in unhex(said[1]) else []
        case _:
            return []


@dataclass(slots=True)
class Disk:
    """What is on it for sure, and what may be.

    Attributes:
        safe: content by inode, as far as it was synced.
        loose: writes and truncations since, by inode, oldest first.
        names: name to inode, as far as the folder was synced.
        turns: names made (with their inode) or removed (None) since, oldest first.
    """

    safe: dict[int, bytes] = field(default_factory=dict)
    loose: dict[int, list[Event]] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    turns: list[tuple[str, int | None]] = field(default_factory=list)
    _made: int = 0

    def put(self, name: str, content: bytes) -> None:
        """Have a file on it from the beginning."""
        self._made += 1
        self.names[name], self.safe[self._made], self.loose[self._made] = self._made, content, []

    def happen(self, event: Event) -> None:
        """Let something happen."""
        match event.kind:
            case "create":
                self._made += 1
                self.safe[self._made], self.loose[self._made] = b"", []
                self.turns.append((event.name, self._made))
            case "unlink":
                self.turns.append((event.name, None))
            case "sync names":
                self.names, self.turns = self._names(len(self.turns)), []
            case "sync":
                inode = self._names(len(self.turns))[event.name]
                self.safe[inode], self.loose[inode] = applied(self.safe[inode], self.loose[inode]), []
            case "write" | "truncate":
                self.loose[self._names(len(self.turns))[event.name]].append(event)

    def _names(self, turns: int) -> dict[str, int]:
        names = dict(self.names)
        for name, inode in self.turns[:turns]:
            if inode is None:
                names.pop(name, None)
            else:
                names[name] = inode
        return names

    def states(self, chance: random.Random, many: int) -> Iterator[Mapping[str, bytes]]:
        """What may be found when the power comes back: nothing loose, all of it, and so many mixtures."""
        for turns in range(len(self.turns) + 1):
            names = self._names(turns)
            for choose in (_none, _all, *([_some] * many)):
                yield {
                    name: applied(self.safe[inode], choose(self.loose[inode], chance)) for name, inode in names.items()
                }


def _none(_loose: Sequence[Event], _: random.Random) -> Sequence[Event]:
    return ()


def _all(loose: Sequence[Event], _: random.Random) -> Sequence[Event]:
    return loose


def _some(loose: Sequence[Event], chance: random.Random) -> Sequence[Event]:
    """Keep the first so many, or these and those; and cut the last one at a sector, now and then."""
    if chance.random() < 0.5:
        kept = list(loose[: chance.randint(0, len(loose))])
    else:
        share = chance.random()
        kept = [event for event in loose if chance.random() < share]
    if kept and chance.random() < 0.3:
        last = kept[-1]
        kept[-1] = Event(last.kind, last.name, last.offset, last.data[: SECTOR * chance.randint(0, 8)])
    return kept


def applied(content: bytes, events: Sequence[Event]) -> bytes:
    """Apply writes and truncations; what lies between the end and a write behind it is zeros."""
    made = bytearray(content)
    for event in events:
        end = event.offset + len(event.data)
        if event.kind == "truncate":
            del made[event.offset :]
            made += bytes(event.offset - len(made))
        elif event.data:
            made += bytes(max(0, end - len(made)))
            made[event.offset : end] = event.data
    return bytes(made)
