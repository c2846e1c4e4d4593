"""``m2m demo``: the whole method on the embedded tiny models, and a page to look at."""

from __future__ import annotations

from pathlib import Path

import typer

from m2m_cli.options import JSON
from m2m_cli.output import print_json, table


def demo(
    out: Path = typer.Option(
        Path("demo-page"), "--out", "-o", help="Folder for page and adapters."
    ),
    sentences: int = typer.Option(6000, "--sentences", help="English sentences to learn from."),
    serve: bool = typer.Option(
        False, "--serve", help="Search the tiny world's pictures and sounds on a page instead."
    ),
    port: int = typer.Option(7860, "--port", help="Of --serve; 0 takes a free one.", min=0),
    json: bool = JSON,
) -> None:
    """Align the tiny models from English alone, evaluate 13 languages, and leave a page.

    [dim]m2m demo --out demo-page[/dim]

    With --serve: index 1,000 pictures and 1,000 sounds once (in the cache) and serve them.
    """
    if serve:
        return serve_demo(sentences, port)
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.report.demo import painted_sheet, run_demo, summary

    bar = progress_for()
    shown = run_demo(
        out, sentences=sentences, progress=bar, extras=[lambda: painted_sheet(progress=bar)]
    )
    told = summary(shown)
    page = (out / "index.html").resolve()
    if json:
        print_json({"page": str(page), "pairings": told})
        return
    keys = [key for key in told[0] if key != "target"]
    rows = [[key, *(str(one[key]) for one in told)] for key in keys]
    typer.echo(table(rows, ["", *(one["target"] for one in told)]))
    typer.echo(f"\nThe page: {page}\n          file://{page}")


def serve_demo(sentences: int, port: int) -> None:
    """`m2m serve` over the tiny world."""
    from m2m_cli.serve import require_extra, show

    require_extra()
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.report.demo_index import EXAMPLES, prepare_demo
    from m2m_adapters.serve.holdings import open_holdings
    from m2m_adapters.serve.run import serve

    prepared = prepare_demo(sentences=sentences, progress=progress_for())
    holdings = open_holdings(
        [one.index for one in prepared],
        [one.adapter for one in prepared],
        names=[one.name for one in prepared],
        examples=EXAMPLES,
    )
    serve(holdings, port=port, ready=show)
