"""First-party plugins use what any plugin author may use, and the kit offers what it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from fake_dist import run_m2m, run_python

import m2m_adapters.models
from m2m_adapters.testing import toy_sentences

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = sorted(p.parent for p in ROOT.glob("plugins/m2m-*/pyproject.toml"))
FILES = sorted(ROOT.glob("plugins/m2m-*/m2m_*/**/*.py"))

PUBLIC = {
    "m2m_adapters",
    "m2m_adapters.models",
    "m2m_adapters.testing",
    "m2m_adapters.evaluation",
    "m2m_adapters.errors",
    "m2m_adapters.interfaces",
}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT / "plugins")))
def test_plugins_import_public_modules_only(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
            if node.module == "m2m_adapters":  # `from m2m_adapters import _internal`
                imported |= {f"m2m_adapters.{a.name}" for a in node.names if a.name.islower()
                             and (ROOT / "m2m_adapters" / a.name).is_dir()}  # fmt: skip
    ours = {name for name in imported if name.partition(".")[0] == "m2m_adapters"}
    assert ours <= PUBLIC, f"not public: {sorted(ours - PUBLIC)}"


def test_the_kit_offers_what_it_lists_and_the_docs_describe_each() -> None:
    kit = m2m_adapters.models
    for name in kit.__all__:
        assert getattr(kit, name) is not None
    page = (ROOT / "docs" / "plugin-kit.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `(\w+)", page, re.MULTILINE))
    assert described == set(kit.__all__)


def test_no_module_hides_a_name_of_the_kit() -> None:
    """Once imported, a submodule takes the place of a name that the package loads when asked."""
    folder = ROOT / "m2m_adapters" / "models"
    assert not {path.stem for path in folder.glob("*.py")} & set(m2m_adapters.models.__all__)


def test_the_kit_imports_nothing_heavy_until_used() -> None:
    done = run_python("import sys, m2m_adapters.models as kit; dir(kit);"
                      "print([h for h in ('torch', 'numpy', 'PIL') if h in sys.modules])")  # fmt: skip
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda p: p.name)
def test_every_plugin_is_typed_licensed_and_pinned(folder: Path) -> None:
    package = next(p for p in folder.glob("m2m_*") if p.is_dir())
    assert (package / "py.typed").is_file()
    assert "Apache License" in (folder / "LICENSE").read_text(encoding="utf-8")
    project = (folder / "pyproject.toml").read_text(encoding="utf-8")
    assert '"m2m-adapters>=0.1,<0.2"' in project
    assert 'license-files = ["LICENSE"]' in project
    assert "M2M_INTERFACE = 1" in (package / "__init__.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda p: p.name)
def test_every_plugin_has_a_readme_of_its_own(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {folder.name}\n")


def _align_lines() -> list[str]:
    """Every `m2m align` line of the plugins' READMEs, with models that are always there."""
    lines = set()
    for path in ROOT.glob("plugins/*/README.md"):
        for line in re.findall(r"^m2m align .*$", path.read_text(encoding="utf-8"), re.MULTILINE):
            line = re.sub(r"--source \S+", "--source toy-source", line)
            line = re.sub(r"--target \S+", "--target toy-target", line)
            lines.add(re.sub(r"--out \S+", "--out adapter", line))
    return sorted(lines)


@pytest.mark.parametrize("line", _align_lines())
def test_every_align_line_of_the_readmes_runs(line: str, tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("\n".join(toy_sentences(200)))
    done = run_m2m(*line.split()[1:], cwd=tmp_path)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert (tmp_path / "adapter" / "adapter.json").is_file()


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda p: p.name)
def test_mypy_covers_every_plugin(folder: Path) -> None:
    package = next(p.name for p in folder.glob("m2m_*") if p.is_dir())
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"{package}"' in settings and f'"plugins/{folder.name}"' in settings


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda p: p.name)
def test_no_plugin_has_files_that_import_each_other(folder: Path) -> None:
    """Imports for type checkers count, too."""
    root = next(p for p in folder.glob("m2m_*") if p.is_dir()).parent
    files = {
        ".".join(p.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): p
        for p in root.glob("m2m_*/**/*.py")
    }

    def below(name: str) -> set[str]:
        nodes = ast.walk(ast.parse(files[name].read_text(encoding="utf-8")))
        froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
        every = {f"{node.module}.{a.name}" for node in froms for a in node.names}
        every |= {str(node.module) for node in froms}
        return (every & files.keys()) - {name, name.partition(".")[0]}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"circle: {' -> '.join((*trail, name))}"
        for other in sorted(below(name)):
            visit(other, (*trail, name))

    for name in sorted(files):
        visit(name, ())
