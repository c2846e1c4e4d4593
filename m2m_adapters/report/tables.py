"""An evaluation as a Markdown or LaTeX table."""

from __future__ import annotations

import re
from collections.abc import Sequence

from m2m_adapters._internal.languages import language
from m2m_adapters._internal.spelling import counted
from m2m_adapters.artifact.markdown import plain
from m2m_adapters.evaluation.scoring import Evaluation
from m2m_adapters.report.trust_tables import trust_tables


def rows_of(
    evaluation: Evaluation, *, codes: bool = False, back: Sequence[int] = (10,)
) -> tuple[list[str], list[list[str]]]:
    """(header, rows): R@1/5/10 of the adapter with the interval of R@10, others' R@10 beside.

    codes: languages by their codes instead of their names. back: R@k from item to text.
    """
    systems = evaluation.to_dict()["systems"]
    own = systems["adapter"]
    others = {name: value for name, value in systems.items() if name != "adapter"}

    def row(label: str, key: str, code: str) -> list[str]:
        there, home = (own[key][code][d] for d in ("text_to_item", "item_to_text"))
        value, low, high = there["R@10"]
        return [
            label,
            *(f"{there[f'R@{k}'][0]:.1f}" for k in (1, 5)),
            f"{value:.1f} [{low:.1f}, {high:.1f}]",
            *(f"{home[f'R@{k}'][0]:.1f}" for k in back),
            *(f"{other[key][code]['text_to_item']['R@10'][0]:.1f}" for other in others.values()),
        ]

    names = {code: code if codes else language(code).name for code in own["languages"]}
    rows = [row(name, "languages", code) for code, name in names.items()]
    rows += [
        row(name, "averages", name)
        for name in ("all languages", "without English")
        if name in own["averages"]
    ]
    header = ["language", "R@1", "R@5", "R@10 [95%]", *(f"R@{k}" for k in back)]
    header[4] = f"item to text {header[4]}"
    return header + [f"{name} R@10" for name in others], rows


def caption_of(evaluation: Evaluation) -> str:
    bench = evaluation.benchmark
    absent = len(bench.missing) + len(bench.unreadable)
    left_out = f" ({absent:,} more left out: missing or unreadable)" if absent else ""
    items = counted(len(bench.items), "item")
    return (
        f"{evaluation.adapter['name']} on {bench.name}: {items}{left_out}, text to "
        f"item unless noted, protocol {evaluation.protocol}, ties count against, 95% bootstrap "
        "intervals over items."
    )


def markdown(evaluation: Evaluation) -> str:
    """The table of languages under its caption, then the tables of the trust report."""
    parts = [markdown_table(*rows_of(evaluation), caption_of(evaluation))]
    for one in trust_tables(evaluation):
        parts.append(f"## {one.title}\n")
        parts.append(
            markdown_table(one.header, one.rows, one.note) if one.rows else shown(one.note) + "\n"
        )
    return "\n".join(parts)


def latex(evaluation: Evaluation) -> str:
    """A booktabs table."""
    return latex_table(*rows_of(evaluation), caption_of(evaluation))


def markdown_table(header: list[str], rows: list[list[str]], caption: str) -> str:
    lines = ["| " + " | ".join(map(shown, row)) + " |" for row in (header, *rows)]
    rule = "|---|" + "---:|" * (len(header) - 1)
    return "\n".join([shown(caption), "", lines[0], rule, *lines[1:], ""])


# Brackets around an interval are plain text unless something makes them a link.
_HARMLESS = re.compile(r"""[\w .,:;%/=@()'"+\[\]-]*""")
_LINK = re.compile(r"\]\s*[(\[:]|__")


def shown(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no link, one line."""
    line = " ".join(text.split())
    return line if _HARMLESS.fullmatch(line) and not _LINK.search(line) else plain(line)


_LATEX = {
    **{sign: "\\" + sign for sign in "&%_#${}"},
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}  # fmt: skip


def _latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))


def latex_table(header: list[str], rows: list[list[str]], caption: str) -> str:
    def line(cells: list[str]) -> str:
        return " & ".join(_latex(cell) for cell in cells) + r" \\"

    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            r"\caption{" + _latex(caption) + "}",
            r"\begin{tabular}{l" + "r" * (len(header) - 1) + "}",
            r"\toprule",
            line(header),
            r"\midrule",
            *(line(row) for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )
