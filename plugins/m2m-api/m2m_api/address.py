"""``MODEL@http://HOST/v1``, and which key of the environment may be sent there."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from m2m_adapters.errors import UserError

EXAMPLE = "write api:MODEL@http://localhost:8000/v1"
KNOWN = {
    "api.cohere.ai": "COHERE_API_KEY",
    "api.cohere.com": "COHERE_API_KEY",
    "api.jina.ai": "JINA_API_KEY",
    "api.mistral.ai": "MISTRAL_API_KEY",
    "api.openai.com": "OPENAI_API_KEY",
    "api.together.xyz": "TOGETHER_API_KEY",
    "api.voyageai.com": "VOYAGE_API_KEY",
    "generativelanguage.googleapis.com": "GEMINI_API_KEY",
}
"""Hosts whose own variable is called otherwise than :func:`key_variable` has it."""

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@dataclass(frozen=True)
class Address:
    """A model on a server. url: without a slash at its end. key: name of a variable, or empty."""

    model: str
    url: str
    host: str
    key: str

    @property
    def local(self) -> bool:
        """Whether the host is this machine or in a private network."""
        try:
            return ipaddress.ip_address(self.host).is_private
        except ValueError:
            return "." not in self.host or self.host.endswith((".local", ".localhost"))


def key_variable(host: str) -> str:
    """The variable that holds the key of one host, and of no other.

    A dot becomes one underscore and a hyphen two, so that no two hosts share a variable: an
    adapter from a stranger could otherwise name a server of his own and be sent the key.
    """
    return "M2M_API_KEY_" + re.sub("[.:]", "_", host.replace("-", "__")).upper()


def _checked(key_env: str | None, host: str) -> str:
    """The variable whose key goes to a host.

    A registry file is safe to open whoever wrote it, so none may send any variable anywhere.
    """
    own = key_variable(host)
    if not key_env:
        return own
    if key_env in (own, KNOWN.get(host)) or (_is_loopback(host) and key_env.endswith("_API_KEY")):
        return key_env
    raise UserError(
        f"key_env is '{key_env[:80]}', and that variable is not sent to {host}",
        f"put the key of {host} into {own} and leave out key_env",
    )


def parse(name: str, key_env: str | None = None) -> Address:
    """The address behind ``MODEL@URL``; a URL that holds a password is refused, not shown."""
    match = re.fullmatch(r"(?s)(.+?)@(https?://\S+)", name.strip(), re.IGNORECASE)
    if match is None:
        raise UserError("the name of a model on a server is MODEL@URL, with http or https", EXAMPLE)
    model, url = match[1].strip(), match[2]
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise UserError("the URL of the server cannot be read", EXAMPLE) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UserError(
            "the URL of a server must not contain a user, password or query, "
            "since names are recorded",
            f"put the key into the environment variable {key_variable('example.com')} (for a host "
            "example.com)",
        )
    if not host or not (_is_number(host) or all(map(_LABEL.fullmatch, host.split(".")))):
        raise UserError("the URL of the server has no valid host name", EXAMPLE)
    address = Address(model, url.rstrip("/"), host, _checked(key_env, host))
    if not os.environ.get(address.key):
        return Address(model, address.url, host, "")
    if parts.scheme.lower() == "http" and not address.local:
        raise UserError(
            f"the key in {address.key} would go to {host} over http, readable on the way",
            "use https, or unset the variable",
        )
    return address


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_number(host) and ipaddress.ip_address(host).is_loopback)


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
