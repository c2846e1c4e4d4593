"""English text for a target, where the user names none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.corpus.suited import suited_corpus
from m2m_adapters.errors import UserError
from m2m_adapters.testing.toys import AffineTarget


@pytest.mark.parametrize(
    ("target", "corpus"),
    [
        ("clip", "coco-captions"),
        ("open-clip:ViT-B-32/laion2b_s34b_b79k", "coco-captions"),
        ("sd15", "coco-captions"),
        ("clap", "audiocaps-captions"),
        ("audioldm", "audiocaps-captions"),
        ("tiny-clap", "tiny-sound-captions"),
        ("tiny-sd", "tiny-drawable-captions"),
        ("toy-target", "toy-sentences"),
    ],
)
def test_by_what_the_target_says_or_its_modality(target: str, corpus: str) -> None:
    assert suited_corpus(target) == corpus


def test_the_users_registry_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "registry.yaml"
    path.write_text(f"targets:\n  clip: {{texts: {tmp_path / 'mine.txt'}}}\n")
    monkeypatch.setenv("M2M_REGISTRY", str(path))
    assert suited_corpus("clip") == str(tmp_path / "mine.txt")


def test_a_modality_without_a_corpus_is_refused_in_one_line() -> None:
    target = AffineTarget()
    with pytest.raises(UserError, match="no default English text for words"):
        m2m.align("toy-source", target)


def test_two_names_are_enough(tmp_path: Path) -> None:
    done = run_m2m("align", "-s", "toy-source", "-t", "toy-target", "--max-sentences", "300",
                   "--json", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["corpus"]["origins"] == [{"kind": "name", "name": "toy-sentences"}]
    assert record["adapter"] == "toy-source-toy-target"
    assert (tmp_path / "toy-source-toy-target" / "adapter.json").is_file()


def test_what_is_not_here_is_downloaded_or_named(tmp_path: Path) -> None:
    rows = "\n".join(f"{i},a small dog number {i} barks" for i in range(60))
    folder = tmp_path / "data" / "audiocaps-captions"
    folder.mkdir(parents=True)
    (folder / "train.csv").write_text("audiocap_id,caption\n" + rows)
    registry = tmp_path / "registry.yaml"
    registry.write_text("targets:\n  sounds: {plugin: clap, model: nowhere, modality: audio}\n")
    here = {"M2M_DATA": str(tmp_path / "data"), "M2M_REGISTRY": str(registry)}
    done = run_m2m("align", "-s", "toy-source", "-t", "sounds", cwd=tmp_path, **here)
    assert done.returncode == 2 and "English text: audiocaps-captions" in done.stderr
    assert "nowhere" in done.stderr.splitlines()[-1]  # the corpus is there; the model is not
