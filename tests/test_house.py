"""The house rules that a program can measure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_BRANCHES = 15
"""McCabe's cyclomatic complexity of a function, as radon counts it."""
MOST_ANY = 0.10
"""Share of annotations in signatures that say ``Any``."""

MOST_LINES = 80
"""Of a function after its signature: a command's signature is the list of its options."""


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return [path for path in found if "tests" not in path.relative_to(ROOT).parts]


def test_functions_are_simple() -> None:
    radon = pytest.importorskip("radon.complexity")
    above = []
    for path in sources("m2m_adapters", "cli", "plugins", "scripts", "benchmarks"):
        blocks = radon.cc_visit(path.read_text(encoding="utf-8"))
        methods = [method for block in blocks for method in getattr(block, "methods", [])]
        for block in [*blocks, *methods]:
            if block.complexity > MOST_BRANCHES and not hasattr(block, "methods"):
                above.append(f"{path.relative_to(ROOT).as_posix()}: {block.name}")
    assert not above, sorted(above)


def test_functions_fit_on_a_screen() -> None:
    long = []
    for path in sources("m2m_adapters", "cli", "plugins", "scripts", "benchmarks"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.body[0].lineno + 1
                if lines > MOST_LINES:
                    long.append(f"{path.relative_to(ROOT).as_posix()}: {node.name} {lines}")
    assert not long, long


def annotations(path: Path) -> list[ast.expr]:
    """Every annotation in the signatures of a file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            said = node.args
            every = [*said.posonlyargs, *said.args, *said.kwonlyargs, said.vararg, said.kwarg]
            found += [one.annotation for one in every if one is not None and one.annotation]
            found += [node.returns] if node.returns else []
    return found


def share_of_any(paths: list[Path]) -> float:
    every = [annotation for path in paths for annotation in annotations(path)]
    loose = [
        a for a in every if any(isinstance(n, ast.Name) and n.id == "Any" for n in ast.walk(a))
    ]
    return len(loose) / len(every)


@pytest.mark.parametrize(
    "package",
    [
        "m2m_adapters",
        "m2m_adapters/models",
        "m2m_adapters/generation",
        "m2m_adapters/registry",
        "m2m_adapters/alignment",
        "m2m_adapters/embeddings",
        "m2m_adapters/evaluation",
        "m2m_adapters/search",
        "m2m_adapters/artifact",
        "m2m_adapters/serve",
        "m2m_adapters/exporters",
        "m2m_adapters/testing",
    ],
)
def test_signatures_of_the_core_have_types(package: str) -> None:
    assert share_of_any(sources(package)) < MOST_ANY
