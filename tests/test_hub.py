"""push, pull and names of the hub, against its endpoints on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fake_dist import run_m2m
from hub_stand_in import TOKEN, Hub, Repo, hub_stand_in
from msgspec import structs
from records import change_record

import m2m_adapters as m2m
from m2m_adapters.artifact.card import card
from m2m_adapters.artifact.card_data import card_data
from m2m_adapters.artifact.codec import convert
from m2m_adapters.artifact.hub import find
from m2m_adapters.artifact.publish import pull, push
from m2m_adapters.artifact.record import EvaluationRecord, HubRecord, OriginRecord
from m2m_adapters.artifact.results import result_files
from m2m_adapters.errors import UserError
from m2m_adapters.testing import toy_sentences

pytest.importorskip("huggingface_hub")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = m2m.align("toy-source", "toy-target", "toy-sentences", max_sentences=120,
                     recipe="closed-form", progress=False)  # fmt: skip
    return made.save(tmp_path_factory.mktemp("hub") / "adapter")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    with hub_stand_in() as stand_in:
        monkeypatch.setenv("HF_ENDPOINT", stand_in.address)
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("M2M_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        # The library reads HF_ENDPOINT when it is imported, which was earlier.
        template = f"{stand_in.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", stand_in.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
        yield stand_in


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def on_hub(hub: Hub, folder: Path, name: str = "org/name", **more: bytes) -> str:
    repo = hub.repos.setdefault(name, Repo())
    return repo.commit({**files_of(folder), **more})


def changed(folder: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the adapter whose record was changed by hand."""
    copy = tmp_path / "changed"
    shutil.copytree(folder, copy)
    change_record(copy, change)
    return copy


def test_round_trip(hub: Hub, folder: Path, tmp_path: Path) -> None:
    done = push(folder, "org/name")
    assert done.url == f"{hub.address}/org/name" and done.commit in hub.repos["org/name"].commits
    kept = hub.repos["org/name"].commits[done.commit]
    assert set(kept) == {
        ".gitattributes",
        "README.md",
        "adapter.json",
        "adapter.safetensors",
        "bank.safetensors",
    }
    assert b'load_adapter("org/name")' in kept["README.md"]
    ours = m2m.load_adapter(folder)
    loaded = m2m.load_adapter("org/name")
    assert loaded.record.hub == HubRecord(repo="org/name", commit=done.commit)
    assert loaded.digest == ours.digest == done.digest
    np.testing.assert_array_equal(loaded.encode(["ein Hund"]), ours.encode(["ein Hund"]))
    told = pull("org/name@main", tmp_path / "pulled", digest=f"sha256:{done.digest}")
    assert told == done
    again = m2m.load_adapter(tmp_path / "pulled")
    assert again.record.hub.commit == done.commit
    np.testing.assert_array_equal(again.encode(["犬"]), ours.encode(["犬"]))
    assert push(tmp_path / "pulled", "org/name").commit != done.commit  # a second commit, same repo


def test_revisions_are_pinned(hub: Hub, folder: Path, tmp_path: Path) -> None:
    first = on_hub(hub, folder)
    hub.repos["org/name"].refs["v1.0"] = first
    assert m2m.load_adapter("org/name@v1.0").record.hub.commit == first
    other = m2m.align("toy-source", "toy-target", "toy-sentences", max_sentences=90,
                      recipe="closed-form", progress=False).save(tmp_path / "other")  # fmt: skip
    second = on_hub(hub, other)
    assert m2m.load_adapter("org/name").record.hub.commit == second
    for revision in ("v1.0", first):
        assert m2m.load_adapter(f"org/name@{revision}").digest == m2m.load_adapter(folder).digest


