"""Many pictures and their prompts on one sheet, as a page or as a picture.

Of a video its first, middle and last frame are shown side by side.

A page (``.html``) leaves the letters to the browser, which knows every script. A picture
(``.png``) needs a font on this machine for each label, and says so when there is none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from m2m_adapters._internal.files import whole_file
from m2m_adapters.errors import UserError

FORMATS = (".html", ".png")
VIDEOS = (".mp4", ".webm")
FONT_FOLDERS = (
    "/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts",
    "/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts", "C:/Windows/Fonts",
)  # fmt: skip
CELL, GAP, LETTER = 160, 10, 14


def check_sheet(path: Path) -> None:
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"cannot write a sheet as '{path.name}'", f"use {' or '.join(FORMATS)}")


def write_sheet(
    path: str | Path, pictures: Sequence[tuple[str, Any]], *, columns: int | None = None
) -> None:
    """``pictures``: (label, PIL image or the path of a picture or video), row by row.

    columns: None for about a square.
    """
    path = Path(path)
    check_sheet(path)
    if not pictures:
        raise UserError("there are no pictures for a sheet", "give at least one prompt")
    columns = columns or max(1, round(len(pictures) ** 0.5))
    loaded = [(label, _still(picture)) for label, picture in pictures]
    cell = CELL * (3 if any(_is_video(picture) for _, picture in pictures) else 1)
    with whole_file(path) as temporary:
        if path.suffix.lower() == ".html":
            temporary.write_text(_page(loaded, columns, cell), encoding="utf-8")
        else:
            _picture(loaded, columns, cell).save(temporary, format="PNG")


def _still(item: Any) -> Any:
    from m2m_adapters.models.images import rgb_image
    from m2m_adapters.models.videos import three_frames

    return three_frames(item) if _is_video(item) else rgb_image(item)


def _is_video(item: Any) -> bool:
    return isinstance(item, (str, Path)) and Path(item).suffix in VIDEOS


def _page(pictures: list[tuple[str, Any]], columns: int, cell: int) -> str:
    from m2m_adapters.report.media import image_uri

    cells = "\n".join(
        f'<figure><img src="{image_uri(image, cell)}" alt="{escape(label, quote=True)}">'
        f'<figcaption dir="auto">{escape(label)}</figcaption></figure>'
        for label, image in pictures
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Pictures</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 14px system-ui, sans-serif; margin: 1rem; }}
main {{ display: grid; grid-template-columns: repeat({columns}, {cell}px); gap: {GAP}px; }}
figure {{ margin: 0; }}
img {{ width: {cell}px; image-rendering: auto; }}
</style></head><body><main>
{cells}
</main></body></html>
"""


def _picture(pictures: list[tuple[str, Any]], columns: int, cell: int) -> Any:
    from PIL import Image, ImageDraw

    fonts = _fonts()
    # One font for all labels where there is one, else one for each.
    common = next((f for f in fonts if _covers(f, "…".join(label for label, _ in pictures))), None)
    rows = -(-len(pictures) // columns)
    height = CELL + 2 * LETTER + GAP
    sheet = Image.new("RGB", (columns * (cell + GAP) + GAP, rows * (height + GAP) + GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (label, image) in enumerate(pictures):
        x = GAP + number % columns * (cell + GAP)
        y = GAP + number // columns * (height + GAP)
        scale = min(cell / image.width, CELL / image.height)
        how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
        sheet.paste(image.resize([max(1, round(s * scale)) for s in image.size], how), (x, y))
        font = common or _font_for(label, fonts)
        for line, words in enumerate(_two_lines(label, font, cell)):
            indent = cell - font.getlength(words) if _right_to_left(label) else 0
            place = (x + indent, y + CELL + 2 + line * (LETTER + 2))
            pen.text(place, words, fill="black", font=font)
    return sheet


def _two_lines(label: str, font: Any, cell: int = CELL) -> list[str]:
    """The label in at most two lines, broken between words; only overlong words are cut."""
    lines: list[str] = []
    for word in label.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= cell:
            lines[-1] = longer
            continue
        lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > cell:
                lines.append("")
            lines[-1] += letter
    if len(lines) <= 2:
        return lines
    last = lines[1]
    while last and font.getlength(last + "…") > cell:
        last = last[:-1]
    return [lines[0], last.rstrip() + "…"]


def _right_to_left(label: str) -> bool:
    """By the first letter that has a direction, as browsers do."""
    strong = (unicodedata.bidirectional(letter) for letter in label)
    return next((d for d in strong if d in ("L", "R", "AL")), "L") != "L"


def _fonts() -> list[Any]:
    """Pillow's own font and every one installed on this machine."""
    from PIL import ImageFont

    fonts = [ImageFont.load_default(LETTER)]
    for folder in FONT_FOLDERS:
        for file in sorted(Path(folder).expanduser().rglob("*.[to]t[fc]")):
            try:
                fonts.append(ImageFont.truetype(str(file), LETTER))
            except OSError:
                continue
    return fonts


def _covers(font: Any, label: str) -> bool:
    # What a font lacks it draws as it draws a code point that nobody may assign.
    unknown = bytes(font.getmask("\uffff"))
    letters = {letter for letter in label if not letter.isspace()}
    return all(bytes(font.getmask(letter)) != unknown for letter in letters)


def _font_for(label: str, fonts: list[Any]) -> Any:
    for font in fonts:
        if _covers(font, label):
            return font
    raise UserError(
        f"no font on this machine has all letters of '{label[:40]}'",
        "install one (Noto), or give --grid a name that ends in .html",
    )
