"""Run a server until it is told to end."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.serve.app import create_app
from m2m_adapters.serve.holdings import Holdings, open_holdings
from m2m_adapters.serve.limits import Limits

KEY = "M2M_API_KEY"
LOCAL = ("127.0.0.1", "localhost", "[::1]")
ENDING = 10  # seconds that requests under way have when the server ends
SWITCH = 0.0002
"""Seconds until a thread that computes in Python lets another one do so. An encoder asks for that
after each operation of torch; by default (0.005) a busy network thread would hold it up so long
each time that many clients together are served no faster than one."""


def serve(
    indexes: Sequence[str | Path] | Holdings,
    adapters: Sequence[str | Path] = (),
    *,
    names: Sequence[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 7860,
    allow_hosts: Sequence[str] = (),
    limits: Limits | None = None,
    ready: Callable[[str, Holdings], None] = lambda address, holdings: None,
    **options: Any,
) -> None:
    """Serve indexes until Ctrl-C or SIGTERM, then let requests under way finish.

    host, port: where it listens; port 0 takes a free one. allow_hosts: further names by which
    it may be called. ready: called with its address and what it holds. options: ``device``, ...
    for the models. A key in the environment variable M2M_API_KEY is asked of clients.
    """
    import uvicorn

    key = os.environ.get(KEY, "")
    if not all("!" <= c <= "~" for c in key):
        raise UserError(
            f"the key in {KEY} contains spaces or characters beyond ASCII", "choose another"
        )
    with _listening(host, port) as listener:
        holdings = (
            indexes
            if isinstance(indexes, Holdings)
            else open_holdings(indexes, adapters, names=names, **options)
        )
        holdings.warm_up()
        hosts = {*(LOCAL if is_local(host) else ()), *allow_hosts}
        if hosts:
            hosts.add(host)
        app = create_app(holdings, limits=limits, key=key, hosts=hosts)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=ENDING, timeout_keep_alive=30,
        )  # fmt: skip
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}/"

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                ready(address, holdings)

        sys.setswitchinterval(SWITCH)
        with _ended_by_signals(), contextlib.closing(holdings):
            Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # By this number asyncio knows TCP, and switches off Nagle's algorithm: 40 ms an answer.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"cannot listen on {host}:{port}: {reason}", "choose another --host or --port"
        ) from None
    return listener


def is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _ended_by_signals(contextlib.AbstractContextManager[None]):
    """uvicorn ends by these signals and raises them once more: that is not a failure."""

    def __enter__(self) -> None:
        self._before = {}
        if current_thread() is main_thread():
            for one in (signal.SIGINT, signal.SIGTERM):
                self._before[one] = signal.signal(one, lambda number, frame: None)

    def __exit__(self, *failure: object) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)
