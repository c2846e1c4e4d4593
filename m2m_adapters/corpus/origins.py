"""Where the sentences of a corpus came from, in a form that can be read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["file", "stdin", "memory", "name"]


@dataclass(frozen=True)
class CorpusOrigin:
    """One thing that sentences were read from.

    kind: ``file`` (a file, folder or glob), ``stdin``, ``memory`` (a list in Python) or
    ``name`` (a corpus of a plugin or the registry).
    where: the path as the user wrote it, or the corpus's name; empty for the other kinds.
    """

    kind: Kind
    where: str = ""

    def __str__(self) -> str:
        words = {"stdin": "standard input", "memory": "sentences in memory"}
        return self.where or words[self.kind]

    def to_dict(self) -> dict[str, str]:
        """``kind``, and the ``path`` of a file or the ``name`` of a corpus."""
        key = {"file": "path", "name": "name"}.get(self.kind)
        return {"kind": self.kind, **({key: self.where} if key else {})}
