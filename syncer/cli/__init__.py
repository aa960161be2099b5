"""The command line: options, commands, and the one place where errors become help and exit codes.

Data goes to stdout, the log to stderr. Each command imports what it needs when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from syncer import __version__
from syncer.cli import streams
from syncer.errors import SettingsError, SyncerError, unexpected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from syncer.config import Settings
    from syncer.errors import Problem

COMMANDS = {
    "run": ("running:run", "Text what is due: now and then every `interval`, or --once."),
    "check": ("checking:check", "Check settings, machine, accounts, templates; send nothing."),
    "plan": ("foreseeing:plan", "Show every text that will go out, and why."),
    "messages": ("looking:messages", "List the outbox, oldest first."),
    "explain": ("looking:explain", "Tell the story of a booking, a number or an e-mail."),
    "status": ("probing:status", "Say when the last complete run was: the health probe."),
    "retry": ("moving:retry", "Send a failed or unknown message once more."),
    "cancel": ("moving:cancel", "Never send a message."),
    "resolve": ("moving:resolve", "Say what became of an unknown message."),
    "optout": ("consent:optout", "Keep the list of numbers that are never texted."),
    "forget": ("consent:forget", "Erase a person: number, name, e-mail, answers."),
    "restored": ("moving:restored", "Say that a backup was put back."),
    "migrate": ("migrating:migrate", "Apply the database's schema changes."),
    "demo": ("trying:demo", "Play the life of a few bookings; no account needed."),
    "sandbox": ("trying:sandbox", "Serve both APIs on loopback, to try by hand."),
}
"""Where each command lives and its line in the help, in the order of the help."""


class _Lazy(click.Group):
    """A group that imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        """Write the list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        gc.disable()  # nothing of an import is garbage, and looking for it is a twentieth of a start
        command: click.Command = getattr(importlib.import_module(f"syncer.cli.{module}"), name)
        gc.freeze()
        gc.enable()
        for one in (command, *(command.commands.values() if isinstance(command, click.Group) else ())):
            here = {option for parameter in one.params for option in parameter.opts}
            one.params += [option for option in _global_options(again=True) if not here & set(option.opts)]
        return command


@dataclass(frozen=True, slots=True)
class App:
    """The global options, and the settings they lead to."""

    config: Path | None
    db: Path | None
    log_format: str | None
    log_level: str | None

    def settings(
        self,
        *,
        need_secrets: bool = True,
        problems: list[Problem] | None = None,
        warnings: list[Problem] | None = None,
    ) -> Settings:
        """Read the settings and set the log up by them.

        Args:
            need_secrets: False for commands that only look at the database.
            problems: where to put what is wrong with them, instead of raising.
            warnings: where to put what will hardly ever send a text; None = do not look for it.

        Raises:
            SettingsError: all that is wrong with them.
        """
        from syncer import config, log
        from syncer.zone_data import use_newest

        use_newest()  # before any setting names a zone
        shape, level = self._log_preferences()
        log.configure(log_format=shape, level=level, lost=streams.lines_lost)
        settings = config.load(
            environ=os.environ,
            folder=here(),
            config=self.config,
            db=self.db,
            log_format=self.log_format,
            log_level=self.log_level,
            need_secrets=need_secrets,
            problems=problems,
            warnings=warnings,
        )
        secrets = (settings.token, settings.dev_key, settings.dev_secret)
        log.configure(
            log_format=settings.log_format,
            level=settings.log_level,
            secrets=[secret.reveal() for secret in secrets if secret],
            lost=streams.lines_lost,
        )
        return settings

    def logs_json(self) -> bool:
        """Whether programs read the log, whatever is wrong with the settings."""
        from syncer import log

        return (self._log_preferences()[0] or ("console" if log.is_terminal() else "json")) == "json"

    def _log_preferences(self) -> tuple[str | None, str]:
        from syncer import config

        return config.log_preferences(os.environ, here(), log_format=self.log_format, log_level=self.log_level)


def here(path: str = "") -> Path:
    """Make a path, relative to the working directory. For `--help` pathlib is a tenth of the time."""
    from pathlib import Path

    return Path.cwd() / path


pass_app = click.make_pass_decorator(App)


def _global_options(*, again: bool) -> list[click.Option]:
    """Make the global options; with `again` for a command, since people write them on either side of it."""

    def take(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        app = ctx.find_object(App) or App(None, None, None, None)
        if param.type is file and value is not None:
            value = here(os.path.expanduser(value))  # noqa: PTH111  as in `--db=~/x.db`, which no shell expands
        ctx.obj = app if value is None else replace(app, **{str(param.name): value})

    file = click.Path()
    shapes, levels = click.Choice(["console", "json"]), click.Choice(["debug", "info", "warning", "error"])
    table: list[tuple[str, click.ParamType[Any], str]] = [
        ("--config", file, "TOML file with settings [SYNCER_CONFIG]."),
        ("--db", file, "SQLite file [SYNCER_DB; syncer.db]."),
        ("--log-format", shapes, "[SYNCER_LOG_FORMAT; by the terminal]"),
        ("--log-level", levels, "[SYNCER_LOG_LEVEL; info]"),
    ]
    return [
        click.Option([name], type=kind, help=help_text, callback=take, expose_value=False, hidden=again)
        for name, kind, help_text in table
    ]


@click.command(
    cls=_Lazy,
    params=_global_options(again=False),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="syncer")
def cli() -> None:
    """Text the people who book with you in Calendly, through EngageLab. Start with `syncer demo`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 usage or settings, 3 refused by a guard, 75 locked."""
    streams.open_streams()
    code = run(cli.main, arguments)
    sys.exit(code if streams.all_was_written() else code or 1)


def run(command: Callable[..., Any], arguments: Sequence[str] | None = None) -> int:
    """Run a click command and return its exit code; every error becomes lines on stderr, never a traceback."""
    try:
        done = command(args=arguments, prog_name="syncer", standalone_mode=False)
    except click.exceptions.Exit as end:
        return int(end.exit_code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("stopped; nothing was changed")
        return 1
    except SettingsError as error:
        _say("these settings are wrong:")
        for problem in error.problems:
            _say(f"  {problem}")
        return error.exit_code
    except SyncerError as error:
        _say(f"{error}. {error.remedy}" if error.remedy else str(error))
        return error.exit_code
    except OSError as error:  # a full disk behind stdout, a file that cannot be read
        _say(f"{error.strerror or error}: {error.filename or 'output'}")
        return 1
    except Exception as fault:  # noqa: BLE001  a mistake in syncer: one line that can be reported
        line = unexpected(fault)
        _say(f"{line}. {line.remedy}")
        return line.exit_code
    return done if isinstance(done, int) else 0


def _say(line: str) -> None:
    click.echo(f"syncer: {line}", err=True)
