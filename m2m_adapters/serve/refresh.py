"""Newer generations of served indexes: `m2m index` may update an index while it is served."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field, replace
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import same_model
from m2m_adapters.search.format import RECORD
from m2m_adapters.search.index import Index, load_index
from m2m_adapters.search.query import Query
from m2m_adapters.serve.holdings import Held, Holdings

CLOSED_AFTER = 120.0
"""Seconds that an index stays open after it was replaced: requests under way may read it."""


@dataclass
class Refresher:
    """Replaces indexes whose folder has a newer generation; requests under way keep the old one."""

    holdings: Holdings
    _stamps: dict[str, Any] = field(default_factory=dict)
    _replaced: list[tuple[float, Index]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stamps = {name: None for name in self.holdings.indexes}

    def refresh(self) -> list[str]:
        """The names of the indexes that were replaced. What cannot be read is left for later."""
        self._close_old()
        return [name for name, held in list(self.holdings.indexes.items()) if self._renewed(held)]

    def _renewed(self, held: Held) -> bool:
        stamp = _stamp(held.index)
        if stamp is None or stamp == self._stamps[held.name]:
            return False
        self._stamps[held.name] = stamp
        try:
            if not held.index.newer():
                return False
            newer = self._opened(held)
        except (UserError, OSError) as error:
            print(f"m2m: {held.name} stays as it was opened: {error}", file=sys.stderr)
            return False
        self._replaced.append((time.monotonic(), held.index))
        self.holdings.indexes[held.name] = replace(held, index=newer)
        return True

    def _opened(self, held: Held) -> Index:
        target = held.index.target if held.index.has_target else None
        index = load_index(held.index.folder, target=target)
        old, new = held.index.record.target, index.record.target
        if not same_model(new.fingerprint, old.fingerprint) or new.dim != old.dim:
            index.close()
            raise UserError(
                f"it is now an index of '{new.name}', not of '{old.name}'", "start the server again"
            )
        for adapter in held.space.adapters.values():  # so that no query waits for the item bias
            index.biases([Query.of_text("warm up")], adapter)
        return index

    def _close_old(self) -> None:
        now = time.monotonic()
        for since, index in self._replaced:
            if now - since > CLOSED_AFTER:
                index.close()
        self._replaced = [one for one in self._replaced if now - one[0] <= CLOSED_AFTER]


def _stamp(index: Index) -> tuple[int, int, int] | None:
    """Changes whenever the record is replaced; None while it cannot be read."""
    try:
        about = os.stat(index.folder / RECORD)
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size
