"""The store: what is computed is kept, whole, once, and never believed when it is damaged."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.embeddings.cache import prune
from m2m_adapters.embeddings.shard import Shard, damage, keys_of, write_shard
from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.stored import WINDOW, StoredEncoder
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import TextEncoder, Vectors
from m2m_adapters.projectors.rows import TokenStates
from m2m_adapters.testing import ToySource, toy_sentences

SENTENCES = list(toy_sentences(6000))


class Counting(ToySource):
    """A toy that can be filed exactly and counts what it encodes."""

    def __init__(self, dim: int = 64, name: str = "counting") -> None:
        super().__init__(dim)
        self.fingerprint = f"toy:{name}:{dim}"
        self.encoded = 0

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        self.encoded += len(texts)
        return super().encode(texts, **options)


@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
def test_a_text_is_encoded_once(tmp_path: Path, dtype: str) -> None:
    encoder = Counting()
    first = StoredEncoder(encoder, Store(tmp_path, dtype)).embed(SENTENCES[:5000])
    assert encoder.encoded == 5000
    again = StoredEncoder(encoder, Store(tmp_path, dtype)).embed(SENTENCES[4000:][::-1])
    assert encoder.encoded == 6000
    np.testing.assert_array_equal(again[::-1][:1000], first[4000:])
    exact = ToySource(64).encode(SENTENCES[:5000])
    np.testing.assert_allclose(first, exact, atol=1e-6 if dtype == "fp32" else 1e-3)


def test_encoders_and_formats_have_sections_of_their_own(tmp_path: Path) -> None:
    for encoder, dtype in ((Counting(), "fp32"), (Counting(), "fp16"), (Counting(32), "fp32"),
                           (Counting(name="other"), "fp32")):  # fmt: skip
        StoredEncoder(encoder, Store(tmp_path, dtype)).embed(SENTENCES[:10])
        assert encoder.encoded == 10
    assert len(list(Store(tmp_path).sections())) == 4


def test_an_encoder_without_an_exact_fingerprint_is_not_filed(tmp_path: Path) -> None:
    class Nameless(Counting):
        def __init__(self) -> None:
            super().__init__()
            del self.fingerprint
            self.fingerprint = TextEncoder.fingerprint.func(self)  # type: ignore[attr-defined]

    encoder = Nameless()
    StoredEncoder(encoder, Store(tmp_path)).embed(SENTENCES[:10])
    assert not list(Store(tmp_path).sections())


def test_strange_texts_have_keys_of_their_own() -> None:
    texts = ["", " ", "a", "A", "e\u0301", "\u00e9", "\ud800", "x" * 10_000, "a\nb", "a b", "犬"]
    assert len({tuple(key) for key in keys_of(texts).tolist()}) == len(texts)


def test_rows_are_mapped_not_copied(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.shard", keys_of(["a", "b"]), np.eye(2, dtype=np.float32))
    shard = Shard(tmp_path / "a.shard")
    assert isinstance(shard.rows, np.memmap) and not shard.rows.flags.writeable


def test_every_flipped_byte_is_noticed_and_nothing_damaged_is_used(tmp_path: Path) -> None:
    encoder = Counting(4)
    StoredEncoder(encoder, Store(tmp_path)).embed(SENTENCES[:6])
    (section,) = Store(tmp_path).sections()
    files = [p for p in section.folder.iterdir() if p.suffix == ".shard" or p.name == "about.json"]
    assert len(files) == 2
    for path in files:
        whole = path.read_bytes()
        for place in range(len(whole)):
            broken = bytearray(whole)
            broken[place] ^= 1 << random.Random(place).randrange(8)
            path.write_bytes(broken)
            assert Store(tmp_path).verify(), (path.name, place)
            if path.suffix == ".shard" and place % 7 == 0:
                with pytest.raises(UserError, match="damaged"):
                    StoredEncoder(encoder, Store(tmp_path)).embed(SENTENCES[:6])
        for cut in (0, 1, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:cut])
            assert Store(tmp_path).verify()
        path.write_bytes(whole)
    assert not Store(tmp_path).verify()


def test_mending_drops_what_is_damaged_and_keeps_the_rest(tmp_path: Path) -> None:
    encoder = Counting()
    StoredEncoder(encoder, Store(tmp_path)).embed(SENTENCES[: 2 * WINDOW])
    (section,) = Store(tmp_path).sections()
    path = sorted(section.folder.glob("*.shard"))[0]
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
    assert damage(path)
    assert len(Store(tmp_path).verify(mend=True)) == 1
    before = encoder.encoded
    StoredEncoder(encoder, Store(tmp_path)).embed(SENTENCES[: 2 * WINDOW])
    assert encoder.encoded == before + WINDOW


def test_a_full_disk_is_one_line_and_keeps_everything_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, store = Counting(), Store(tmp_path)
    StoredEncoder(encoder, store).embed(SENTENCES[:WINDOW])

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        StoredEncoder(encoder, store).embed(SENTENCES[: 2 * WINDOW])
    monkeypatch.undo()
    (section,) = Store(tmp_path).sections()
    assert len(section) == WINDOW and not Store(tmp_path).verify()
    assert not [p for p in section.folder.iterdir() if p.name.endswith(".part")]


FILL = """
import sys, random
sys.path.insert(0, {tests!r})
from test_store import Counting, SENTENCES
from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.stored import StoredEncoder
some = SENTENCES[:]
random.Random(int(sys.argv[2])).shuffle(some)
for start in range(0, len(some), 500):
    StoredEncoder(Counting(), Store(sys.argv[1])).embed(some[start:start + 500])
