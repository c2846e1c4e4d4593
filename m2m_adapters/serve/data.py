"""Pictures and sounds in a body: ``data:`` addresses, decoded; nothing is downloaded."""

from __future__ import annotations

import base64
import binascii
import re

from m2m_adapters.errors import UserError

START = re.compile(r"data:([a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+)?(;[^,;]{1,100})*;base64,")
REMEDY = "send its bytes as data:image/png;base64,..."


def bytes_of(address: str, what: str) -> bytes:
    """The content of a ``data:`` address. what: how messages call it, such as "a picture"."""
    match = START.match(address[:400])
    if match is None:
        if address[:8].lower().startswith(("http:", "https:", "file:", "ftp:")):
            raise UserError(f"{what} is a URL, and this server downloads nothing", REMEDY)
        raise UserError(f"{what} is not a data: address", REMEDY)
    try:
        data = base64.b64decode(address[match.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise UserError(f"the base64 of {what} is damaged", REMEDY) from None
    if not data:
        raise UserError(f"{what} is empty", REMEDY)
    return data
