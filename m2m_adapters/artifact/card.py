"""The card of an adapter: its record, for people and for the hub's index.

Everything in it was measured or recorded. Text that comes from a plugin, a corpus or a stranger's
record is escaped, and of a path on this machine only the last part is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from m2m_adapters._internal.spelling import counted
from m2m_adapters.artifact.card_data import card_data, license_of
from m2m_adapters.artifact.markdown import code, words
from m2m_adapters.artifact.record import (
    VECTORS,
    CorpusRecord,
    HeldOut,
    LanguagesRecord,
    PullRecord,
    RecipeRecord,
    Record,
)
from m2m_adapters.artifact.results import RETRIEVAL, results

ORIGINS_SHOWN = 8


def card(record: Record, repo: str = "") -> str:
    """README.md of an adapter. repo: ``org/name`` on the hub, for the example that loads it."""
    return "\n".join(_lines(record, repo))


def _lines(record: Record, repo: str) -> Iterator[str]:
    import yaml

    front = yaml.safe_dump(
        card_data(record), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
    source, target = record.source, record.target
    yield from ["---", front.rstrip(), "---", ""]
    yield from [f"# {words(_short(source.title))} -> {words(_short(target.title))}", ""]
    if source.class_name == VECTORS:
        yield (
            f"Maps vectors of {code(_short(source.title))} into the space of "
            f"{code(_short(target.title))}. Learned from pairs of vectors."
        )
        yield from ["", "```python", "import m2m_adapters as m2m", ""]
        yield f'adapter = m2m.load_adapter("{repo or "path/to/this/folder"}")'
        yield from [f"mapped = adapter.project(vectors)  # [n, {source.dim}]", "```", ""]
    else:
        yield from _example(record, repo)
    yield from ["| | source | target |", "|---|---|---|"]
    for key in ("name", "dim", "fingerprint", "provenance"):
        label = "dimension" if key == "dim" else key
        yield f"| {label} | {_cell(getattr(source, key))} | {_cell(getattr(target, key))} |"
    yield ""
    if statements := license_of(record).statements:
        yield from ["## License", "", *(f"- {words(line)}" for line in statements)]
        yield from ["", "A summary, not legal advice.", ""]
    if record.corpus is not None:
        yield from _corpus(record.corpus)
    if record.growth:
        yield from ["| sentences fitted on | held-out loss | held-out top-1 |", "|---|---|---|"]
        for point in record.growth:
            yield (
                f"| {point.sentences:,} | {point.held_out_loss:.5f} | {100 * point.top1:.1f} % |"
            )
        yield ""
    if record.recipe is not None:
        yield from _recipe(record.recipe)
    if record.pull is not None:
        yield from _pull(record.pull)
    if record.languages is not None:
        yield from _languages(record.languages)
    if record.held_out is not None:
        yield from _held_out(record.held_out, source.class_name == VECTORS)
    yield from _results(record)


def _example(record: Record, repo: str) -> Iterator[str]:
    source, target = record.source, record.target
    yield (
        f"Maps text in any language that {code(_short(source.title))} understands into the text "
        f"space of {code(_short(target.title))} ({words(target.modality)}). Learned from English "
        "sentences only."
    )
    yield from ["", "```python", "import m2m_adapters as m2m", ""]
    yield f'adapter = m2m.load_adapter("{repo or "path/to/this/folder"}")'
    yield from ['vectors = adapter.encode(["ein Hund bellt"])', "```", ""]


def _corpus(corpus: CorpusRecord) -> Iterator[str]:
    origins = [words(origin.title) for origin in corpus.origins[:ORIGINS_SHOWN]]
    if (more := corpus.origins_total - len(origins)) > 0:
        origins.append(f"{more:,} more")
    yield from ["## Corpus", ""]
    yield (
        f"{counted(corpus.sentences, 'English sentence')} from "
        f"{', '.join(origins) or 'Python'} "
        f"(digest `{corpus.digest[:16]}`). Used: {corpus.used:,} ({words(corpus.stopped)})."
    )
    yield ""


def _recipe(recipe: RecipeRecord) -> Iterator[str]:
    values = {name: getattr(recipe, name) for name in recipe.__struct_fields__}
    shown = (f"{k} {_cell(v)}" for k, v in values.items() if v not in (None, False, ""))
    yield from ["## Recipe", "", ", ".join(shown), ""]


def _languages(table: LanguagesRecord) -> Iterator[str]:
    """Languages whose own text was used, and how that was judged."""
    yield from ["## Languages", ""]
    yield (
        f"What all vectors of a language have in common was learned from {words(table.seen)}. It "
        f'is subtracted when the language is known (`adapter.encode(texts, language="...")`). '
        "The map itself was learned from English only."
    )
    yield from [
        "",
        "| language | sentences | gain on held-out halves, CSLS in 1/100 |",
        "|---|---|---|",
    ]
    for one in table.adapted:
        value = ", ".join(f"{part:+.2f}" for part in one.gain)
        yield f"| {words(one.code)} | {one.sentences:,} | {value} |"
    yield ""


def _pull(pull: PullRecord) -> Iterator[str]:
    """How the strength of the pull was chosen, in words."""
    text = f"Least squares, pulled towards a scaled rotation at strength {pull.strength:.3g}"
    if pull.floor is not None and pull.best is not None and pull.given_up is not None:
        text += (
            f". The strength was chosen from English only: 1.5 times the variance of the source's "
            f"median direction is {pull.floor:.3g}; the held-out loss is lowest at "
            f"{pull.best:.3g}, and the stronger pull raises it by {100 * pull.given_up:.1f} %, for "
            "the benefit of languages that were not seen"
        )
    yield from [text + ".", ""]


def _held_out(held: HeldOut, vectors: bool) -> Iterator[str]:
    yield from [
        "## Held-out pairs" if vectors else "## Held-out English pairs",
        "",
        "| | |",
        "|---|---|",
    ]
    for name in held.__struct_fields__:
        yield f"| {name.replace('_', ' ')} | {_cell(getattr(held, name))} |"
    yield ""


def _results(record: Record) -> Iterator[str]:
    for name, rows in results(record).items():
        what = "text to item" if rows[0][1] in RETRIEVAL else "generated"
        yield from [f"## {words(name)}", "", f"| language | figure | {what} |", "|---|---|---|"]
        for language, figure, value in rows:
            yield f"| {words(language)} | {words(figure)} | {value:.1f} |"
        yield ""
        yield from _trust(record, name)


def _trust(record: Record, benchmark: str) -> Iterator[str]:
    for evaluation in record.evaluation:
        if evaluation.name == benchmark and evaluation.trust:
            yield from (f"- {words(line)}" for line in evaluation.trust)
            yield ""


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{words(k)}: {_cell(v)}" for k, v in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(_cell(one) for one in value) or "-"
    return "-" if value is None else words(_short(str(value)))


def _short(text: str) -> str:
    """The last part of a path on this machine, also after a scheme; any other text as it is."""
    scheme, path = re.fullmatch(r"((?:[a-z][\w-]+:)?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    if not re.match(r"[/~\\]|\.\.?/|[A-Za-z]:[/\\]", path):
        return text
    return str(scheme + path.rstrip("/\\").replace("\\", "/").rpartition("/")[2])
