"""Training checkpoint: saved periodically, deleted when its adapter is on disk."""

from __future__ import annotations

import hashlib
import io
import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from m2m_adapters._internal.files import whole_file
from m2m_adapters.errors import UserError

EVERY_SECONDS = 30.0
FORGOTTEN_DAYS = 30
DIGEST_BYTES = 16
OURS = re.compile(r"[0-9a-f]{32}\.pt")
"""Names of checkpoints."""


_finished: ContextVar[list[Callable[[], None]] | None] = ContextVar("finished", default=None)


@contextmanager
def until_saved() -> Iterator[list[Callable[[], None]]]:
    """Keep checkpoints of trainings that end in the block; call what is collected to delete them.

    A result that cannot be saved (a full disk) is then not lost: the next run resumes.
    """
    finished: list[Callable[[], None]] = []
    token = _finished.set(finished)
    try:
        yield finished
    finally:
        _finished.reset(token)


class Checkpoint:
    """The state of one training, named by all that decides its result.

    identity: text that differs whenever the result could. every: seconds between two writes.
    """

    def __init__(self, folder: Path, identity: str, every: float = EVERY_SECONDS) -> None:
        name = hashlib.sha256(identity.encode()).hexdigest()[:32]
        self.path = folder / f"{name}.pt"
        self.every = every
        self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The last saved state; None where there is none or it is damaged."""
        import torch

        try:
            data = self.path.read_bytes()
        except OSError:
            return None
        digest, state = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
        if hashlib.blake2b(state, digest_size=DIGEST_BYTES).digest() != digest:
            return None
        loaded = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
        return loaded if isinstance(loaded, dict) else None

    def save(self, state: Callable[[], dict[str, Any]], *, now: bool = False) -> None:
        """Write the state if the last write is long enough ago, or ``now``."""
        import torch

        if not now and time.monotonic() - self._last < self.every:
            return
        stream = io.BytesIO()
        torch.save(state(), stream)
        data = stream.getvalue()
        try:
            with whole_file(self.path) as temporary:
                digest = hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()
                temporary.write_bytes(digest + data)
            self._sweep()
        except UserError as error:  # a failed checkpoint must not end the training
            warnings.warn(f"the training checkpoint cannot be saved: {error}", stacklevel=2)
        self._last = time.monotonic()

    def drop(self) -> None:
        """Delete the file; inside :func:`until_saved`, only once the result is saved."""
        finished = _finished.get()
        if finished is None:
            self.remove()
        else:
            finished.append(self.remove)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Delete old checkpoints of trainings that were never continued."""
        for other in self.path.parent.glob("*.pt"):
            if not OURS.fullmatch(other.name):
                continue
            try:
                if time.time() - other.stat().st_mtime > FORGOTTEN_DAYS * 86_400:
                    other.unlink()
            except OSError:
                pass
