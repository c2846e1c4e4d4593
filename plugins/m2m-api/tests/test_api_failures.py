"""What a server does wrong, and what the source makes of it."""

from __future__ import annotations

import json
import logging
import time
import traceback

import api_server
import numpy as np
import pytest
from api_server import DIM, good, vector
from m2m_api.address import key_variable, parse
from m2m_api.source import load

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.testing import TextEncoderSuite

KEY = "sk-very-secret"
TEXTS = [f"sentence number {i}" for i in range(10)]


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("M2M_CACHE", str(tmp_path / "cache"))
    with api_server.running() as one:
        yield one


def source(server, **options):
    made = load(f"some/model@{server.url}", **options)
    made.client.waits = []
    made.client.sleep = made.client.waits.append
    return made


def expected(texts):
    rows = np.array([vector(text) for text in texts], np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class TestApiSource(TextEncoderSuite):
    def make(self):
        self.running = api_server.running()
        type(self).kept = self.running  # it ends with the process
        return load(f"some/model@{self.running.__enter__().url}")


def test_rows_follow_their_index_and_batches_their_size(server):
    made = source(server, batch_size=4)
    server.bodies.clear()
    assert np.allclose(made.encode(TEXTS), expected(TEXTS), atol=1e-6)
    assert [len(body["input"]) for body in server.bodies] == [4, 4, 2]
    assert server.bodies[0]["model"] == "some/model"
    assert made.tokens_encoded > 0


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_failures_are_tried_again_with_growing_pauses(server, status):
    made = source(server)
    start = len(server.bodies)
    server.spoil = lambda n, texts: (status, {}, b"busy") if n <= start + 3 else None
    assert np.allclose(made.encode(TEXTS), expected(TEXTS), atol=1e-6)
    assert len(made.client.waits) == 3 and made.client.waits[2] > made.client.waits[0]


def test_retry_after_is_kept(server):
    made = source(server)
    start = len(server.bodies)
    wait = {"Retry-After": "7"}
    server.spoil = lambda n, texts: (429, wait, b"") if n == start + 1 else None
    made.encode(TEXTS)
    assert made.client.waits == [7.0]
    server.spoil = lambda n, texts: (429, {"Retry-After": "86400"}, b"")
    with pytest.raises(UserError, match="asks to wait 86400 s"):
        made.encode(TEXTS)


def test_a_server_that_stays_down_is_one_line(server):
    made = source(server, retries=2)
    server.spoil = lambda n, texts: (500, {}, b"out of memory")
    with pytest.raises(UserError, match=r"answers 500: out of memory \(3 attempts\)"):
        made.encode(TEXTS)


def test_a_used_up_quota_is_not_tried_again(server):
    made = source(server)
    server.spoil = lambda n, texts: (429, {}, b'{"error": {"code": "insufficient_quota"}}')
    with pytest.raises(UserError, match="quota is used up"):
        made.encode(TEXTS)
    assert not made.client.waits


def test_a_slow_server_is_tried_again(server):
    made = source(server, timeout=0.3)
    start = len(server.bodies)

    def slow(n, texts):
        if n == start + 1:
            time.sleep(0.8)

    server.spoil = slow
    assert np.allclose(made.encode(TEXTS), expected(TEXTS), atol=1e-6)
    assert len(made.client.waits) == 1


def test_nobody_listens():
    with pytest.raises(UserError, match="cannot be reached"):
        load("m@http://127.0.0.1:9/v1", retries=0)


def test_truncated_json_is_tried_again(server):
    made = source(server)
    start = len(server.bodies)
    server.spoil = lambda n, t: (200, {}, good(t)[2][:-40]) if n == start + 1 else None
    assert np.allclose(made.encode(TEXTS), expected(TEXTS), atol=1e-6)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ({"data": [{"index": 0, "embedding": [1.0] * DIM}]}, "1 vectors for 10 texts"),
        ({"data": [{"embedding": [float("nan")] * DIM}] * 10}, "NaN"),
        ({"data": [{"embedding": [None] * DIM}] * 10}, "NaN|no list"),
        ({"data": [{"embedding": "text"}] * 10}, "no usable embeddings"),
        ({"data": [{"index": 0, "embedding": [1.0]}] * 10}, "10 vectors for 10"),
        ({"data": 3}, "no list of vectors"),
        ([], "no list of vectors"),
        ({"error": "no"}, "no list of vectors"),
        ({"data": [{"embedding": [1.0] * 4}] * 10}, "4 columns from 16"),
        ({"data": [{"embedding": [0.0] * DIM}] * 10}, "zeros"),
    ],
)
def test_unusable_answers_are_refused_in_one_line(server, answer, what):
    made = source(server)
    server.spoil = lambda n, texts: (200, {}, json.dumps(answer).encode())
    with pytest.raises(UserError, match=what) as caught:
        made.encode(TEXTS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["1", "0.2", "embedding"])
