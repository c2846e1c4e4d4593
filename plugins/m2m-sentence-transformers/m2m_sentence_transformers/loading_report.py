"""What transformers says about weights it did not find, taken from its log.

It fills gaps with random numbers and prints a table; sentence-transformers hands out no better
account of it. The table is also long, mostly harmless, and nothing for a user to read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_MISSING = re.compile(r"^\s*(\S+)\s*\|\s*MISSING", re.MULTILINE)
# Many checkpoints lack this head, which no pooling of sentence-transformers looks at.
_UNUSED = "pooler."


@contextmanager
def missing_weights() -> Iterator[list[str]]:
    """The names of weights that models loaded inside lack; their reports are not printed."""
    from transformers.utils import logging as settings

    missing: list[str] = []

    def read(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "LOAD REPORT" not in message:
            return True
        names = _MISSING.findall(_COLORS.sub("", message))
        missing.extend(name for name in names if not name.startswith(_UNUSED))
        return False

    logger = logging.getLogger("transformers.modeling_utils")
    level = settings.get_verbosity()
    settings.set_verbosity_warning()  # below it the report is not even made
    logger.addFilter(read)
    try:
        yield missing
    finally:
        logger.removeFilter(read)
        settings.set_verbosity(level)
