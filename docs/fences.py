"""A hook of the site: code blocks are marked for the tests, which the site need not know.

``bash hub`` says that a block needs the hub; the highlighter takes a language alone.
"""

from __future__ import annotations

import re
from typing import Any

MARKED = re.compile(r"^```(\w+) (?:hub|repo)$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    return MARKED.sub(r"```\1", markdown)
