"""``m2m``: finds the command, runs it, and turns what the user can mend into one line.

Commands are imported when they are called; nothing here or at the top of a command's file
imports torch, so that help answers at once.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

# In the order a newcomer meets them: command -> (module, function or Typer app).
COMMANDS = {
    "demo": ("demo", "demo"),
    "align": ("align", "align"),
    "encode": ("encode", "encode"),
    "embed": ("embed", "embed"),
    "evaluate": ("evaluate", "evaluate"),
    "generate": ("generate", "generate"),
    "reproduce": ("reproduce", "reproduce"),
    "fetch": ("fetch", "fetch"),
    "import": ("import_checkpoint", "import_checkpoint"),
    "export": ("export", "export"),
    "push": ("hub", "push"),
    "pull": ("hub", "pull"),
    "cache": ("cache", "cache"),
    "list": ("catalogue", "list_names"),
    "plugins": ("catalogue", "plugins"),
    "new-plugin": ("new_plugin", "new_plugin"),
    "doctor": ("doctor", "doctor"),
}

INTERRUPTED = 130  # the exit code of a process that Ctrl-C ended


class LazyGroup(TyperGroup):
    """Commands from the table above, then those that plugins add."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS:
            module, attribute = COMMANDS[cmd_name]
            return _command(
                cmd_name, getattr(importlib.import_module(f"m2m_cli.{module}"), attribute)
            )
        return _plugin_commands().get(cmd_name)


def _command(name: str, made: Any) -> Any:
    if not isinstance(made, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode="rich")
        app.command(name)(made)
        made = app
    command = typer.main.get_command(made)
    command.name = name
    return command


def _plugin_commands() -> dict[str, Any]:
    """Commands of plugins; looked up only when no command of ours has the name."""
    from m2m_adapters.registry.plugins import catalogue

    found = catalogue()
    commands: dict[str, Any] = {}
    plugins = found.manager.list_name_plugin()
    for name, plugin in plugins:
        app = typer.Typer(add_completion=False)
        app.callback()(lambda: None)  # always a group, also with a single command
        others = [p for _, p in plugins if p is not plugin]
        try:
            found.manager.subset_hook_caller("m2m_commands", remove_plugins=others)(app=app)
            for key, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
                commands.setdefault(key, command)
        except Exception as error:
            print(f"m2m: the commands of {name} are skipped: {error}", file=sys.stderr)
    return commands


def _version(wanted: bool) -> None:
    if wanted:
        from m2m_adapters import __version__

        typer.echo(f"m2m-adapters {__version__}")
        raise typer.Exit()


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def main(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Make any English-only multimodal model speak every language, with English text alone.

    A first look, offline, in about a minute:  m2m demo
    """


def run(arguments: list[str] | None = None) -> None:
    """The ``m2m`` script: exit code 0, 1 (failed) or 2 (bad input, told in one line)."""
    told: list[int] = []
    if arguments is None:
        arguments = sys.argv[1:]
        atexit.register(_leave, told)  # registered first, so it is called last
    try:
        code = app(args=arguments, prog_name="m2m", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`m2m list | head`); say nothing, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        code = _failed(error, "--json" in arguments, arguments)
    if code == INTERRUPTED:  # typer has turned Ctrl-C into it, unless it came very early
        _tell("stopped; nothing was left half-written")
    told.append(code or 0)
    sys.exit(told[0])


def _leave(told: list[int]) -> None:
    """End the process at once, with the exit code that was meant.

    Taking torch apart lasts a second, in which Ctrl-C would kill a run that is done; and Python
    calls some runs that dealt with Ctrl-C themselves killed by it, after all.
    """
    if told:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(told[0])


def _failed(error: Exception, as_json: bool, arguments: list[str]) -> int:
    from m2m_adapters.errors import M2MError, UserError

    if isinstance(error, UserError):
        _tell(str(error), as_json, error=error.what, remedy=error.remedy)
        return 2
    if isinstance(error, M2MError):
        _tell(str(error), as_json, error=str(error), remedy="")
        return 1
    if hasattr(error, "format_message"):  # bad usage, in typer's words
        told = " ".join(str(error.format_message()).split()).rstrip(".")
        if not told:  # no arguments at all: help was asked for
            return 2
        command = arguments[0] if arguments and arguments[0] in COMMANDS else ""
        remedy = f"see `m2m {command} --help`" if command else "see `m2m --help`"
        _tell(f"{told}; {remedy}", as_json, error=told, remedy=remedy)
        return 2
    raise error


def _tell(line: str, as_json: bool = False, **fields: str) -> None:
    """One line on stderr; with --json the same on stdout for machines."""
    if as_json:
        print(json.dumps(fields))
    print(f"m2m: {line}", file=sys.stderr)


if __name__ == "__main__":
    run()