"""


def test_four_processes_fill_one_store_without_loss_or_duplicate(tmp_path: Path) -> None:
    script = tmp_path / "fill.py"
    script.write_text(FILL.format(tests=str(Path(__file__).parent)))
    folder = tmp_path / "store"
    running = [subprocess.Popen([sys.executable, str(script), str(folder), str(n)])
               for n in range(4)]  # fmt: skip
    assert [one.wait(timeout=300) for one in running] == [0] * 4
    store = Store(folder)
    assert not store.verify()
    (section,) = store.sections()
    stored = np.concatenate([np.array(Shard(p).keys) for p in section.folder.glob("*.shard")])
    assert len(stored) == len(np.unique(stored, axis=0)) == len(SENTENCES)
    encoder = Counting()
    found = StoredEncoder(encoder, store).embed(SENTENCES)
    assert encoder.encoded == 0
    np.testing.assert_allclose(found, ToySource(64).encode(SENTENCES), atol=1e-6)


def test_a_run_killed_at_random_instants_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    """Same bytes, and no sentence is encoded twice beyond the window in flight."""
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(SENTENCES))
    script = tmp_path / "run.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import time, m2m_adapters as m2m\n"
        "from test_store import Counting\n"
        "from m2m_adapters.testing import AffineTarget\n"
        "class Slow(Counting):\n"
        "    def encode(self, texts, **options):\n"
        "        open(sys.argv[3], 'a').write(f'{len(texts)}\\n')\n"
        "        time.sleep(0.05)\n"
        "        return super().encode(texts, **options)\n"
        "adapter = m2m.align(Slow(), AffineTarget(), sys.argv[1], recipe='closed-form', "
        "progress=False)\n"
        "adapter.save(sys.argv[2])\n"
    )

    def run(name: str, *, kills: int = 0) -> tuple[bytes, int]:
        env = {**os.environ, "M2M_CACHE": str(tmp_path / f"cache-{name}")}
        log, out = tmp_path / f"log-{name}", tmp_path / f"out-{name}"
        log.touch()
        command = [sys.executable, str(script), str(corpus), str(out), str(log)]
        rng, killed = random.Random(5), 0
        while True:
            started = subprocess.Popen(command, env=env)
            if killed < kills:
                # Wait until it works, then kill it a little later.
                size = log.stat().st_size
                while log.stat().st_size == size and started.poll() is None:
                    time.sleep(0.005)
                time.sleep(rng.uniform(0, 0.25))
                started.send_signal(signal.SIGKILL)
                started.wait()
                killed += 1
                continue
            assert started.wait(timeout=300) == 0
            break
        encoded = sum(int(line) for line in log.read_text().split())
        return (out / "adapter.safetensors").read_bytes(), encoded

    whole, once = run("whole")
    again, often = run("killed", kills=4)
    assert again == whole
    assert once <= often <= once + 4 * WINDOW


def test_the_store_serves_later_alignments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M2M_CACHE", str(tmp_path))
    from m2m_adapters.testing import AffineTarget

    encoder = Counting()
    m2m.align(encoder, AffineTarget(48), SENTENCES, progress=False, recipe="closed-form")
    used = encoder.encoded
    m2m.align(encoder, AffineTarget(32), SENTENCES,
              progress=False, recipe="closed-form", seed=0)  # fmt: skip
    assert encoder.encoded == used
    m2m.align(encoder, AffineTarget(48), SENTENCES, progress=False, recipe="closed-form",
              store=False)  # fmt: skip
    assert encoder.encoded == 2 * used


def test_the_cache_commands(tmp_path: Path) -> None:
    env = str(tmp_path)
    assert run_m2m("cache", "path", M2M_CACHE=env).stdout.strip() == str(tmp_path)
    StoredEncoder(Counting(), Store(tmp_path)).embed(SENTENCES[:100])
    assert "toy:counting:64" in run_m2m("cache", "ls", M2M_CACHE=env).stdout
    assert '"vectors": 100' in run_m2m("cache", "info", "--json", M2M_CACHE=env).stdout
    assert run_m2m("cache", "verify", M2M_CACHE=env).returncode == 0
    (section,) = Store(tmp_path).sections()
    path = next(section.folder.glob("*.shard"))
    path.write_bytes(path.read_bytes()[:-1])
    damaged = run_m2m("cache", "verify", M2M_CACHE=env)
    assert damaged.returncode == 1 and path.name in damaged.stdout
    assert run_m2m("cache", "verify", "--mend", M2M_CACHE=env).returncode == 0
    StoredEncoder(Counting(), Store(tmp_path)).embed(SENTENCES[:100])
    assert run_m2m("cache", "prune", M2M_CACHE=env).returncode == 2
    assert run_m2m("cache", "prune", "--max-size", "10X", M2M_CACHE=env).returncode == 2
    assert run_m2m("cache", "prune", "--max-size", "1K", M2M_CACHE=env).returncode == 0
    assert not list(Store(tmp_path).sections())


def int8_model(cache: Path, name: str, size: int, days_ago: float) -> Path:
    path = cache / "int8" / f"{name}.onnx"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(size))
    then = time.time() - days_ago * 86_400
    os.utime(path, (then, then))
    return path


def test_int8_models_are_listed_counted_and_deleted_as_vectors_are(tmp_path: Path) -> None:
    env = str(tmp_path)
    StoredEncoder(Counting(), Store(tmp_path)).embed(SENTENCES[:100])
    (section,) = Store(tmp_path).sections()
    size = section.size
    old, new = int8_model(tmp_path, "old", 3000, 40), int8_model(tmp_path, "new", 2000, -1)
    rows = json.loads(run_m2m("cache", "ls", "--json", M2M_CACHE=env).stdout)
    assert [(row["encoder"], row["vectors"], row["bytes"]) for row in rows[1:]] == [
        ("int8/new.onnx", None, 2000), ("int8/old.onnx", None, 3000)]  # fmt: skip
    assert "int8/old.onnx" in run_m2m("cache", "ls", M2M_CACHE=env).stdout
    info = json.loads(run_m2m("cache", "info", "--json", M2M_CACHE=env).stdout)
    assert info["int8_models"] == 2 and info["bytes"] == size + 5000
    (old.parent / "mine.txt").write_text("not ours")
    pruned = run_m2m("cache", "prune", "--older-than", "30", "--json", M2M_CACHE=env)
    assert json.loads(pruned.stdout) == {"freed": 3000} and not old.exists()
    assert prune(tmp_path, max_bytes=2000) == size  # used before the newer model
    assert new.exists() and not list(Store(tmp_path).sections())
    assert prune(tmp_path, max_bytes=1999) == 2000
    assert [path.name for path in old.parent.iterdir()] == ["mine.txt"]
    assert prune(tmp_path, max_bytes=0) == 0


def test_a_section_that_nobody_can_read_is_deleted_too(tmp_path: Path) -> None:
    StoredEncoder(Counting(), Store(tmp_path)).embed(SENTENCES[:100])
    (section,) = Store(tmp_path).sections()
    (section.folder / "about.json").write_text("{")
    size = section.size
    assert prune(tmp_path, older_than_days=1) == 0 and section.folder.exists()
    assert prune(tmp_path, max_bytes=0) == size > 0 and not section.folder.exists()


def test_a_row_that_is_not_there_is_never_read(tmp_path: Path) -> None:
    StoredEncoder(Counting(), Store(tmp_path)).embed(SENTENCES[:10])
    (section,) = Store(tmp_path).sections()
    with pytest.raises(ValueError, match="not stored"):
        section.read(section.find([*SENTENCES[:2], "never seen"]))


def test_a_prune_between_looking_and_reading_gives_no_other_texts_vector(tmp_path: Path) -> None:
    class Pruned(Counting):
        """Another process prunes whenever this one encodes."""

        def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
            prune(tmp_path, max_bytes=0)
            return super().encode(texts, **options)

    StoredEncoder(Pruned(), Store(tmp_path)).embed(SENTENCES[:50])
    stored = StoredEncoder(Pruned(), Store(tmp_path))
    np.testing.assert_allclose(
        stored.embed(SENTENCES[:100]), ToySource(64).encode(SENTENCES[:100]), atol=1e-6
    )


def test_a_flipped_byte_in_about_costs_no_vector(tmp_path: Path) -> None:
    encoder = Counting()
    StoredEncoder(encoder, Store(tmp_path)).embed(SENTENCES[:100])
    (section,) = Store(tmp_path).sections()
    about = section.folder / "about.json"
    about.write_bytes(about.read_bytes().replace(b"64", b"65", 1))
    assert [path for path, _ in Store(tmp_path).verify(mend=True)] == [about]
    StoredEncoder(encoder, Store(tmp_path)).embed(SENTENCES[:100])
    assert encoder.encoded == 100 and not Store(tmp_path).verify()
    assert [len(one) for one in Store(tmp_path).sections()] == [100]


@pytest.mark.parametrize("change", [{"dim": -1}, {"dim": "64"}, {"dtype": "fp8"}, {"x": 1}])
def test_an_absurd_about_is_damage_and_breaks_nothing(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    from m2m_adapters.embeddings.store import _name, _told

    about: dict[str, object] = {"fingerprint": "f", "dim": 64, "dtype": "fp32", **change}
    folder = tmp_path / "vectors" / _name(about)
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(_told(about))
    assert not list(Store(tmp_path).sections())
    assert [path for path, _ in Store(tmp_path).verify()] == [folder / "about.json"]


def test_token_states_are_whole_or_damaged(tmp_path: Path) -> None:
    texts = SENTENCES[:5]
    parts = [np.full((n, 3), n, np.float16) for n in (2, 1, 4, 3, 1)]
    path = tmp_path / "a.shard"
    write_shard(path, keys_of(texts), TokenStates.join(parts))
    assert damage(path) is None
    shard = Shard(path)
    for number, part in enumerate(parts):
        np.testing.assert_array_equal(shard.states(number), part)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert damage(path) is not None, size
    write_shard(path, keys_of([]), TokenStates.join([], 3))
    assert damage(path) is None and len(Shard(path)) == 0


def test_a_new_shard_costs_its_own_length(tmp_path: Path) -> None:
    """A large index is not sorted again for a few new rows, and there are never many of them."""
    encoder = Counting()
    section = Store(tmp_path).section(encoder)
    assert section is not None
    for start, stop in ((0, 400), (400, 410), (410, 420), (420, 425)):
        section.add(SENTENCES[start:stop], encoder.encode(SENTENCES[start:stop]))
        assert len(section) == stop
    assert [len(index.keys) for index in section._indices] == [400, 20, 5]
    assert (section.find(SENTENCES[:425]) >= 0).all()
