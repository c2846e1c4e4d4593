"""The trust report of an evaluation as tables, the same for the terminal, Markdown and HTML."""

from __future__ import annotations

from dataclasses import dataclass, field

from m2m_adapters._internal.languages import language
from m2m_adapters.artifact.record import Json
from m2m_adapters.evaluation.scoring import Evaluation
from m2m_adapters.evaluation.trust import SWITCHED


@dataclass(frozen=True)
class Table:
    """note: one line below the table, or in its place where there are no rows."""

    title: str
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""


def trust_tables(evaluation: Evaluation) -> list[Table]:
    """Averages by script and family, and every part of the trust report that was asked for."""
    report = evaluation.to_dict().get("trust")
    tables = [groups_table(evaluation)]
    if report:
        tables += [
            _english(report["English before and after"]),
            _agreement(report["agreement"]),
            _code_switched(report["code-switched"]),
            false_friends_table(report["false friends"]),
        ]
    return tables


def groups_table(evaluation: Evaluation) -> Table:
    """R@1 and R@10 of the adapter, averaged over the languages of a script or family."""
    own = evaluation.to_dict()["systems"]["adapter"]
    rows = []
    for name, codes in own["groups"].items():
        if ":" not in name:
            continue
        figures = own["averages"][name]["text_to_item"]
        members = ", ".join(language(code).name for code in codes)
        kind, _, group = name.partition(": ")
        rows.append([kind, group, members, f"{figures['R@1'][0]:.1f}", _interval(figures["R@10"])])
    rows.sort(key=lambda row: row[0], reverse=True)
    header = ["kind", "group", "languages", "R@1", "R@10 [95%]"]
    return Table("By script and family", header, rows, "Every language counts the same.")


def _english(part: Json) -> Table:
    title = "English before and after"
    if reason := part.get("not applicable"):
        return Table(title, note=f"Not applicable: {reason}.")
    header = ["figure", "own tower", "adapter", "difference [95%]", "verdict"]
    rows = [
        [
            name,
            _interval(row["own tower"]),
            _interval(row["adapter"]),
            f"{row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]",
            row["verdict"],
        ]
        for name, row in part.items()
    ]
    note = (
        "English captions through the adapter and through the target's own text tower, paired by "
        "item; 'no loss' only where the whole interval of the difference is at or above zero."
    )
    return Table(title, header, rows, note)


def _agreement(part: Json) -> Table:
    title = "Agreement between languages"
    if reason := part.get("not applicable"):
        return Table(title, note=f"Not applicable: {reason}.")
    rows = [["all pairs of languages", _interval(part["first ten in common"])]]
    rows += [
        [f"English and {language(code).name}", _interval(values)]
        for code, values in part["with English"].items()
    ]
    variance, low, high = part["mean rank variance"]
    note = (
        f"Captions of one item, {part['items']:,} items that every language describes. "
        f"{part['measure']}: {variance:.2f} [{low:.2f}, {high:.2f}] squared ranks, 0 where all "
        "languages rank the right item alike."
    )
    return Table(title, ["languages", "first ten in common, % [95%]"], rows, note)


def _code_switched(part: Json) -> Table:
    title = "Queries in two languages"
    if reason := part.get("not applicable"):
        return Table(title, note=f"Not applicable: {reason}.")
    rows = [
        [name, *(_interval(row[column]) for column in SWITCHED)]
        for name, row in (
            *((language(code).name, row) for code, row in part["languages"].items()),
            ("mean", part["mean"]),
        )
    ]
    note = (
        f"{part['figure']} of code-switched queries: {part['rule']} (by characters in scripts "
        "without blanks). Such a query may name one thing twice and leave out another, so part of "
        "the loss is lost content."
    )
    return Table(title, ["with English", *(f"{name} [95%]" for name in SWITCHED)], rows, note)


def false_friends_table(part: Json) -> Table:
    """The probe of false friends by language, with its two controls."""
    title = "False friends"
    if reason := part.get("not applicable"):
        return Table(title, note=f"Not applicable: {reason}.")
    rows = [
        [
            name,
            str(row["pairs"]),
            _interval(row["right"]),
            f"{row['source'][0]:.1f}",
            f"{row['right'][0] - row['source'][0]:+.1f}",
            f"{row['control'][0]:.1f}",
        ]
        for name, row in (
            *((language(code).name, row) for code, row in part["languages"].items()),
            ("all", part["all"]),
        )
    ]
    note = (
        "Words that look or sound like an English word and mean something else, in a sentence: "
        "the share that is nearer to the right meaning than to the false one; chance is 50 %. "
        "Source: the same within the source's own space, which bounds the adapter. Control: the "
        "false reading replaced by an unrelated word."
    )
    header = ["language", "pairs", "read rightly, % [95%]", "source", "less source", "control"]
    return Table(title, header, rows, note)


def _interval(values: list[float]) -> str:
    value, low, high = values
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"
