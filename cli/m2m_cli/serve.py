"""``m2m serve``: a search page, a search API and OpenAI's embeddings API over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from m2m_cli.failures import say
from m2m_cli.options import DEVICE, TRUST

HOST = typer.Option("127.0.0.1", "--host", help="Address to listen on.")
PORT = typer.Option(7860, "--port", "-p", help="0 takes a free one.", min=0, max=65535)


def serve(
    indexes: list[Path] = typer.Argument(
        ..., metavar="INDEX...", help="Folders of indexes (`m2m index`)."
    ),
    adapter: list[str] | None = typer.Option(
        None,
        "--adapter",
        "-A",
        help="An adapter to the target of an index; repeatable. Without any, the one that an "
        "index was built with.",
    ),
    name: list[str] | None = typer.Option(
        None, "--name", help="Name of an index, in their order; by default that of its folder."
    ),
    host: str = HOST,
    port: int = PORT,
    allow_host: list[str] | None = typer.Option(
        None, "--allow-host", help="A further name by which the server may be called; repeatable."
    ),
    queue: int = typer.Option(
        512, "--queue", help="Requests that may wait; more get the status 429.", min=1
    ),
    batch: int = typer.Option(64, "--batch", help="Queries that are answered together.", min=1),
    max_body: int = typer.Option(20, "--max-body", help="Megabytes of a request.", min=1),
    timeout: float = typer.Option(30.0, "--timeout", help="Seconds for an answer.", min=0.1),
    device: str = DEVICE,
    trust_remote_code: bool = TRUST,
) -> None:
    """Serve indexes: a search page at /, POST /search, and POST /v1/embeddings.

    [dim]m2m serve photos sounds --adapter mpnet-clip --port 7860[/dim]

    Needs `pip install "m2m-adapters[serve]"`. Clients must send the key in the environment
    variable M2M_API_KEY, if there is one. Ctrl-C ends it.
    """
    require_extra()
    from m2m_adapters.serve.limits import Limits
    from m2m_adapters.serve.run import serve as run

    limits = Limits(body=1_000_000 * max_body, waiting=queue, together=batch, seconds=timeout)
    run(
        indexes, adapter or [], names=name, host=host, port=port,
        allow_hosts=allow_host or [], limits=limits, ready=show,
        device=device, trust_remote_code=trust_remote_code,
    )  # fmt: skip


def require_extra() -> None:
    """Refuse in one line where the packages of the extra are missing."""
    from importlib.util import find_spec

    from m2m_adapters.errors import UserError

    lacking = [name for name in ("starlette", "uvicorn", "prometheus_client", "py3langid", "faiss")
               if find_spec(name) is None]  # fmt: skip
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
        say(f"note: anyone who reaches {address} can see these files; set {KEY} to ask for a key")
    typer.echo(f"Serving at {address}")
