"""What a study returns: rows of figures, charts to look at, and what they show in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TypeAlias

Cell: TypeAlias = str | float | int | None


@dataclass(frozen=True)
class Chart:
    """Named lines over a common x. series: (name, points); points: (x, y from 0 to 1)."""

    title: str
    x_name: str
    series: list[tuple[str, list[tuple[float, float]]]]


@dataclass(frozen=True)
class Bars:
    """Horizontal bars. rows: (label, value, low, high), each from 0 to 1."""

    title: str
    rows: list[tuple[str, float, float, float]]


@dataclass(frozen=True)
class Points:
    """A map in two dimensions. points: (x, y, group, label); a group has one color."""

    title: str
    points: list[tuple[float, float, str, str]]


Figure: TypeAlias = Chart | Bars | Points


@dataclass(frozen=True)
class Study:
    """One question, asked of one model.

    rows: all with the same keys, which head the table. findings: sentences computed from the rows.
    warnings: where figures are weak, such as too few rows for CCA.
    """

    name: str
    question: str
    model: str
    data: str
    rows: list[dict[str, Cell]]
    charts: Sequence[Figure] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """For JSON; numbers that do not exist are null."""
        return {
            "study": self.name,
            "question": self.question,
            "model": self.model,
            "data": self.data,
            "rows": self.rows,
            "findings": self.findings,
            "warnings": self.warnings,
        }

    def _repr_html_(self) -> str:
        """In a notebook: what it shows, and the table; charts are in the report."""
        said = "".join(f"<li>{escape(line)}</li>" for line in (*self.findings, *self.warnings))
        header = list(self.rows[0]) if self.rows else []
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(shown(row[key]))}</td>" for key in header) + "</tr>"
            for row in self.rows
        )
        heads = "".join(f"<th>{escape(key)}</th>" for key in header)
        return (
            f"<div><p><b>{escape(f'{self.model}: {self.name}')}</b><br>{escape(self.question)} "
            f"Data: {escape(self.data)}.</p><ul>{said}</ul>"
            f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def shown(value: Cell) -> str:
    """A cell as a table shows it."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
