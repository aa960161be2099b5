"""Where settings come from: the environment, `.env`, files of secrets, and the TOML file."""

from __future__ import annotations

import io
import os
import tomllib
from typing import TYPE_CHECKING, Any, TypeVar

from syncer.config import schema, values
from syncer.errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

T = TypeVar("T")

_WHERE = {
    "CALENDLY_TOKEN": "Make one at Calendly under Integrations, API and webhooks",
    "ENGAGELAB_DEV_KEY": "EngageLab's console shows it under API keys",
    "ENGAGELAB_DEV_SECRET": "EngageLab's console shows it under API keys",
}
AT_THE_START = "is read at the start: change it there and restart the service"
_LONGEST_SECRET = 8192
_SHORTEST_SECRET = 6


class Secret:
    """A text that no log, traceback or debugger's printout shows; only `reveal` gives it away.

    Attributes:
        remedy: what to do where it is refused and `renew` finds the same; "" = nothing is known.
    """

    # No dataclass: `dataclasses.asdict` would take it apart.
    __slots__ = ("_read", "_text", "remedy")

    def __init__(self, text: str, read: Callable[[], str] | None = None, remedy: str = "") -> None:
        """Hold a secret.

        Args:
            text: the secret.
            read: reads it once more from where it stands; "" = it cannot be read now. None = it cannot change.
            remedy: see above.
        """
        self._text, self._read, self.remedy = text, read, remedy

    def reveal(self) -> str:
        """Give the secret away, to be put into a header and nowhere else."""
        return self._text

    def renew(self) -> bool:
        """Read it once more, after it was refused; returns whether it is another one now."""
        found = self._read() if self._read is not None else ""
        changed = bool(found) and found != self._text
        if changed:
            self._text = found
        return changed

    def __repr__(self) -> str:
        return "Secret(***)" if self._text else "Secret(empty)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Sources:
    """The variables of both levels, and the problems found so far."""

    def __init__(self, environ: Mapping[str, str], folder: Path, *, again: bool = False) -> None:
        """Read `.env`; the rest is read when it is asked for.

        Args:
            environ: the environment.
            folder: where `.env` is, and what paths are relative to.
            again: all of it was read before: then what may be a pipe is not read, as it has nothing more to say.
        """
        self.folder, self._environ, self._again = folder, environ, again
        self.problems: list[Problem] = []
        self.hidden: set[str] = set()
        self.levels: list[tuple[str, Mapping[str, str]]] = [("the environment", environ), (".env", self._dotenv())]
        for name in schema.SECRETS:
            self.hidden.update(level[name].strip() for _, level in self.levels if name in level)

    def problem(self, setting: str, message: str, remedy: str = "") -> None:
        """Note a problem."""
        self.problems.append(Problem(setting, message, remedy))

    def _dotenv(self) -> dict[str, str]:
        """Read `.env` as it stands: a `$` in a secret is a `$`. A missing file is no problem."""
        given: dict[str, str] = {}
        if self._again and not (self.folder / ".env").is_file():
            return given
        try:
            content = (self.folder / ".env").read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return given
        except (OSError, UnicodeDecodeError) as bad:
            self.problem(".env", _unreadable(bad), "Make it a readable text file, or take it away")
            return given
        from dotenv.parser import parse_stream

        # `dotenv_values` passes over a line it cannot read with a line to Python's own log; its parser says so. Such
        # a line is the operator's affair only if it was meant for us.
        for binding in parse_stream(io.StringIO(content)):
            if binding.error:
                meant = [name for name in schema.VARIABLES if name in binding.original.string]
                if meant:
                    where = f"line {binding.original.line} cannot be read: {meant[-1]}"
                    self.problem(".env", where, "Write NAME=value, and close every quote")
            elif binding.key is not None and binding.value is not None:
                given[binding.key] = binding.value
        return given

    def raw(self, name: str) -> str:
        """The value of a variable at the highest level that has it, without space around it; "" = not set.

        An empty variable of the environment hides one in `.env`: so a template can be switched off for one run.
        """
        return next((level[name].strip() for _, level in self.levels if name in level), "")

    def read(
        self, name: str, read: Callable[[object], T], *, default: T, option: tuple[str, str | None] = ("", None)
    ) -> T:
        """Check a variable, or the option of the command line (its name, its value if given) that is above it."""
        setting, given = option if option[1] is not None else (name, self.raw(name) or None)
        if given is None:
            return default
        try:
            return read(given)
        except values.Wrong as wrong:
            for suffix, message, remedy in wrong.parts:
                self.problem(setting + suffix, message, remedy)
            return default

    def path(self, option: Path | None, name: str) -> Path | None:
        """A path of the command line or of a variable, relative to the folder; None = neither was given.

        `~` is the home folder: neither `.env` nor a container's environment passes through a shell.
        """
        if option is not None:
            return option if option.is_absolute() else self.folder / at_home(str(option))
        return self.folder / at_home(given) if (given := self.raw(name)) else None

    def secret(self, name: str) -> Secret:
        """Find a secret or its file, the highest level first; empty when there was a problem."""
        twin = f"{name}_FILE"
        for label, level in self.levels:
            if name not in level and twin not in level:
                continue
            value, file = level.get(name, ""), level.get(twin, "").strip()
            if value.strip() and file:
                self.problem(name, f"is given twice in {label}: directly and as {twin}", "Keep one of the two")
            elif file:
                return self._renewable(name, self._secret_file(name, file), self._file_remedy(name, file))
            elif not value.strip():
                self.problem(name if name in level else twin, f"is empty in {label}", "Fill it in or take it away")
            else:
                remedy = _put(self.folder / ".env", name) if label == ".env" else f"{name} {AT_THE_START}"
                return self._renewable(name, self._checked(name, name, value.strip()), remedy)
            return Secret("")
        where = f"Set it in the environment or in .env, or name a file that holds it in {twin}. {_WHERE[name]}"
        self.problem(name, "is missing", where)
        return Secret("")

    def _renewable(self, name: str, secret: Secret, remedy: str) -> Secret:
        """Let a secret be read once more from where it stands now."""
        if not secret:
            return secret
        environ, folder = self._environ, self.folder
        return Secret(secret.reveal(), lambda: Sources(environ, folder, again=True).secret(name).reveal(), remedy)

    def _file_remedy(self, name: str, file: str) -> str:
        path = self.folder / at_home(file)
        credentials = self._environ.get("CREDENTIALS_DIRECTORY", "")
        if credentials and path.is_relative_to(credentials):
            return f"{name} is a credential of systemd, which {AT_THE_START}"
        return _put(path, name)

    def _secret_file(self, name: str, file: str) -> Secret:
        """Read the twin's file. It may be a pipe, so it is read once, and never without end."""
        twin = f"{name}_FILE"
        if self._again and not (self.folder / at_home(file)).is_file():
            return Secret("")
        try:
            with (self.folder / at_home(file)).open("rb") as opened:
                content = opened.read(_LONGEST_SECRET + 3)
        except (OSError, ValueError) as bad:
            # Only what is surely a path is repeated: the secret itself is sometimes put here.
            which = f": {file}" if file.startswith(("/", "./", "../", "~/")) else ""
            self.problem(twin, _unreadable(bad) + which, f"Name a readable file that holds {name}")
            return Secret("")
        text = content.decode("utf-8", "replace").rstrip("\r\n")
        self.hidden.add(text.strip())
        if not text.strip():
            self.problem(twin, "names an empty file", f"Put {schema.SECRETS[name]} into it")
            return Secret("")
        return self._checked(name, twin, text)

    def _checked(self, name: str, setting: str, text: str) -> Secret:
        """Refuse what cannot be sent in a header, or was surely not meant."""
        if not (text.isascii() and text.isprintable()) or " " in text:
            remedy = "Copy it again, without quotes and without a word such as Bearer"
            self.problem(setting, "holds a space, a control character or one that is not ASCII", remedy)
        elif len(text) > _LONGEST_SECRET:
            self.problem(setting, f"is longer than {_LONGEST_SECRET} characters", "Copy it again")
        elif text[0] in "\"'`" or text[-1] in "\"'`":
            # Container runtimes hand the quotes of an env file on as part of the value.
            self.problem(setting, "begins or ends with a quote", "Write it without quotes")
        elif name == "ENGAGELAB_DEV_KEY" and ":" in text:
            self.problem(setting, "holds a colon", "Key and secret are two settings: ENGAGELAB_DEV_SECRET is the other")
        else:
            return Secret(text)
        return Secret("")

    def certificates(self, given: str) -> Path | None:
        """Find the file of `ca_file`, with certificates in it; None = none was given, or there was a problem."""
        if not given:
            return None
        import ssl

        path = self.folder / at_home(given)
        try:
            if path.exists() and not path.is_file():
                raise ValueError
            path.open("rb").close()
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
        except ssl.SSLError:
            remedy = "It must hold -----BEGIN CERTIFICATE----- and what follows, once for each"
            self.problem("ca_file", f"holds no certificate in PEM: {path}", remedy)
        except (OSError, ValueError) as bad:
            self.problem("ca_file", f"{_unreadable(bad)}: {path}", "Name a readable file of certificates in PEM")
        else:
            return path
        return None

    def tables(self, option: Path | None) -> tuple[dict[str, Any], Path | None]:
        """Read the TOML file, if there is one: what tomllib makes of it, and its path."""
        setting = "--config" if option is not None else "SYNCER_CONFIG"
        path = self.path(option, "SYNCER_CONFIG")
        if path is None:
            setting, path = "syncer.toml", self.folder / "syncer.toml"
        try:
            content = path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError as bad:
            if setting != "syncer.toml":
                self.problem(setting, f"{_unreadable(bad)}: {path}", "Name a readable TOML file")
            return {}, None
        except (OSError, ValueError) as bad:
            self.problem(setting, f"{_unreadable(bad)}: {path}", "Name a readable TOML file")
            return {}, None
        try:
            return tomllib.loads(content), path
        except (ValueError, RecursionError) as bad:
            self.problem(setting, f"is not valid TOML: {bad}", f"Correct {path}")
            return {}, None

    def error(self) -> SettingsError:
        """All problems, each on one line. A secret that stands in the wrong place, too, is blacked out."""
        return SettingsError(self.cleaned(self.problems))

    def cleaned(self, lines: Iterable[Problem]) -> list[Problem]:
        """Put each on one line, with all secrets blacked out."""
        return [Problem(*map(self._clean, (line.setting, line.message, line.remedy))) for line in lines]

    def _clean(self, text: str) -> str:
        for secret in sorted(self.hidden, key=len, reverse=True):
            # A shorter one is no secret, and would black out parts of words.
            text = text.replace(secret, "***") if len(secret) >= _SHORTEST_SECRET else text
        return " ".join(text.split())


def _put(path: Path, name: str) -> str:
    """Say where to put a new secret. Only a path that was read is named: what cannot be may be the secret itself."""
    return f"Put the new {name} into {path}, which is read again by itself; if it stands there, restart the service"


def at_home(path: str) -> str:
    """Put the home folder in place of a leading `~` or `~name`; what has none stays."""
    return os.path.expanduser(path)  # noqa: PTH111  pathlib's raises where there is no home


def _unreadable(bad: Exception) -> str:
    """Say why a file could not be read, without its path twice."""
    if isinstance(bad, UnicodeDecodeError):
        return "is not UTF-8"
    return f"cannot be read: {(isinstance(bad, OSError) and bad.strerror) or 'not a path'}"
