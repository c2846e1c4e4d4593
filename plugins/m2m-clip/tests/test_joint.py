"""Joint models: pairs are scored as by itself, and a search is re-ranked in any language."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers as tf
from joint_folders import joint_folder
from m2m_clip.joint import load
from PIL import Image

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.search.query import Query, parse
from m2m_adapters.search.rerank import rerank
from m2m_adapters.testing import TextEncoderSuite
from m2m_adapters.testing.toys import ToySource, toy_sentences


class WordSource(ToySource):
    """A toy that shows a state for each word."""

    def encode_tokens(self, texts):
        return [self.encode(text.split() or ["."]) for text in texts]


@pytest.fixture(scope="module")
def folder():
    return joint_folder("vilt")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    place = tmp_path_factory.mktemp("photos")
    noise = np.random.default_rng(0)
    for number in range(6):
        pixels = noise.integers(0, 255, (32, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return sorted(place.glob("*.png"))


@pytest.fixture(scope="module")
def adapter(folder, tmp_path_factory):
    target = m2m.load_target(f"joint:{folder}", device="cpu")
    made = m2m.align(WordSource(), target, list(toy_sentences(200)), epochs=2, store=False,
                     progress=False)  # fmt: skip
    assert made.level == "token"
    where = made.save(tmp_path_factory.mktemp("adapters") / "a")
    return m2m.load_adapter(where, source=WordSource(), target=target)


def native_vilt(model, given, seen):
    return model(**given, **seen).logits[0, 0]


def native_bridgetower(model, given, seen):
    logits = model(**given, **seen).logits
    return logits[0, 1] - logits[0, 0]


def native_blip2(model, given, seen):
    if model.config.image_token_index is not None:  # its processor puts them before a caption
        queries = torch.full((1, model.config.num_query_tokens), model.config.image_token_index)
        given["input_ids"] = torch.cat([queries, given["input_ids"]], 1)
        given["attention_mask"] = torch.cat([queries * 0 + 1, given["attention_mask"]], 1)
    logits = model(**given, **seen, use_image_text_matching_head=True).logits_per_image
    return logits[0, 1] - logits[0, 0]


def native_flava(model, given, seen):
    logits = model(
        **given, **seen, input_ids_masked=given["input_ids"], return_loss=False
    ).itm_logits
    return logits[0, 1] - logits[0, 0]


NATIVE = {
    "vilt": native_vilt, "bridgetower": native_bridgetower, "blip2": native_blip2,
    "blip2-image-tokens": native_blip2, "flava": native_flava,
}  # fmt: skip


@pytest.mark.parametrize("name", NATIVE)
def test_pairs_are_scored_as_by_the_model_itself(name, pictures):
    place = joint_folder(name)
    target = load(str(place), device="cpu")
    texts = ["a red circle above a dog", "a cat", "a blue star", "a dog", "a", "square square"]
    vectors = target.text.encode(texts)
    ours = target.score(vectors, pictures, batch_size=1)
    assert np.allclose(ours, target.score(vectors, pictures, batch_size=4), atol=1e-4)
    model = getattr(tf, target.family.made_of).from_pretrained(place).eval()
    reader = tf.AutoTokenizer.from_pretrained(place)
    processor = tf.AutoImageProcessor.from_pretrained(place)
    for text, picture, score in zip(texts, pictures, ours, strict=True):
        given = reader(text, return_tensors="pt", return_token_type_ids=False)
        seen = processor(Image.open(picture).convert("RGB"), return_tensors="pt")
        with torch.inference_mode():
            own = float(NATIVE[name](model, dict(given), seen))
        assert abs(own - score) <= 1e-6 * max(1, abs(own))
    assert np.ptp(ours) > 0.01


@pytest.mark.parametrize("name", [name for name in NATIVE if name != "vilt"])
def test_an_adapter_scores_pairs_in_any_language(name, pictures):
    target = load(str(joint_folder(name)), device="cpu")
    made = m2m.align(WordSource(), target, list(toy_sentences(200)), epochs=2, store=False,
                     progress=False)  # fmt: skip
    dog, red = (made.score([text] * 3, pictures[:3]) for text in ("ein Hund", "rot und rund"))
    assert np.isfinite(dog).all() and np.ptp(dog) > 0 and not np.array_equal(dog, red)
    assert not target.text.words._forward_hooks  # nothing is left behind


def test_other_models_are_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(UserError, match="is of type 'bert', which is not known to score pairs"):
        load(str(tmp_path))


def test_the_command_re_ranks_in_any_language(folder, pictures, tmp_path, capsys):
    pytest.importorskip("m2m_tiny")
    from m2m_cli.main import run as m2m_run

    m2m.build_index("tiny-clip", [pictures[0].parent], tmp_path / "index")
    texts = m2m.read_corpus("tiny-scene-captions", max_sentences=100).sentences
    joint = m2m.align("tiny-text", f"joint:{folder}", texts, level="token", epochs=1, store=False,
                      progress=False)  # fmt: skip
    joint.save(tmp_path / "joint")
    command = ["search", str(tmp_path / "index"), "ein roter Kreis", "--adapter", "native",
               "-k", "3", "--json", "--device", "cpu"]  # fmt: skip

    def hits(more):
        with pytest.raises(SystemExit) as left:
            m2m_run([*command, *more])
        said = capsys.readouterr()
        assert left.value.code == 0, said.err
        return json.loads(said.out)[0]["hits"]

    ours = hits(["--rerank", str(tmp_path / "joint")])
    scores = joint.score(["ein roter Kreis"] * len(pictures), pictures)
    expected = [str(pictures[at]) for at in np.argsort(-scores)[:3]]
    assert len(ours) == 3 and [hit["path"] for hit in ours] == expected
    assert [hit["path"] for hit in hits([])] != expected


class _Item:
    def __init__(self, path):
        self.path, self.modality = str(path), "image"


def hits_of(pictures):
    from m2m_adapters.search.hits import Hit, Hits

    rows = [Hit(1.0 - n / 10, _Item(p), n, None, None, "x", n) for n, p in enumerate(pictures)]
    return Hits("ein Hund", rows, {})


def test_the_first_hits_change_places(adapter, pictures):
    answer = hits_of(pictures)
    query = Query.of_text("ein Hund")
    (ours,) = rerank([answer], [query], adapter, k=3, first=4)
    scores = adapter.score(["ein Hund"] * 4, pictures[:4])
    order = np.argsort(-scores, kind="stable")
    assert [hit.row for hit in ours] == order[:3].tolist()
    assert np.allclose([hit.score for hit in ours], np.sort(scores)[::-1][:3])
    (whole,) = rerank([answer], [query], adapter, k=6, first=4)
    assert [hit.row for hit in whole][4:] == [4, 5]
    (sums,) = rerank([answer], [parse("Hund + Katze")], adapter, k=6)
    assert [hit.row for hit in sums] == list(range(6))


class Knowing(ToySource):
    """A joint model's adapter that knows every pair; or none of them."""

    def __init__(self, owners, sign=1):
        super().__init__()
        self.owners, self.sign, self.target, self.record = owners, sign, self, None

    def can(self, ability):
        return ability == "score"

    def score(self, texts, items):
        return np.array([self.sign * (self.owners[t] == str(i)) for t, i in zip(texts, items)])


