"""Dependencies point downwards only, and help never waits for the heavy libraries."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from fake_dist import run_python

ROOT = Path(__file__).resolve().parent.parent
PLUGIN_PACKAGES = {
    p.name for p in ROOT.glob("plugins/m2m-*/m2m_*") if p.is_dir()
} | {"m2m_tiny", "m2m_clip"}  # fmt: skip

# Floors of the house: a module may import from its own floor's modules listed here and below.
FLOORS = [
    {"errors", "hookspecs", "files", "progress", "team"},
    {"interfaces", "plugins", "devices", "weights", "languages", "licences",
     "strict", "shard", "checkpoint", "tracking"},
    {"registry", "corpus_files", "items", "images", "sounds", "losses", "projector",
     "record", "pairs"},
    {"corpus", "embedding", "fusion", "recipes", "solve", "objective", "train", "store", "diagnosis",
     "new_plugin", "card", "token_projector"},
    {"fit", "adapter", "stored", "anytime", "hub"},
]  # fmt: skip


def imports(path: Path, *, only_top: bool = False) -> set[str]:
    """Absolute names a file imports; those under TYPE_CHECKING do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    nodes = tree.body if only_top else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: use absolute imports"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "m2m_adapters").rglob("*.py")),
                         ids=lambda p: str(p.relative_to(ROOT)))  # fmt: skip
def test_the_core_imports_neither_plugins_nor_the_cli(path: Path) -> None:
    upward = {name for name in imports(path)
              if name.split(".")[0] in PLUGIN_PACKAGES | {"m2m_cli", "typer", "rich"}}  # fmt: skip
    assert not upward, f"{path.name} imports upward: {sorted(upward)}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("plugins/m2m-*/m2m_*/**/*.py")),
                         ids=lambda p: str(p.relative_to(ROOT)))  # fmt: skip
def test_plugins_import_neither_the_cli_nor_each_other(path: Path) -> None:
    own = path.relative_to(ROOT / "plugins").parts[1]
    sideways = {name for name in imports(path)
                if name.split(".")[0] in (PLUGIN_PACKAGES - {own}) | {"m2m_cli"}}  # fmt: skip
    assert not sideways, f"{path.name} imports sideways: {sorted(sideways)}"


def test_inside_the_core_floors_are_kept() -> None:
    """When a module is loaded it pulls in only its own floor and those below."""
    floor_of = {name: level for level, names in enumerate(FLOORS) for name in names}
    wrong = []
    for name, level in floor_of.items():
        path = ROOT / "m2m_adapters" / f"{name}.py"
        if not path.exists():
            continue
        for imported in imports(path, only_top=True):
            if imported.startswith("m2m_adapters."):
                other = imported.split(".")[1]
                if floor_of.get(other, len(FLOORS)) > level:
                    wrong.append(f"{name} -> {other}")
    assert not wrong, f"upward imports in the core: {wrong}"


def test_there_are_no_circles_at_load_time() -> None:
    graph = {
        path.stem: {
            name.split(".")[1] for name in imports(path, only_top=True)
            if name.startswith("m2m_adapters.")
        }
        for path in (ROOT / "m2m_adapters").glob("*.py")
        if path.stem != "__init__"
    }  # fmt: skip
    done: set[str] = set()

    def visit(node: str, trail: tuple[str, ...]) -> None:
        assert node not in trail, f"circle: {' -> '.join((*trail, node))}"
        if node not in done:
            for below in graph.get(node, ()):
                visit(below, (*trail, node))
            done.add(node)

    for node in graph:
        visit(node, ())


HEAVY = ("torch", "numpy", "transformers", "sentence_transformers", "open_clip", "diffusers",
         "pyarrow", "matplotlib", "huggingface_hub", "yaml", "PIL")  # fmt: skip


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["align", "--help"],
                                       ["evaluate", "--help"]])  # fmt: skip
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, m2m_cli.main as m\n"
        f"try: m.run({arguments!r})\n"
        f"except SystemExit: print('LOADED', [h for h in {HEAVY!r} if h in sys.modules])"
    )
    done = run_python(code)
    assert done.stdout.strip().endswith("LOADED []"), done.stdout[-300:] + done.stderr[-300:]


def test_the_package_itself_is_light() -> None:
    done = run_python("import sys, m2m_adapters; print([h for h in ('torch', 'numpy', 'pluggy')"
                      " if h in sys.modules])")  # fmt: skip
    assert done.stdout.strip() == "[]"
