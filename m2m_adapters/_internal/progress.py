"""Progress of long work: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from m2m_adapters._internal.processes import is_first

Update = Callable[[int], None]
"""Called with how much is done so far."""


class Progress:
    """Silent progress that still measures: ``seconds`` holds the time of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(
        self, name: str, total: int | None = None, unit: str = "sentences"
    ) -> Iterator[Update]:
        """Time a stage; the block receives a function that reports how much is done."""
        began = time.perf_counter()
        try:
            yield self._begin(name, total, unit)
        finally:
            self._end()
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def note(self, text: str) -> None:
        """Show a short text beside the bar, such as the loss."""

    def _begin(self, name: str, total: int | None, unit: str) -> Update:
        return lambda done: None

    def _end(self) -> None:
        pass


class Bars(Progress):
    """A bar on stderr for each stage, with rate and time left."""

    def _begin(self, name: str, total: int | None, unit: str) -> Update:
        from tqdm import tqdm

        self._bar = tqdm(
            total=total,
            desc=name,
            unit=f" {unit}",
            unit_scale=True,
            file=sys.stderr,
            leave=False,
            dynamic_ncols=True,
        )

        def update(done: int) -> None:
            self._bar.update(done - self._bar.n)

        return update

    def note(self, text: str) -> None:
        self._bar.set_postfix_str(text, refresh=False)

    def _end(self) -> None:
        self._bar.close()


def progress_for(wanted: bool | None = None) -> Progress:
    """Bars when asked for, or by default when stderr is a terminal; one process shows them."""
    shown = sys.stderr.isatty() if wanted is None else wanted
    return Bars() if shown and is_first() else Progress()
