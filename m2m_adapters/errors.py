"""Errors, each with how to correct it.

The command line prints a :class:`UserError` as one line and leaves with code 2; anything
else is a defect of ours and keeps its traceback.
"""

from __future__ import annotations


class M2MError(Exception):
    """Base of every error this package raises on purpose."""


class UserError(M2MError):
    """An error that the user can correct: *what* is wrong and the *remedy*."""

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what = " ".join(what.split())
        self.remedy = " ".join(remedy.split())
        super().__init__(f"{self.what}; {self.remedy}" if self.remedy else self.what)


class UnknownName(UserError):
    """A source, target, corpus, benchmark or loss nobody offers."""


class AbilityMissing(UserError):
    """A model was asked for something it does not do."""


class PluginError(M2MError):
    """Code of a plugin failed: *what* failed where, and the *remedy*.

    ``__cause__`` is the plugin's own exception with its traceback, which ``--debug`` and
    ``M2M_DEBUG=1`` show.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what = " ".join(what.split())
        self.remedy = " ".join(remedy.split())
        super().__init__(f"{self.what}; {self.remedy}" if self.remedy else self.what)
