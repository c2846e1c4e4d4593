"""``m2m demo``: the whole method on the embedded tiny models, and a page to look at."""

from __future__ import annotations

from pathlib import Path

import typer

from m2m_cli.options import JSON
from m2m_cli.output import print_json, table


def demo(
    out: Path = typer.Option(
        Path("demo-page"), "--out", "-o", help="Folder for the page and the adapters."
    ),
    sentences: int = typer.Option(
        6000, "--sentences", help="Number of English sentences to learn from."
    ),
    serve: bool = typer.Option(
        False, "--serve", help="Instead: serve a page to search the demo's pictures and sounds."
    ),
    port: int = typer.Option(
        7860, "--port", help="With --serve: the port; 0 picks a free one.", min=0
    ),
    json: bool = JSON,
) -> None:
    """Align the tiny models from English alone, evaluate 13 languages, write a page. Offline.

    [dim]m2m demo --out demo-page[/dim]

    With --serve: index 1,000 pictures and 1,000 sounds (once, in the cache) and serve them.
    """
    if serve:
        return serve_demo(sentences, port)
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.report.demo import painted_sheet, run_demo, summary
    from m2m_adapters.report.spoken import spoken_questions

    bar = progress_for()
    shown = run_demo(
        out, sentences=sentences, progress=bar,
        extras=[lambda: painted_sheet(progress=bar), lambda: spoken_questions(progress=bar)],
    )  # fmt: skip
    pairings = summary(shown)
    page = (out / "index.html").resolve()
    if json:
        print_json({"page": str(page), "pairings": pairings})
        return
    keys = [key for key in pairings[0] if key != "target"]
    rows = [[key, *(str(one[key]) for one in pairings)] for key in keys]
    typer.echo(table(rows, ["", *(one["target"] for one in pairings)]))
    typer.echo(f"\nThe page: {page}\n          file://{page}")


def serve_demo(sentences: int, port: int) -> None:
    """`m2m serve` over the pictures and sounds of the demo."""
    from m2m_cli.serve import require_extra, show

    require_extra()
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.report.demo_index import EXAMPLES, prepare_demo
    from m2m_adapters.search.index import load_index
    from m2m_adapters.serve.holdings import open_holdings
    from m2m_adapters.serve.run import serve

    prepared = prepare_demo(sentences=sentences, progress=progress_for())
    holdings = open_holdings(
        [load_index(one.index, target=one.loaded.target) for one in prepared],
        [one.loaded for one in prepared],
        adapter_names=[one.adapter.name for one in prepared],
        names=[one.name for one in prepared],
        examples=EXAMPLES,
    )
    serve(holdings, port=port, ready=show)
