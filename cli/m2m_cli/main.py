"""``m2m``: finds the command, runs it, and turns its failure into one line and an exit code.

Commands are imported when they are called, not when they are listed; nothing here or at the top
of a command's file imports torch, so that help answers at once.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import sys
import warnings
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from m2m_cli.commands import COMMANDS
from m2m_cli.failures import (
    BAD_INPUT,
    FAILED,
    INTERRUPTED,
    Failure,
    StoppedEarly,
    debugging,
    explain,
    say,
    show_traceback,
)
from m2m_cli.output import reserved_stdout

SUMMARIES = "m2m.summaries"
"""Set in a context while the list of commands is shown."""


class LazyGroup(TyperGroup):
    """Commands from the table above, then those that plugins add."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        ctx.meta[SUMMARIES] = True
        super().format_help(ctx, formatter)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return _plugin_commands().get(cmd_name)
        if ctx is not None and ctx.meta.get(SUMMARIES):
            return TyperCommand(cmd_name, help=entry.summary)
        module = importlib.import_module(f"m2m_cli.{entry.module}")
        return _command(cmd_name, getattr(module, entry.attribute))


def _command(name: str, target: Any) -> Any:
    """A command of typer's from a function, or from an app with commands of its own."""
    if not isinstance(target, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode="rich")
        app.command(name)(target)
        target = app
    command = typer.main.get_command(target)
    command.name = name
    for each in (command, *getattr(command, "commands", {}).values()):
        each.help = _unwrapped(each.help or "")
    return command


def _unwrapped(text: str) -> str:
    """Each paragraph on one line: rich keeps line breaks, and terminals have their own width."""
    return "\n\n".join(" ".join(map(str.strip, p.splitlines())) for p in text.split("\n\n"))


def _plugin_commands() -> dict[str, Any]:
    """Commands of plugins; looked up only when no command of ours has the name."""
    from m2m_adapters.registry.plugins import catalogue

    installed = catalogue()
    commands: dict[str, Any] = {}
    plugins = installed.manager.list_name_plugin()
    for name, plugin in plugins:
        app = typer.Typer(add_completion=False)
        app.callback()(lambda: None)  # always a group, also with a single command
        others = [p for _, p in plugins if p is not plugin]
        try:
            installed.manager.subset_hook_caller("m2m_commands", remove_plugins=others)(app=app)
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
    debug: bool = typer.Option(
        False, "--debug", help="Show the traceback of an error (or set M2M_DEBUG=1)."
    ),
) -> None:
    """Make any English-only multimodal model speak every language, with English text alone.

    A first look, offline, in about a minute:  m2m demo
    """


def run(arguments: list[str] | None = None) -> None:
    """The ``m2m`` script; its exit codes are those of :mod:`m2m_cli.failures`."""
    code: list[int] = []
    if arguments is None:
        arguments = sys.argv[1:]
        atexit.register(_leave, code)  # registered first, so it is called last
    # Threads that wait for each other sleep: beside other programs, busy waiting takes the very
    # core that the others wait for (benchmarks/threads.py). Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that knows few characters shows escapes
            stream.reconfigure(errors="backslashreplace")
    as_json = "--json" in arguments
    with reserved_stdout(as_json and "--help" not in arguments), warnings.catch_warnings():
        warnings.showwarning = _warn
        code.append(_run(arguments, as_json))
    sys.exit(code[0])


def _run(arguments: list[str], as_json: bool) -> int:
    """Run a command; its exit code."""
    try:
        if broken := next((a for a in arguments if not _is_text(a)), None):
            return _fail(Failure(BAD_INPUT, f"{broken!r} is not valid UTF-8"), as_json)
        code = app(args=_without_debug(arguments), prog_name="m2m", standalone_mode=False)
        code = code if isinstance(code, int) else 0
    except StoppedEarly as stop:
        say(str(stop))
        return INTERRUPTED
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`m2m list | head`); say nothing, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    except (Exception, SystemExit) as error:
        return _failed(error, arguments, as_json)
    if code == INTERRUPTED:  # typer has turned Ctrl-C into it, unless it came very early
        say("stopped; nothing was left half-written")
    return code


def _failed(error: Exception | SystemExit, arguments: list[str], as_json: bool) -> int:
    """Say what went wrong; the exit code."""
    if isinstance(error, SystemExit) and _completes(arguments):
        return int(error.code or 0)
    if isinstance(error.__context__, BrokenPipeError):  # rich has turned it into SystemExit
        return FAILED
    failure = explain(error, arguments, COMMANDS)
    if failure is None:
        if as_json:
            _fail(Failure(FAILED, f"{type(error).__name__}: {error}"), as_json)
        show_traceback(error)
        return FAILED
    if debugging(arguments):
        show_traceback(error)
    # No arguments at all: help was shown, and there is nothing to add.
    return _fail(failure, as_json) if failure.what else failure.code


def _fail(failure: Failure, as_json: bool) -> int:
    failure.show(as_json)
    return failure.code


def _without_debug(arguments: list[str]) -> list[str]:
    """``--debug`` may stand anywhere: before the command, or after it."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [a for i, a in enumerate(arguments) if a != "--debug" or i > end]


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:  # bytes of another encoding, as surrogates
        return False
    return True


def _completes(arguments: list[str]) -> bool:
    """Whether typer answers a shell that completes, which ends with ``sys.exit``."""
    return "_M2M_COMPLETE" in os.environ or any(a.endswith("-completion") for a in arguments)


def _warn(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
    """Our own warnings, in one line; those of libraries are for developers."""
    if category is UserWarning and "m2m_" in str(where[0] if where else ""):
        say(f"note: {message}")


def _leave(code: list[int]) -> None:
    """End the process at once, with the exit code of the command.

    Tearing torch down takes about 1 s; exit now so that a late Ctrl-C cannot change the exit code.
    """
    if code:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code[0])


if __name__ == "__main__":
    run()
