"""Change ``adapter.json`` as somebody would who also knows how to compute its checksum."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from m2m_adapters.artifact.codec import CHECKSUM, checksum


def change_record(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((folder / "adapter.json").read_text(encoding="utf-8"))
    content.pop(CHECKSUM)
    change(content)
    content[CHECKSUM] = checksum(content)
    (folder / "adapter.json").write_text(json.dumps(content), encoding="utf-8")