def test_what_is_here_needs_no_network(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = on_hub(hub, folder)
    m2m.load_adapter("org/name")
    asked = len(hub.asked)
    assert m2m.load_adapter(f"org/name@{commit}") and len(hub.asked) == asked
    hub.down = True
    with pytest.warns(UserWarning, match="as fetched before"):
        assert m2m.load_adapter("org/name").record.hub.commit == commit
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = len(hub.asked)
    assert m2m.load_adapter("org/name") and len(hub.asked) == asked
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        m2m.load_adapter("org/elsewhere")
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        push(folder, "org/name")


def test_only_the_adapters_own_files_are_fetched(hub: Hub, folder: Path) -> None:
    on_hub(hub, folder, **{"pytorch_model.bin": b"\x80\x04bomb", "modeling.py": b"raise SystemExit",
                           ".eval_results/xtd10.yaml": b"[]", ".eval_results/../../x.yaml": b"x",
                           "sub/adapter.json": b"{}"})  # fmt: skip
    place = find("org/name")
    assert set(files_of(place)) == {
        "README.md", "adapter.json", "adapter.safetensors", "bank.safetensors", ".eval_results/xtd10.yaml",
    }  # fmt: skip
    assert not [line for line in hub.asked if "bin" in line or "modeling" in line or "sub/" in line]


def test_tampering_is_refused(hub: Hub, folder: Path, tmp_path: Path) -> None:
    good = m2m.load_adapter(folder).digest
    raw = bytearray((folder / "adapter.safetensors").read_bytes())
    raw[-1] ^= 1
    on_hub(hub, folder, **{"adapter.safetensors": bytes(raw)})
    with pytest.raises(UserError, match="does not match its record"):
        m2m.load_adapter("org/name")
    assert not list((tmp_path / "cache").rglob("adapter.json"))
    # Whoever changes weights and record alike is caught by the digest that the author gave.
    import hashlib

    def vouch(record: dict[str, Any]) -> None:
        record["weights"]["sha256"] = hashlib.sha256(raw).hexdigest()

    forged = changed(folder, tmp_path, vouch)
    (forged / "adapter.safetensors").write_bytes(bytes(raw))
    on_hub(hub, forged)
    assert m2m.load_adapter("org/name").digest != good
    with pytest.raises(UserError, match="another adapter than the one you asked for"):
        m2m.load_adapter("org/name", digest=good)
    with pytest.raises(UserError, match="another adapter than the one you asked for"):
        pull("org/name", tmp_path / "out", digest=good)
    assert not (tmp_path / "out").exists()


def test_repositories_that_are_no_adapters(hub: Hub, folder: Path, tmp_path: Path) -> None:
    hub.repos["org/bert"] = Repo()
    hub.repos["org/bert"].commit({"config.json": b"{}", "pytorch_model.bin": b""})
    hub.repos["org/secret"] = Repo(gated=True)
    on_hub(hub, folder, "org/huge", **{"adapter.json": b" " * (5 << 20)})
    on_hub(hub, folder, "org/odd", **{"adapter.json": b"[]"})
    on_hub(hub, folder)
    for name, line in (
        ("org/bert", "is not an adapter: it has no adapter.json"),
        ("org/secret", "is gated"),
        ("org/huge", "far more than an adapter can have"),
        ("org/odd", "must hold a JSON object"),
        ("org/none", "the hub has no org/none"),
        ("org/name@v9", "has no revision 'v9'"),
        ("../../etc/passwd", "there is no adapter folder"),
        ("org/../name", "there is no adapter folder"),
        ("org/name@../../x", "there is no adapter folder"),
    ):
        with pytest.raises(UserError, match=line) as refused:
            m2m.load_adapter(name)
        assert "\n" not in str(refused.value)
    hub.down = True
    with pytest.raises(UserError, match="there is no folder org/other here, and fetching it"):
        m2m.load_adapter("org/other")


def test_names_of_the_registry(
    hub: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = on_hub(hub, folder)
    mine = tmp_path / "registry.yaml"
    told = {"model": "org/name", "revision": commit, "digest": m2m.load_adapter(folder).digest}
    mine.write_text(yaml.safe_dump({"adapters": {"ours": told}}))
    monkeypatch.setenv("M2M_REGISTRY", str(mine))
    assert m2m.load_adapter("ours").record.hub.commit == commit
    mine.write_text(yaml.safe_dump({"adapters": {"ours": {**told, "digest": "0" * 64}}}))
    with pytest.raises(UserError, match="another adapter"):
        m2m.load_adapter("ours")
    with pytest.raises(UserError, match="did you mean 'ours'"):
        m2m.load_adapter("our")


def test_what_cannot_be_published(
    hub: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("name", "org/name@v1", "org/..", "a b/c"):
        with pytest.raises(UserError, match="not a repository name of the hub"):
            push(folder, name)
    with pytest.raises(UserError, match="there is no adapter folder org/name"):
        push("org/name", "org/name")
    here = changed(folder, tmp_path, lambda r: r["source"].update(name="st:/home/somebody/model"))
    with pytest.raises(UserError, match="is a local folder"):
        push(here, "org/name")
    with pytest.raises(UserError, match="a folder already"):
        pull(str(folder), tmp_path / "out")
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(UserError, match="does not let you publish org/name; `hf auth login`"):
        push(folder, "org/name")


def test_the_hubs_own_methods(hub: Hub, folder: Path, tmp_path: Path) -> None:
    from m2m_adapters.artifact.publish import HubAdapter

    made = HubAdapter.from_pretrained(folder)
    made.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "adapter.safetensors").is_file()
    made.push_to_hub("org/mixin")
    again = HubAdapter.from_pretrained("org/mixin", revision="main")
    assert again.adapter.digest == made.adapter.digest and again.repo == "org/mixin"


EVALUATION = {
    "benchmark": {"name": "tiny-scenes", "items": 200},
    "systems": {"adapter": {"languages": {
        code: {"text_to_item": {f"R@{k}": [10.0 * k, 9.0, 11.0] for k in (1, 5, 10)}}
        for code in ("de", "en", "ja")
    }, "averages": {}}},
}  # fmt: skip


def test_the_card(folder: Path) -> None:
    record = m2m.load_adapter(folder).record
    record = structs.replace(
        record,
        source=structs.replace(record.source, name="0.5*mpnet+labse", provenance={}),
        target=structs.replace(record.target, name="jina-clip-v2", provenance={}),
        corpus=structs.replace(
            record.corpus, origins=[OriginRecord(kind="name", name="coco-captions")]
        ),
        evaluation=[convert(EVALUATION, EvaluationRecord, "here")],
    )
    from huggingface_hub import ModelCard

    shown = card(record, "org/name")
    data = ModelCard(shown).data.to_dict()
    assert data["base_model"] == [
        "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
        "sentence-transformers/LaBSE",
        "jinaai/jina-clip-v2",
    ]
    assert data["base_model_relation"] == "adapter" and data["library_name"] == "m2m-adapters"
    assert data["license"] == "cc-by-nc-4.0"
    assert data["language"] == ["de", "en", "ja", "multilingual"]
    assert "- Not for commercial use." in shown and "| de | R@10 | 100.0 |" in shown
    files = result_files(record)
    assert list(files) == [".eval_results/tiny-scenes.yaml"]
    entries = yaml.safe_load(files[".eval_results/tiny-scenes.yaml"])
    assert len(entries) == 9 and entries[0] == {
        "dataset": {"id": "tiny-scenes", "task_id": "R@1/de"}, "value": 10.0,
    }  # fmt: skip
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    theirs = EvalResultEntry(dataset_id="tiny-scenes", task_id="R@1/de", value=10.0)
    assert entries[:1] == eval_result_entries_to_yaml([theirs])
    forbids = structs.replace(record.target, provenance={"license": "cc-by-nd-4.0"})
    record = structs.replace(record, target=forbids)
    assert card_data(record)["license"] == "other"
    assert "- Conflict: the target (cc-by-nd-4.0) does not allow derived work" in card(record)


def test_what_is_published_tells_no_folder_of_this_machine(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "captions.txt").write_text("\n".join(toy_sentences(200)))
    made = m2m.align("toy-source", "toy-target", tmp_path / "secret" / "captions.txt",
                     recipe="closed-form", progress=False, store=False)  # fmt: skip
    done = push(made, "org/shared")
    for content in hub.repos["org/shared"].commits[done.commit].values():
        assert b"secret" not in content
    assert m2m.load_adapter("org/shared").record.corpus.origins[0].path == "captions.txt"
    assert "secret" in made.record.corpus.origins[0].path


def test_a_path_in_a_record_of_the_hub_is_not_opened(
    hub: Hub, folder: Path, tmp_path: Path
) -> None:
    on_hub(hub, changed(folder, tmp_path, lambda r: r["source"].update(name="st:/etc")))
    with pytest.raises(UserError, match=r"local folder of the machine it was aligned on \(/etc\)"):
        m2m.load_adapter("org/name").encode(["a dog"])


def test_results_travel(hub: Hub, folder: Path, tmp_path: Path) -> None:
    measured = changed(folder, tmp_path, lambda r: r.update(evaluation=[EVALUATION]))
    done = push(measured, "org/measured")
    kept = hub.repos["org/measured"].commits[done.commit]
    assert yaml.safe_load(kept[".eval_results/tiny-scenes.yaml"])[2]["value"] == 100.0
    assert b"## tiny-scenes" in kept["README.md"]
    assert m2m.load_adapter("org/measured").record.evaluation == [
        convert(EVALUATION, EvaluationRecord, "here")
    ]


def test_the_commands(hub: Hub, folder: Path, tmp_path: Path) -> None:
    """In processes of their own, which know the stand-in by HF_ENDPOINT alone."""
    done = run_m2m("push", str(folder), "org/cli", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["commit"] in hub.repos["org/cli"].commits and "statements" in told["license"]
    fetched = run_m2m("pull", "org/cli", "--out", str(tmp_path / "a"), "--digest", told["digest"])
    assert fetched.returncode == 0 and told["commit"] in fetched.stdout, fetched.stderr
    refused = run_m2m("pull", "org/cli", "--out", str(tmp_path / "b"), "--digest", "0" * 64)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert "another adapter" in refused.stderr and not (tmp_path / "b").exists()
