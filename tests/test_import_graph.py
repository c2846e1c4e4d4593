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

# Floors of the house, from the ground up: a package imports only from floors below its own.
FLOORS = [
    {"errors"},
    {"hookspecs"},
    {"interfaces", "_internal"},
    {"projectors"},
    {"registry", "models", "testing"},
    {"artifact", "corpus"},
    {"embeddings", "generation", "exporters"},
    {"alignment"},
    {"adaptation", "evaluation", "analysis", "planning", "search"},
    {"report", "serve"},
]
CORE = ROOT / "m2m_adapters"
ROOMS = sorted(p.stem for p in CORE.iterdir()
               if (p.suffix == ".py" or (p / "__init__.py").is_file()) and p.stem != "__init__")  # fmt: skip


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


@pytest.mark.parametrize("room", ROOMS)
def test_a_package_imports_only_from_floors_below_its_own(room: str) -> None:
    """Lazy imports inside functions count, too; imports for type checkers alone do not."""
    floor_of = {name: level for level, names in enumerate(FLOORS) for name in names}
    assert room in floor_of, f"{room} has no floor: say in FLOORS where it belongs"
    inside = CORE / room
    files = sorted(inside.rglob("*.py")) if inside.is_dir() else [inside.with_suffix(".py")]
    wrong = []
    for path in files:
        for imported in imports(path):
            head, _, rest = imported.partition(".")
            other = rest.split(".")[0]
            if head != "m2m_adapters" or other == room:
                continue
            if floor_of.get(other, len(FLOORS)) >= floor_of[room]:
                wrong.append(f"{path.relative_to(CORE)} -> {imported}")
    assert not wrong, f"upward or sideways imports: {wrong}"


def test_every_package_says_what_belongs_in_it() -> None:
    for path in CORE.rglob("__init__.py"):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert docstring, f"{path.relative_to(ROOT)} has no docstring"


def test_there_are_no_circles_at_load_time() -> None:
    """Between files, whatever their package."""

    def name_of(path: Path) -> str:
        return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    files = {name_of(path): path for path in CORE.rglob("*.py")}

    def below(name: str) -> set[str]:
        found = imports(files[name], only_top=True)
        return {next((m for m in (i, i.rpartition(".")[0]) if m in files), "") for i in found} - {
            "",
            "m2m_adapters",
        }

    done: set[str] = set()

    def visit(node: str, trail: tuple[str, ...]) -> None:
        assert node not in trail, f"circle: {' -> '.join((*trail, node))}"
        if node not in done:
            for other in sorted(below(node)):
                visit(other, (*trail, node))
            done.add(node)

    for node in sorted(files):
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
