"""The template of every page: one file that loads nothing and runs only its own script."""

from __future__ import annotations

import base64
import hashlib
from html import escape

SORT = """
for (const head of document.querySelectorAll("table.sorts th")) {
  const sort = () => {
    const body = head.closest("table").tBodies[0];
    const at = head.cellIndex, up = head.ariaSort === "descending" ? 1 : -1;
    const key = row => row.cells[at].textContent.trim();
    const rows = [...body.rows].filter(row => row.className !== "sum");
    const numbers = rows.every(row => !key(row) || !isNaN(parseFloat(key(row))));
    rows.sort((a, b) => up * (numbers
      ? (parseFloat(key(a)) || 0) - (parseFloat(key(b)) || 0)
      : -key(a).localeCompare(key(b))));
    for (const other of head.parentNode.cells) other.ariaSort = "none";
    head.ariaSort = up > 0 ? "ascending" : "descending";
    body.prepend(...rows);
  };
  head.tabIndex = 0;
  head.onclick = sort;
  head.onkeydown = event => { if (event.key === "Enter") sort(); };
}
"""
"""Sorts the rows of a table by the column whose head is clicked; averages stay at the end."""

# Whatever else a page may hold by mistake, a browser runs only the script above.
POLICY = (
    "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{base64.b64encode(hashlib.sha256(SORT.encode()).digest()).decode()}'"
)

STYLE = r"""
:root { color-scheme: light dark; --ink: #1c2733; --soft: #5b6773; --line: #d8dee4;
  --ground: #ffffff; --tint: #f4f7fa; --bar: #4c8dd6; --mark: #d9480f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e9ef; --soft: #9aa7b4; --line: #38424d;
  --ground: #14191f; --tint: #1c232b; --bar: #5a9be6; --mark: #ff8a4c; } }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1.2rem; color: var(--ink);
  background: var(--ground); font: 16px/1.55 system-ui, "Noto Sans", "Noto Sans CJK SC",
  "Noto Sans Arabic", "Noto Sans Devanagari", sans-serif; }
h1, p { overflow-wrap: anywhere; } svg { max-width: 100%; height: auto; }
h1 { font-size: 1.7rem; } h2 { margin-top: 2.6rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
.sorts th { cursor: pointer; } th[aria-sort="ascending"]::after { content: " \25B2"; }
th[aria-sort="descending"]::after { content: " \25BC"; }
th:first-child, td:first-child { text-align: left; }
tr.sum td { font-weight: 600; background: var(--tint); }
.note { color: var(--soft); font-size: .9rem; } .scroll { overflow-x: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .bar { fill: var(--bar); } svg .whisker { stroke: var(--ink); stroke-width: 1.5; }
svg .mark { stroke: var(--mark); stroke-width: 2; stroke-dasharray: 5 4; }
svg .line { fill: none; stroke: var(--bar); stroke-width: 2; } svg .dot { fill: var(--bar); }
.pair { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 0; }
figcaption { color: var(--soft); font-size: .9rem; }
.query { margin: 1.1rem 0; padding: .7rem .9rem; background: var(--tint); border-radius: .5rem; }
.query p { margin: 0 0 .5rem; } .query .lang { color: var(--soft); font-size: .85rem; }
.said { font-size: 1.15rem; } .found { display: flex; flex-wrap: wrap; gap: .6rem; }
.found > * { border: 3px solid transparent; border-radius: .35rem; max-width: 100%; }
.found img { display: block; } .found span { display: block; padding: .1rem .4rem; }
.found figcaption { text-align: center; line-height: 1.3; }
.found > .right { border-color: #2b8a3e; } img { image-rendering: pixelated; }
audio { width: 15rem; max-width: 100%; height: 2.4rem; }
.sheet td { text-align: left; vertical-align: top; } .sheet th { text-align: left; }
.sheet figure { width: 96px; } .sheet figure:has(audio) { width: 15rem; }
.sheet figcaption { font-size: .78rem; line-height: 1.35; overflow-wrap: anywhere; }
"""


def document(title: str, body: str) -> str:
    """A whole HTML page."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{body}\n<script>{SORT}</script></body></html>\n"
    )


def html_table(header: list[str], rows: list[list[str]], *, strong: int = 0) -> str:
    """A table that sorts; the last ``strong`` rows are set off and stay. Cells are escaped here."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    lines = []
    for number, row in enumerate(rows):
        kind = ' class="sum"' if number >= len(rows) - strong else ""
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        lines.append(f"<tr{kind}>{cells}</tr>")
    body = "".join(lines)
    return (
        f'<div class="scroll"><table class="sorts"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
