"""A contact sheet of hits: one HTML file without scripts that downloads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from m2m_adapters._internal.files import whole_file
from m2m_adapters.errors import UserError
from m2m_adapters.search.hits import Hits

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, "Noto Sans", "Noto Sans CJK SC", "Noto Sans Arabic",
  "Noto Sans Devanagari", sans-serif; margin: 1.5rem auto; max-width: 80rem; padding: 0 1rem; }
h2 { font-size: 1.2rem; overflow-wrap: anywhere; }
.found { display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); gap: 12px; }
img { display: block; max-width: 100%; border-radius: 4px; }
figure { margin: 0; }
"""


def check_page(path: Path) -> None:
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"cannot write a page as '{path.name}'", "give a name that ends in .html")


def write_page(path: str | Path, answers: Sequence[Hits]) -> None:
    """Every query and its answers, pictures included."""
    path = Path(path)
    check_page(path)
    with whole_file(path) as temporary:
        temporary.write_text(page(answers), encoding="utf-8")


def page(answers: Sequence[Hits]) -> str:
    sections = []
    for answer in answers:
        figures = "\n".join(answer.figure(hit) for hit in answer) or "<p>nothing found</p>"
        sections.append(
            f'<section><h2 dir="auto">{escape(answer.query)}</h2>'
            f'<div class="found">\n{figures}\n</div></section>'
        )
    title = ", ".join(answer.query for answer in answers)[:80]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{STYLE}</style>'
        "</head>\n<body>\n" + "\n".join(sections) + "\n</body></html>\n"
    )