def test_a_key_that_occurs_in_a_good_answer(server, monkeypatch, key):
    monkeypatch.setenv(key_variable("127.0.0.1"), key)
    assert np.allclose(source(server).encode(TEXTS), expected(TEXTS), atol=1e-6)


def test_a_key_in_the_place_of_a_number_is_not_shown(server, monkeypatch):
    monkeypatch.setenv(key_variable("127.0.0.1"), KEY)
    made = source(server)
    answer = {"data": [{"embedding": [KEY]}] * 10}
    server.spoil = lambda n, texts: (200, {}, json.dumps(answer).encode())
    with pytest.raises(UserError, match="no list of vectors") as caught:
        made.encode(TEXTS)
    assert KEY not in str(caught.value)


def test_an_answer_nested_too_deeply_is_one_line(server):
    made = source(server, retries=0)
    server.spoil = lambda n, texts: (200, {}, b"[" * 200_000)
    with pytest.raises(UserError, match="broken JSON"):
        made.encode(TEXTS)


def test_retries_below_zero_are_refused(server):
    with pytest.raises(UserError, match="retries is -1"):
        source(server, retries=-1)


def test_a_model_that_changes_on_the_way_is_noticed(server):
    made = source(server)
    start = len(server.bodies)
    server.spoil = lambda n, texts: good(texts, "new") if n > start + 2 else None
    with pytest.raises(UserError, match="has changed the model"):
        made.encode([f"text {i}" for i in range(400)])


def test_the_fingerprint_survives_small_differences_and_reports_large_ones(server, caplog):
    before = source(server).fingerprint
    made = source(server)
    made._probe = made._probe + np.float32(1e-3)
    assert made.fingerprint == before
    server.spoil = lambda n, texts: good(texts, "new")
    with caplog.at_level(logging.WARNING):
        assert source(server).fingerprint != before
    assert "has changed" in caplog.text


def test_a_batch_that_is_too_large_is_halved(server):
    made = source(server)
    server.spoil = lambda n, texts: (413, {}, b"too large") if len(texts) > 3 else None
    assert np.allclose(made.encode(TEXTS), expected(TEXTS), atol=1e-6)
    server.spoil = lambda n, texts: (400, {}, b"maximum context length")
    with pytest.raises(UserError, match=r"maximum context length.*max_characters"):
        made.encode(TEXTS)


def test_long_texts_can_be_cut(server):
    source(server, max_characters=20).encode(["x" * 500])
    assert server.bodies[-1]["input"] == ["x" * 20]


def test_a_redirect_is_not_followed(server):
    made = source(server)
    count = len(server.bodies)
    server.spoil = lambda n, texts: (307, {"Location": server.url + "/embeddings"}, b"")
    with pytest.raises(UserError, match="redirects"):
        made.encode(TEXTS)
    assert len(server.bodies) == count + 1


def test_the_key_is_sent_and_shown_nowhere(server, monkeypatch, caplog):
    monkeypatch.setenv(key_variable("127.0.0.1"), KEY)
    with caplog.at_level(logging.DEBUG):
        made = source(server)
        assert server.headers[-1]["authorization"] == f"Bearer {KEY}"
        for status in (401, 418):
            server.spoil = lambda n, t, s=status: (s, {}, f"bad key {KEY}".encode())
            with pytest.raises(UserError) as caught:
                made.encode(TEXTS)
            error, frames = caught.value, caught.value.__traceback__.tb_next  # ours, not the test's
            shown = traceback.TracebackException(type(error), error, frames, capture_locals=True)
            assert KEY not in "".join(shown.format())
    said = [caplog.text, repr(made), repr(made.client), str(made.provenance), made.fingerprint]
    assert KEY not in " ".join(said)


