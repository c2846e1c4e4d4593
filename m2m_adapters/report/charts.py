"""Small charts as inline SVG: bars with whiskers, lines, maps of points."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

PALETTE = ("#1f6feb", "#d9480f", "#2b8a3e", "#9c36b5", "#c2255c", "#0b7285", "#5f3dc4", "#e67700")


def bars(
    rows: Sequence[tuple[str, float, float, float]], *, title: str, mark: float | None = None
) -> str:
    """Horizontal bars 0..100: (label, value, low, high); ``mark`` draws a reference line."""
    height, left, width = 22, 110, 460
    parts = []
    for place, (label, value, low, high) in enumerate(rows):
        y = 10 + place * height
        scale = width / 100
        parts.append(
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{left}" y="{y + 3}" width="{value * scale:.1f}" height="{height - 8}" '
            f'class="bar"/>'
            f'<line x1="{left + low * scale:.1f}" x2="{left + high * scale:.1f}" '
            f'y1="{y + 10}" y2="{y + 10}" class="whisker"/>'
            f'<text x="{left + width + 8}" y="{y + 14}">{value:.1f}</text>'
        )
    total = 20 + len(rows) * height
    if mark is not None:
        x = left + mark * width / 100
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{total - 6}" class="mark"/>')
    return _svg(left + width + 60, total, "".join(parts), title)


def curve(points: Sequence[tuple[float, float]], *, title: str, x_name: str, y_name: str) -> str:
    """A line through (x, y) points with its ends labeled."""
    if len(points) < 2:
        return f"<p>{escape(title)}: one step, no curve to draw.</p>"
    width, height, left, bottom = 560, 220, 70, 34
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low, high = min(ys), max(ys)
    spread = (high - low) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - xs[0]) / ((xs[-1] - xs[0]) or 1.0)
        return left + across * (width - left - 20), 14 + (high - y) / spread * (
            height - bottom - 20
        )

    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in (at(x, y) for x, y in points))
    dots = "".join(
        f'<circle cx="{at(x, y)[0]:.1f}" cy="{at(x, y)[1]:.1f}" r="3" class="dot">'
        f"<title>{x:g}: {y:.5f}</title></circle>"
        for x, y in points
    )
    body = (
        f'<polyline points="{line}" class="line"/>{dots}'
        f'<text x="{left - 6}" y="22" text-anchor="end">{high:.4g}</text>'
        f'<text x="{left - 6}" y="{height - bottom - 2}" text-anchor="end">{low:.4g}</text>'
        f'<text x="{left}" y="{height - 8}">{xs[0]:g}</text>'
        f'<text x="{width - 20}" y="{height - 8}" text-anchor="end">{xs[-1]:g} '
        f"{escape(x_name)}</text>"
        f'<text x="{width - 20}" y="16" text-anchor="end">{escape(y_name)}</text>'
    )
    return _svg(width, height, body, title)


def lines(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]], *, title: str, x_name: str
) -> str:
    """Named lines over a common x, y from 0 to 100."""
    width, height, left, bottom, names = 560, 240, 40, 34, 130
    xs = [x for _, points in series for x, _ in points]
    low, high = min(xs), max(xs)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - low) / ((high - low) or 1.0)
        return left + across * (width - left - names), 10 + (100 - y) / 100 * (height - bottom - 10)

    parts = [
        f'<line x1="{left}" x2="{width - names}" y1="{at(low, y)[1]:.1f}" '
        f'y2="{at(low, y)[1]:.1f}" stroke="currentColor" stroke-opacity=".15"/>'
        f'<text x="{left - 6}" y="{at(low, y)[1] + 4:.1f}" text-anchor="end">{y}</text>'
        for y in (0, 25, 50, 75, 100)
    ]
    for x in sorted(set(xs)):
        parts.append(
            f'<text x="{at(x, 0)[0]:.1f}" y="{height - 14}" text-anchor="middle">{x:g}</text>'
        )
    for number, (name, points) in enumerate(series):
        color = PALETTE[number % len(PALETTE)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in (at(x, y) for x, y in points))
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>'
            f'<rect x="{width - names + 12}" y="{16 + 20 * number}" width="12" height="4" '
            f'fill="{color}"/>'
            f'<text x="{width - names + 30}" y="{22 + 20 * number}">{escape(name)}</text>'
        )
    parts.append(
        f'<text x="{width - names}" y="{height - 1}" text-anchor="end">{escape(x_name)}</text>'
    )
    return _svg(width, height, "".join(parts), title)


def scatter(
    anchors: Sequence[tuple[float, float, str]],
    points: Sequence[tuple[float, float, int, str]],
    *,
    title: str,
) -> str:
    """Pictures (x, y, data URI) and the texts around them (x, y, picture's number, label)."""
    size, margin, thumb = 380, 34, 34
    every = [(x, y) for x, y, *_ in anchors] + [(x, y) for x, y, *_ in points]
    low_x, high_x = min(x for x, _ in every), max(x for x, _ in every)
    low_y, high_y = min(y for _, y in every), max(y for _, y in every)

    def at(x: float, y: float) -> tuple[float, float]:
        inner = size - 2 * margin
        return (
            margin + (x - low_x) / ((high_x - low_x) or 1) * inner,
            margin + (high_y - y) / ((high_y - low_y) or 1) * inner,
        )

    parts = []
    for number, (x, y, uri) in enumerate(anchors):
        cx, cy = at(x, y)
        color = PALETTE[number % len(PALETTE)]
        box = f'x="{cx - thumb / 2:.1f}" y="{cy - thumb / 2:.1f}" width="{thumb}" height="{thumb}"'
        inside = f'<image href="{uri}" {box}/>' if uri else ""
        parts.append(f'{inside}<rect {box} fill="none" stroke="{color}" stroke-width="3"/>')
    for x, y, number, label in points:
        cx, cy = at(x, y)
        color = PALETTE[number % len(PALETTE)]
        parts.append(
            f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="5" fill="{color}" fill-opacity=".75">'
            f"<title>{escape(label)}</title></circle>"
        )
    return _svg(size, size, "".join(parts), title)


def points(placed: Sequence[tuple[float, float, str, str]], *, title: str) -> str:
    """A map of (x, y, group, label); each group has its own color, named at the side."""
    size, margin, names = 420, 14, 120
    low_x, high_x = min(x for x, *_ in placed), max(x for x, *_ in placed)
    low_y, high_y = min(y for _, y, *_ in placed), max(y for _, y, *_ in placed)
    inner = size - 2 * margin
    groups = list(dict.fromkeys(group for _, _, group, _ in placed))
    parts = []
    for x, y, group, label in placed:
        cx = margin + (x - low_x) / ((high_x - low_x) or 1) * inner
        cy = margin + (high_y - y) / ((high_y - low_y) or 1) * inner
        parts.append(
            f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="2.5" fill="{_color(groups.index(group))}" '
            f'fill-opacity=".7"><title>{escape(f"{group}: {label}")}</title></circle>'
        )
    for number, group in enumerate(groups):
        y = 16 + 20 * number
        parts.append(
            f'<circle cx="{size + 12}" cy="{y}" r="5" fill="{_color(number)}"/>'
            f'<text x="{size + 22}" y="{y + 4}">{escape(group)}</text>'
        )
    return _svg(size + names, max(size, 20 * len(groups) + 20), "".join(parts), title)


def _color(number: int) -> str:
    """A color of its own for each of the first 24 groups."""
    if number < len(PALETTE):
        return PALETTE[number]
    return f"hsl({(number * 137) % 360} 60% {45 if number % 2 else 60}%)"


def _svg(width: int, height: int, body: str, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{body}</svg>'
    )
