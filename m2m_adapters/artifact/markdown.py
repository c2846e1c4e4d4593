"""Text of others in Markdown: shown as it is, never read as markup or HTML."""

from __future__ import annotations

import re

SPECIAL = re.compile(r"([\\`*_{}\[\]|~$])")
HARMLESS = re.compile(r"""[\w .,:;%/=@()'"+-]*""")


def plain(text: object) -> str:
    """``text`` in a line or a table cell: one line, every special character escaped."""
    line = " ".join(str(text).split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return SPECIAL.sub(r"\\\1", line)


def code(text: object) -> str:
    """``text`` as code, in a table too."""
    line = " ".join(str(text).split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return "`" + line.replace("`", "'").replace("|", "\N{BROKEN BAR}") + "`" if line else "-"


def words(text: object) -> str:
    """Plain names and numbers without needless escapes, anything else as :func:`plain`."""
    line = str(text)
    return line if HARMLESS.fullmatch(line) and "__" not in line else plain(line)