def test_a_host_gets_no_key_of_another(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv(key_variable("api.example.com"), KEY)
    source(server)
    assert "authorization" not in server.headers[-1]
    hosts = ["api-example.com", "api.example.com", "api--example.com", "api.example-com"]
    assert len({key_variable(host) for host in hosts}) == 4


def test_a_registry_file_sends_no_other_variable_to_a_host(server, monkeypatch, tmp_path):
    """Whoever wrote it: OPENAI_API_KEY goes to OpenAI, and AWS_SECRET_ACCESS_KEY nowhere."""
    for name in ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, KEY)
        (tmp_path / "registry.yaml").write_text(
            "sources:\n  theirs: {plugin: api, model: m@https://example.com/v1, "
            f"options: {{key_env: {name}}}}}\n"
        )
        monkeypatch.setenv("M2M_REGISTRY", str(tmp_path / "registry.yaml"))
        with pytest.raises(UserError, match=rf"{name}.*put .* into M2M_API_KEY_EXAMPLE_COM"):
            m2m.load_source("theirs")
    assert parse("m@https://api.openai.com/v1", "OPENAI_API_KEY").key == "OPENAI_API_KEY"
    for host in ("api.jina.ai", "api.openai.com.example.com", "192.168.0.1", "box.local"):
        with pytest.raises(UserError, match="is not sent to"):
            parse(f"m@https://{host}/v1", "OPENAI_API_KEY")
    source(server, key_env="OPENAI_API_KEY")  # on this machine
    assert server.headers[-1]["authorization"] == f"Bearer {KEY}"
    with pytest.raises(UserError, match="is not sent to 127"):
        source(server, key_env="AWS_SECRET_ACCESS_KEY")


def test_a_key_does_not_travel_in_clear(monkeypatch):
    monkeypatch.setenv(key_variable("api.example.com"), KEY)
    with pytest.raises(UserError, match="use https"):
        parse("m@http://api.example.com/v1")
    assert parse("m@https://api.example.com/v1").key


@pytest.mark.parametrize(
    "name",
    ["model", "m@ftp://host/v1", "m@http://", "m@http://user:pw@host/v1", "m@http://h/v1?key=1",
     "m@http://h:99999/v1", "m@file:///etc/passwd", "@http://h/v1", "m@http://a_b.c/v1"],
)  # fmt: skip
def test_other_addresses_are_refused(name):
    with pytest.raises(UserError) as caught:
        parse(name)
    assert "pw" not in str(caught.value)


def test_model_names_may_hold_an_at_sign():
    address = parse("@cf/baai/bge-m3@https://host/v1/")
    assert (address.model, address.url) == ("@cf/baai/bge-m3", "https://host/v1")


def test_the_estimate_counts_tokens_on_a_sample(server):
    made = source(server, price_per_million_tokens=20.0, batch_size=100)
    told = made.estimate(["three words here"] * 1000)
    assert (told.texts, told.characters, told.requests) == (1000, 16_000, 10)
    assert told.tokens == 3000 and told.price == pytest.approx(0.06)
    assert "about 3,000 tokens" in str(told)


def test_a_run_that_broke_off_sends_only_what_is_missing(server, tmp_path):
    from m2m_adapters.embeddings.store import Store
    from m2m_adapters.embeddings.stored import StoredEncoder

    texts = [f"sentence {i}" for i in range(5000)]
    made = source(server, retries=0)
    sent = len(server.bodies) + 40
    server.spoil = lambda n, some: (500, {}, b"") if n > sent else None
    with pytest.raises(UserError):
        StoredEncoder(made, Store(tmp_path / "store")).embed(texts)
    server.spoil = lambda n, some: None
    server.bodies.clear()
    again = StoredEncoder(source(server), Store(tmp_path / "store"))
    assert again.missing(texts) == 5000 - 2048
    assert np.allclose(again.embed(texts), expected(texts), atol=1e-6)
    asked = {text for body in server.bodies for text in body["input"]}
    assert texts[0] not in asked and texts[-1] in asked


def test_it_aligns_and_the_record_names_model_and_address(server):
    sentences = [f"the {a} {b} number {c}" for a in "abcd" for b in "efgh" for c in range(10)]
    adapter = m2m.align(source(server), "toy-target", sentences, recipe="closed-form", store=False)
    assert adapter.record.source.provenance["url"] == server.url
    assert adapter.encode(["ein Hund"]).shape[0] == 1
