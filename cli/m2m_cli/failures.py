"""What a command prints when it fails, and its exit code.

0 done; 1 failed; 2 bad input; 130 stopped by Ctrl-C. A failure is one line on stderr, with
``--json`` also one JSON value on stdout. ``--debug`` or ``M2M_DEBUG=1`` adds the traceback.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from dataclasses import dataclass

from m2m_cli.output import print_json, printable

FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130  # the exit code of a process that Ctrl-C ended

NOT_THE_USERS_FAULT = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE,
)  # fmt: skip
REMEDIES = {
    errno.ENOSPC: "free some space or choose another place",
    errno.EDQUOT: "free some space or choose another place",
    errno.EFBIG: "free some space or choose another place",
    errno.EACCES: "check its permissions, and those of the folders above it",
    errno.EPERM: "check its permissions, and those of the folders above it",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path: part of it is a file, not a folder",
    errno.EISDIR: "check the path: it is a folder, not a file",
    errno.ENAMETOOLONG: "check the path: a part of it is longer than the file system allows",
    errno.EROFS: "choose another place",
}
FULL = re.compile("disk I/O error|disk is full")
"""What sqlite says where a disk, or a file's limit, leaves no room."""
SHOWN = 100  # characters of a path in a message
DEBUG_HINT = "run it again with --debug to see the traceback"


class StoppedEarly(Exception):
    """Ctrl-C ended the work early, and what was there by then has been written."""


@dataclass(frozen=True)
class Failure:
    """What is wrong and how to correct it, each in one line."""

    code: int
    what: str
    remedy: str = ""

    def show(self, as_json: bool) -> None:
        if as_json:
            print_json({"error": self.what, "remedy": self.remedy})
        say(f"{self.what}; {self.remedy}" if self.remedy else self.what)


def say(line: str) -> None:
    """One line on stderr."""
    print(f"m2m: {printable(line)}", file=sys.stderr)


def debugging(arguments: list[str]) -> bool:
    return "--debug" in arguments or os.environ.get("M2M_DEBUG", "") not in ("", "0")


def explain(error: BaseException, arguments: list[str], commands: object = ()) -> Failure | None:
    """The failure behind an exception; None for a defect of ours, which keeps its traceback."""
    from m2m_adapters.errors import M2MError, UserError

    if isinstance(error, M2MError):
        what, remedy = getattr(error, "what", str(error)), getattr(error, "remedy", "")
        return Failure(BAD_INPUT if isinstance(error, UserError) else FAILED, what, remedy)
    if isinstance(error, SystemExit):
        return Failure(
            FAILED, f"a plugin or library ended the program (exit code {error.code})", DEBUG_HINT
        )
    if hasattr(error, "format_message"):  # bad usage, in typer's words
        what = " ".join(str(error.format_message()).split()).rstrip(".")
        named = arguments[0] if arguments and arguments[0] in commands else ""  # type: ignore[operator]
        return Failure(BAD_INPUT, what, f"see `m2m {named + ' ' if named else ''}--help`")
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, RuntimeError) and "home directory" in str(error):
        return Failure(
            BAD_INPUT, "a path starts with ~, but there is no such home folder", "write it in full"
        )
    if type(error).__module__ == "sqlite3" and FULL.search(str(error)):
        return Failure(FAILED, f"cannot write ({error})", REMEDIES[errno.ENOSPC])
    if isinstance(error, MemoryError):
        return Failure(FAILED, "out of memory", "use smaller batches or a smaller model")
    return None


def _of_the_system(error: OSError) -> Failure:
    """A file that cannot be read or written, a full disk, a broken connection."""
    path = " ".join(str(error.filename or "").split())
    if len(path) > SHOWN:
        path = f"{path[: SHOWN // 2]}...{path[-SHOWN // 2 :]}"
    reason = " ".join(str(error.strerror or error).split())
    code = FAILED if error.errno in NOT_THE_USERS_FAULT else BAD_INPUT
    what = f"{path}: {reason}" if path else reason
    return Failure(code, what, REMEDIES.get(error.errno or 0, DEBUG_HINT))


def show_traceback(error: BaseException) -> None:
    traceback.print_exception(error, file=sys.stderr)
