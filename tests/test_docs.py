"""Docs cannot rot: every code block is executed or checked, command help is generated.

A fence's language decides. ``python`` blocks of a file run one after the other in one process;
``bash`` lines run too. ``bash hub`` and ``python hub`` need models of the hub: their commands,
options and names are checked without running. ``toml``, ``yaml`` and ``json`` must parse.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "examples" / "README.md"])
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```", re.M | re.S)
KNOWN = {"python", "bash", "python hub", "bash hub", "toml", "yaml", "json", "text", "bash repo"}


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(kind.strip(), body) for kind, body in FENCE.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_block_says_what_it_is(page: Path) -> None:
    for kind, body in blocks(page):
        assert kind in KNOWN, f"{page.name}: unknown kind of block '{kind}':\n{body}"


def run_blocks(page: Path) -> list[tuple[str, str]]:
    return [(kind, body) for kind, body in blocks(page) if kind in ("python", "bash")]


@pytest.mark.parametrize("page", [p for p in PAGES if run_blocks(p)], ids=lambda p: p.name)
def test_blocks_run(page: Path, tmp_path: Path) -> None:
    """In order, in one folder; Python blocks share one process."""
    python: list[str] = []
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
           "M2M_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}  # fmt: skip

    def flush() -> None:
        if python:
            (tmp_path / "blocks.py").write_text("\n".join(python))
            check([sys.executable, "blocks.py"])
            # Later blocks build on earlier ones, so they are kept as definitions.
            python.clear()

    def check(command: list[str]) -> None:
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True,
                              timeout=400)  # fmt: skip
        assert done.returncode == 0, f"{page.name}: {command}\n{done.stdout}\n{done.stderr}"

    for kind, body in run_blocks(page):
        if kind == "python":
            python.append(body)
            continue
        flush()
        for line in lines_of(body):
            check(["bash", "-euo", "pipefail", "-c", line])
    flush()


def lines_of(body: str) -> list[str]:
    """Commands of a bash block: comments dropped, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", body)
    return [line for line in (raw.split("  #")[0].strip() for raw in joined.splitlines())
            if line and not line.startswith("#")]  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_hub_and_repository_commands_are_real(page: Path) -> None:
    """Commands exist, options exist, names are in the registry, make targets are in the Makefile."""
    import typer
    from m2m_cli.main import app

    from m2m_adapters.registry.entries import registry
    from m2m_adapters.registry.names import known_names
    from m2m_adapters.registry.route import sources_of

    group: Any = typer.main.get_command(app)
    makefile = (ROOT / "Makefile").read_text()
    for kind, body in blocks(page):
        if kind == "python hub":
            for node in ast.walk(ast.parse(body)):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    if node.value.id == "m2m":
                        import m2m_adapters

                        assert node.attr in m2m_adapters.__all__, node.attr
        if kind not in ("bash hub", "bash repo"):
            continue
        for line in lines_of(body):
            words = shlex.split(line)
            if words[0] == "make":
                assert re.search(rf"^{words[1]}:", makefile, re.M), line
            elif words[0] == "m2m":
                command = group.get_command(None, words[1])
                assert command is not None, line
                while hasattr(command, "commands"):  # a group such as `m2m cache`
                    command, words = command.commands[words[2]], words[1:]
                options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
                for word in words[2:]:
                    if word.startswith("-") and not re.fullmatch(r"-[\d.]*", word):
                        assert word.split("=")[0] in {*options, "--help"}, f"{line}: {word}"
                for flag, plural in (("--source", "source"), ("--target", "target")):
                    if flag in words:
                        for name in sources_of(words[words.index(flag) + 1]):
                            if ":" in name:
                                assert name.split(":")[0] in registry().plugins, line
                            else:
                                assert name in known_names(plural), line
            elif words[0] == "pip":
                for extra in re.findall(r"m2m-adapters\[([\w,-]+)\]", line):
                    for name in extra.split(","):
                        assert re.search(rf"^{name} = \[", (ROOT / "pyproject.toml").read_text(),
                                         re.M), line  # fmt: skip
            else:
                assert words[0] in ("git", "cd", "python", "export", "torchrun"), line


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_data_blocks_parse(page: Path) -> None:
    import yaml

    for kind, body in blocks(page):
        if kind == "yaml":
            yaml.safe_load(body)
        elif kind == "json":
            json.loads(body)
        elif kind == "toml" and sys.version_info >= (3, 11):
            import tomllib

            tomllib.loads(body)


def test_the_command_reference_is_generated() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "docs" / "command_reference.py"), "--check"],
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, "docs/cli.md is stale: run python docs/command_reference.py"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_the_readme_names_every_folder_and_core_file() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in [*(ROOT / "m2m_adapters").glob("*.py"), *(ROOT / "plugins").glob("*/")]:
        if path.name not in ("__init__.py", "__pycache__") and not path.name.startswith("."):
            assert path.name in text, f"the README's file tree lacks {path.name}"


def test_every_hook_and_environment_variable_is_documented() -> None:
    from m2m_adapters import hookspecs

    pages = [*PAGES, *(ROOT / "plugins").glob("*/README.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    api = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    hooks = [name for name, value in vars(hookspecs).items()
             if hasattr(value, f"{hookspecs.GROUP}_spec")]  # fmt: skip
    assert sorted(hooks) == ["m2m_commands", "m2m_register"]
    for hook in hooks:
        assert f"::: m2m_adapters.hookspecs.{hook}\n" in api
    used = set()
    folders = [ROOT / "m2m_adapters", ROOT / "cli", *(ROOT / "plugins").glob("*/m2m_*/")]
    for path in [path for folder in folders for path in folder.rglob("*.py")]:
        used |= set(re.findall(r"\bM2M_[A-Z_]+[A-Z]", path.read_text(encoding="utf-8")))
    assert not {name for name in used if name not in text}


def test_every_key_of_the_registry_is_documented() -> None:
    from m2m_adapters.registry.entries import Entry, Plugin

    table = (ROOT / "docs" / "registry.md").read_text(encoding="utf-8")
    rows = [row.split("|")[1] for row in re.findall(r"^\|.*\|$", table, re.M)]
    documented = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    known = {*Entry.__struct_fields__, *Plugin.__struct_fields__} - {"kind", "name"}
    assert documented == known


def test_the_page_of_names_is_generated() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "docs" / "registry_names.py"), "--check"],
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, "docs/names.md is stale: run python docs/registry_names.py"


def test_every_public_name_is_on_the_api_page() -> None:
    import m2m_adapters

    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: m2m_adapters\.(\w+)$", page, re.M)
    assert sorted(shown) == sorted(m2m_adapters.__all__)
    for name in m2m_adapters.__all__:
        assert getattr(m2m_adapters, name).__doc__, f"{name} has no docstring"


def test_every_page_is_in_the_navigation() -> None:
    import yaml

    def files(node: Any) -> list[str]:
        if isinstance(node, str):
            return [node]
        children = node.values() if isinstance(node, dict) else node
        return [name for child in children for name in files(child)]

    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = files(yaml.safe_load(text)["nav"])
    assert sorted(listed) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_every_command_is_on_the_command_page() -> None:
    from m2m_cli.commands import COMMANDS

    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert not [name for name in COMMANDS if f"## m2m {name}\n" not in page]


def test_the_workflows_and_hooks_are_valid_yaml() -> None:
    import yaml

    for path in (*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8")), path