def test_recall_before_and_after(adapter, pictures):
    pytest.importorskip("m2m_tiny")
    from m2m_adapters.evaluation import Benchmark, evaluate
    from m2m_adapters.evaluation.reranked import rerank_evaluation

    texts = {"en": [f"picture {n}" for n in range(6)], "de": [f"Bild {n}" for n in range(6)]}
    plain = m2m.align("tiny-text", "tiny-clip", list(toy_sentences(200)), store=False,
                      recipe="closed-form", progress=False)  # fmt: skip
    found = evaluate(plain, Benchmark("six", "image", pictures, texts))
    owners = {text: str(p) for some in texts.values() for text, p in zip(some, pictures)}
    best, worst = (rerank_evaluation(found, Knowing(owners, sign)) for sign in (1, -1))
    for code in texts:
        before = found.value("adapter", code, "R@1")
        assert best[code]["R@1"] == [before, 100.0] and worst[code]["R@1"] == [before, 0.0]
        assert best[code]["R@10"] == [100.0, 100.0]
    (few,) = {rerank_evaluation(found, Knowing(owners), first=1)["de"]["R@10"][1]}
    assert few == found.value("adapter", "de", "R@1")
    found.reranked = rerank_evaluation(found, adapter)
    assert set(found.to_dict()["reranked"]) == set(texts)
    with pytest.raises(UserError, match="does not score pairs"):
        rerank_evaluation(found, plain)


def test_the_command_evaluates_re_ranking(folder, pictures, tmp_path, capsys):
    pytest.importorskip("m2m_tiny")
    from m2m_cli.main import run as m2m_run

    texts = m2m.read_corpus("tiny-scene-captions", max_sentences=100).sentences
    for target, options in (("tiny-clip", {"recipe": "closed-form"}),
                            (f"joint:{folder}", {"level": "token", "epochs": 1})):  # fmt: skip
        made = m2m.align("tiny-text", target, texts, store=False, progress=False, **options)
        made.save(tmp_path / target[:4])
    photos = tmp_path / "photos"
    shutil.copytree(pictures[0].parent, photos)
    rows = ["image,en,de", *(f"{one.name},picture {one.stem},Bild {one.stem}" for one in pictures)]
    (photos / "captions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        m2m_run(["evaluate", str(tmp_path / "tiny"), "--benchmark", str(photos), "--langs", "de",
                 "--rerank", str(tmp_path / "join"), "--device", "cpu"])  # fmt: skip
    said = capsys.readouterr()
    assert left.value.code == 0, said.err
    assert "R@1 re-ranked" in said.out


def test_what_cannot_re_rank(pictures):
    plain = m2m.align(ToySource(), "toy-target", list(toy_sentences(100)), store=False,
                      recipe="closed-form", progress=False)  # fmt: skip
    with pytest.raises(UserError, match="does not score pairs"):
        rerank([hits_of(pictures)], [Query.of_text("x")], plain, k=3)
    with pytest.raises(UserError, match="are not pairs"):
        plain.score(["a"], [])


class TestWordEmbeddings(TextEncoderSuite):
    def make(self):
        return load(str(joint_folder("vilt")), device="cpu").text


class TestWordsOfRoberta(TextEncoderSuite):
    def make(self):
        return load(str(joint_folder("bridgetower")), device="cpu").text
