"""What a generator made of prompts in every language: tables, bars, and a sheet of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from m2m_adapters._internal.languages import language
from m2m_adapters._internal.spelling import counted
from m2m_adapters.evaluation.generator_evaluation import GeneratorEvaluation
from m2m_adapters.evaluation.prompts import REFERENCE
from m2m_adapters.report import charts
from m2m_adapters.report.media import media
from m2m_adapters.report.page import document, html_table
from m2m_adapters.report.tables import latex_table, markdown_table

NATIVE = "native English"


def rows_of(found: GeneratorEvaluation) -> tuple[list[str], list[list[str]]]:
    """(header, rows): system, language and every figure; the headline with its interval."""
    result = found.to_dict()
    names = list(dict.fromkeys(
        name for system in result["systems"].values()
        for row in system["languages"].values() for name in row
    ))  # fmt: skip

    def cell(row: Mapping[str, Any], name: str) -> str:
        if name not in row:
            return ""
        value = row[name]
        if not isinstance(value, list):
            return f"{value:.3f}"
        interval = f" [{value[1]:.1f}, {value[2]:.1f}]" if name == found.headline else ""
        return f"{value[0]:.1f}{interval}"

    def line(system: str, label: str, row: Mapping[str, Any], share: Any) -> list[str]:
        of = f"{share[found.headline][0]:.1f}" if found.headline in share else ""
        return [system, label, *(cell(row, name) for name in names), of]

    rows = [line("reference", NATIVE, result["reference"], {})]
    for system, one in result["systems"].items():
        shares = one["share of native English"]
        for code, row in one["languages"].items():
            label = "no prompt" if system == "neutral" else language(code).name
            rows.append(line(system, label, row, shares[code]))
        if len(one["languages"]) > 1:
            rows += [line(system, name, row, shares[name]) for name, row in one["averages"].items()]
    header = ["system", "language"]
    header += [f"{name} [95%]" if name == found.headline else name for name in names]
    return [*header, f"{found.headline}, % of {NATIVE}"], rows


def caption_of(found: GeneratorEvaluation) -> str:
    prompts = counted(len(found.benchmark), "prompt")
    return (
        f"{found.adapter['name']} on {found.benchmark.name}: {prompts} in "
        f"{len(found.benchmark.languages)} languages, judged by {' and '.join(found.judges)}; in "
        "percent (cosines times 100), 95% bootstrap intervals over prompts."
    )


def markdown(found: GeneratorEvaluation) -> str:
    return markdown_table(*rows_of(found), caption_of(found))


def latex(found: GeneratorEvaluation) -> str:
    return latex_table(*rows_of(found), caption_of(found))


def page(found: GeneratorEvaluation) -> str:
    """Table, bars by language, and the first prompts with what each language made of them."""
    result = found.to_dict()
    notes = "".join(
        f"<li><b>{escape(name)}</b>: {escape(one['what'])}</li>"
        for name, one in result["systems"].items()
    )
    settings = ", ".join(f"{name} {value}" for name, value in found.settings.items() if value)
    sheets = "".join(
        f"<h2>{escape(title)}</h2>{_sheet_of(found, system)}"
        for system, title in (
            ("adapter", "Generated from each language, through the adapter"),
            ("native", "The same prompts in the pipeline's own text tower"),
        )
        if system in found.systems
    )
    return document(
        f"{found.adapter['name']} on {found.benchmark.name}",
        f"<p>{escape(caption_of(found))}</p>"
        f'<ul class="note">{notes}</ul>{html_table(*rows_of(found))}{language_bars(found)}{sheets}'
        f"<p class='note'>Adapter {escape(str(found.adapter['digest']))}, benchmark "
        f"{escape(found.benchmark.digest)}. {escape(settings)}</p>",
    )


def language_bars(found: GeneratorEvaluation) -> str:
    """The headline figure by language; the dashed line is the pipeline's native English."""
    result = found.to_dict()
    mark = result["reference"][found.headline][0]
    drawn = []
    for system in (name for name in ("adapter", "native") if name in result["systems"]):
        rows = [
            (language(code).name, *(max(0.0, value) for value in row[found.headline]))
            for code, row in result["systems"][system]["languages"].items()
        ]
        title = f"{system}: {found.headline} by language (dashed: {NATIVE})"
        chart = charts.bars(rows, title=title, mark=mark)
        drawn.append(f"<figure>{chart}<figcaption>{escape(title)}.</figcaption></figure>")
    return "".join(drawn)


def _sheet_of(found: GeneratorEvaluation, system: str) -> str:
    codes = found.languages(system)
    columns = [(code, found.benchmark.captions[code], found.shown[system, code]) for code in codes]
    english = (REFERENCE, found.benchmark.captions[REFERENCE], found.shown["reference", REFERENCE])
    return sheet([(NATIVE, *english), *((language(c[0]).name, *c) for c in columns)],
                 found.benchmark.modality)  # fmt: skip


def sheet(
    columns: Sequence[tuple[str, str, Sequence[str], Sequence[Any]]], modality: str = "image"
) -> str:
    """One row for each meaning, one column for each (title, language code, prompts, items)."""
    head = "".join(f"<th>{escape(title)}</th>" for title, *_ in columns)
    lines = []
    for row in range(min(len(items) for *_, items in columns)):
        cells = "".join(
            f"<td><figure>{media(items[row], modality, texts[row])}"
            f'<figcaption lang="{escape(code, quote=True)}" dir="{language(code).direction}">'
            f"{escape(texts[row])}</figcaption></figure></td>"
            for _, code, texts, items in columns
        )
        lines.append(f"<tr>{cells}</tr>")
    return (
        f'<div class="scroll"><table class="sheet"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
