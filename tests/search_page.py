"""The page of `m2m serve` in a browser, as tests use it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from browser import Opened

WAIT = 15_000  # milliseconds: the machine may be busy

DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, {type}));
  const fire = kind => document.body.dispatchEvent(
    new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: transfer}));
  fire("dragenter"); fire("dragover");
  const shaded = !document.getElementById("drop").hidden;
  fire("drop");
  return shaded;
}"""
PASTE = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, {type}));
  document.body.dispatchEvent(
    new ClipboardEvent("paste", {bubbles: true, cancelable: true, clipboardData: transfer}));
}"""


@dataclass
class SearchPage:
    """asked: the bodies of the searches so far."""

    seen: Opened
    asked: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.seen.page.on("request", self._note)

    def _note(self, request: Any) -> None:
        if request.method == "POST" and request.url.endswith("/search"):
            self.asked.append(request.post_data_json)

    @property
    def page(self) -> Any:
        return self.seen.page

    def at(self, selector: str, **options: Any) -> Any:
        return self.page.locator(selector, **options)

    def write(self, text: str) -> None:
        """Put a query into the box and wait for its answer."""
        with self.answer():
            self.at("#query").fill(text)

    def answer(self) -> Any:
        """Waits for an answer to a search, and for the page to show it."""
        return _Answer(self.seen)

    def names(self, selector: str = ".hit") -> list[str]:
        """The files of the results, in order."""
        paths = self.page.evaluate(
            "selector => [...document.querySelectorAll(selector)].map(card => card.hit.path)",
            selector,
        )
        return [Path(path).name for path in paths]

    def drop(self, path: Path, kind: str = "image/png") -> bool:
        """Drop a file; whether the page said that it may be dropped."""
        return bool(self.page.evaluate(DROP, [path.name, kind, _data(path)]))

    def paste(self, path: Path, kind: str = "image/png") -> None:
        self.page.evaluate(PASTE, [path.name, kind, _data(path)])

    def focused(self) -> str:
        """The file of the result that has the focus, else the id of the element."""
        return str(
            self.page.evaluate(
                """(() => { const it = document.activeElement, card = it.closest(".hit");
                return card ? card.hit.path.split("/").pop() : it.id; })()"""
            )
        )


class _Answer:
    def __init__(self, seen: Opened) -> None:
        self._seen = seen
        self._expected = seen.page.expect_response(
            lambda r: r.url.endswith("/search"), timeout=WAIT
        )

    def __enter__(self) -> Any:
        return self._expected.__enter__()

    def __exit__(self, *failure: Any) -> None:
        self._expected.__exit__(*failure)
        if failure[0] is None:
            self._seen.until("document.getElementById('results').ariaBusy !== 'true'")
            self._seen.page.wait_for_timeout(60)  # the answer has come; the page draws it


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
