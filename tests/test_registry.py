"""The registry: shipped entries, merging, the schema's errors, close matches."""

from __future__ import annotations

from pathlib import Path

import pytest

from m2m_adapters.errors import UserError
from m2m_adapters.registry.entries import read, registry, shipped_text
from m2m_adapters.registry.names import resolve

REQUIRED = {
    "source": ["mpnet", "minilm", "labse", "jina-v3", "e5-small", "e5-base", "e5-large", "bge-m3",
               "gte-multilingual"],
    "target": ["jina-clip", "clip-l14", "align", "siglip-base", "siglip2-base", "metaclip-b32",
               "open-clip-b32", "open-clip-l14", "open-clip-h14", "clap", "clap-music",
               "clap-htsat-fused", "flux", "sd15", "sdxl", "sd3"],
}  # fmt: skip


@pytest.mark.parametrize("kind", REQUIRED)
def test_shipped_entries_are_complete(kind: str) -> None:
    known = read([(shipped_text(), "registry.yaml")])
    for name in REQUIRED[kind]:
        entry = known.find(kind, name)
        assert entry is not None, name
        assert entry.model.count("/") == 1 and entry.dim and entry.plugin in known.plugins
        assert kind == "source" or entry.modality in ("image", "audio")
        assert known.install_line(entry).startswith("pip install")


def test_the_users_file_is_merged_key_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "sources:\n  mpnet: {revision: abc}\n  mine: {plugin: st, model: me/mine, dim: 3}\n"
    )
    monkeypatch.setenv("M2M_REGISTRY", str(mine))
    known = registry()
    merged = known.find("source", "mpnet")
    assert merged is not None and merged.revision == "abc" and merged.dim == 768
    assert known.find("source", "mine") is not None
    mine.write_text("sources:\n  other: {plugin: st, model: me/other}\n")
    assert registry().find("source", "other") is not None


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("sources:\n  a: {modle: x}", 2, "unknown key 'modle' in sources.a (did you mean 'model'"),
        ("surces:\n  a: {model: x}", 1, "unknown section 'surces' (did you mean 'sources'"),
        ("sources:\n  a: {dim: big}", 2, "'dim' in sources.a must be int, not str"),
        ("sources:\n  a:\n    dim: 3\n    dim: 4", 4, "'dim' appears twice"),
        ("sources:\n  a: {dim: 3}\n  a: {dim: 4}", 3, "'a' appears twice"),
        ("sources:\n  a: 3", 2, "sources.a must be a mapping"),
        ("sources: 3", 1, "'sources' must be a mapping"),
        ("- 1", 1, "the file must be a mapping"),
        ("sources:\n  a: {x", 2, "expected"),
        ("sources:\n  a: {modality: image}", 2, "unknown key 'modality'"),
        ("sources:\n  a: {dim: true}", 2, "must be int"),
        ("sources:\n  a: {model: 2024-13-45}\n  b: {dim: 2024-01-02}", 3, "must be int, not str"),
        ("sources:\n  [a]: {dim: 3}", 2, "is not text"),
        ("sources:\n  a: {dim: 0x_}", 2, "'dim' in sources.a is not a number"),
        ("sources:\n  a: {dim: 0}", 2, "'dim' in sources.a must be int >= 1"),
        ("sources:\n  a: {languages: [de, 3]}", 2, "'languages' in sources.a must be str, not int"),
        ("sources:\n  a: {options: [1]}", 2, "'options' in sources.a must be object, not array"),
        ("sources:\n  a: {options: " + "{a: " * 40 + "1" + "}" * 41, 2, "nested too deeply"),
        ("[" * 3000, 1, "nested too deeply"),
        ("plugins:\n  st: {install: 3}", 2, "'install' in plugins.st must be str, not int"),
        ("sources:\n  a: {model: !!python/object/apply:os.system [ls]}", 2, ""),
    ],
)  # fmt: skip
def test_errors_name_file_line_and_key(text: str, line: int, told: str) -> None:
    with pytest.raises(UserError) as error:
        read([(text, "mine.yaml")])
    assert f"mine.yaml, line {line}: " in error.value.what
    assert told in error.value.what


def test_unknown_names_answer_with_close_matches() -> None:
    with pytest.raises(UserError, match="did you mean 'mpnet'"):
        resolve("source", "mpnt")
    with pytest.raises(UserError, match="m2m list --targets"):
        resolve("target", "zzzzzz")


def test_a_missing_plugin_answers_with_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from m2m_adapters.registry import names as home
    from m2m_adapters.registry import plugins

    monkeypatch.setenv("M2M_PLUGINS", "")
    monkeypatch.setattr(home, "catalogue", plugins.load_plugins)
    for name in ("clap", "clap:laion/x"):
        with pytest.raises(UserError) as error:
            resolve("target", name)
        assert error.value.remedy == 'pip install "m2m-adapters[clap]"'


def test_foreign_code_is_not_for_a_registry_to_allow() -> None:
    text = "sources:\n  x:\n    plugin: st\n    options: {trust_remote_code: true}\n"
    with pytest.raises(UserError, match=r"line 4.*trust_remote_code"):
        read([(text, "mine.yaml")])
