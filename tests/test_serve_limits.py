"""Many clients at once: batches, full queues, limits, keys, and the end of a server."""

from __future__ import annotations

import asyncio
import threading
import time
import tracemalloc
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import client_of, colors_index, data_address, held

from m2m_adapters.serve import language
from m2m_adapters.serve.app import create_app
from m2m_adapters.serve.limits import Limits
from m2m_adapters.serve.worker import Busy, Stopping, Worker


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return colors_index(tmp_path_factory.mktemp("served"))


@pytest.fixture
def slow(index: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], list[list[str]]]:
    """Makes the text encoder take its time; the texts of each of its calls."""

    def made(seconds: float) -> list[list[str]]:
        words, calls = index.target.text, []
        encode = type(words).encode

        def slowly(texts: Any, **options: Any) -> Any:
            calls.append(list(texts))
            time.sleep(seconds)
            return encode(words, texts)

        monkeypatch.setattr(words, "encode", slowly)
        return calls

    return made


def in_a_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """In a thread of its own: a browser of other tests keeps a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def at_once(app: Any, bodies: list[dict[str, Any]], path: str = "/search") -> list[Any]:
    """The answers to requests that are under way together."""

    async def ask() -> list[Any]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await asyncio.gather(*(client.post(path, json=body) for body in bodies))

    return in_a_loop(ask())


def test_concurrent_queries_are_encoded_and_searched_together(index: Any, slow: Any) -> None:
    calls = slow(0.05)
    texts = [f"{'red green blue'.split()[n % 3]} {n}" for n in range(60)]
    answers = at_once(create_app(held(index)), [{"query": text, "k": 3} for text in texts])
    assert sum(map(len, calls)) == 60 and len(calls) <= 4
    for text, answer in zip(texts, answers):
        shown = [Path(hit["path"]).name for hit in answer.json()["hits"]]
        assert shown == [hit.item.name for hit in index.search(text, 3)], text


def test_one_bad_query_does_not_spoil_the_others(index: Any, slow: Any) -> None:
    slow(0.02)
    bodies: list[dict[str, Any]] = [{"query": f"red {n}", "k": 2} for n in range(9)]
    bodies[4]["where"] = "sizes > 3"
    bodies[6]["query"] = [{"text": "red", "weight": 1}, {"text": "red", "weight": -1}]
    codes = [answer.status_code for answer in at_once(create_app(held(index)), bodies)]
    assert codes == [200, 200, 200, 200, 400, 200, 400, 200, 200]


def test_a_full_queue_refuses_and_says_when_to_come_back(index: Any, slow: Any) -> None:
    slow(0.1)
    app = create_app(held(index), limits=Limits(waiting=4, together=2))
    answers = at_once(app, [{"query": f"red {n}"} for n in range(40)])
    codes = [answer.status_code for answer in answers]
    assert set(codes) == {200, 429} and codes.count(200) >= 4
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert (
        refused.headers["retry-after"] == "1" and "try again" in refused.json()["error"]["message"]
    )


def test_the_longer_the_queue_the_later_clients_come_back() -> None:
    """A second for each would be spent on refusing the same clients again and again."""

    def work(jobs: list[int]) -> list[int]:
        time.sleep(0.05 * len(jobs))
        return jobs

    async def ask() -> int:
        worker = Worker(work, most=4, room=50)
        await worker.do(*range(40))  # it learns how long they take
        waiting = asyncio.ensure_future(worker.do(*range(100)))
        await asyncio.sleep(0.01)
        with pytest.raises(Busy) as refused:
            await worker.do(1)
        waiting.cancel()
        worker.stop()
        return refused.value.seconds

    assert 3 <= in_a_loop(ask()) <= 8


def test_an_answer_that_takes_too_long(index: Any, slow: Any) -> None:
    slow(0.6)
    app = create_app(held(index), limits=Limits(seconds=0.15))
    (answer,) = at_once(app, [{"query": "red"}])
    assert answer.status_code == 503 and "too long" in answer.json()["error"]["message"]


def test_long_queries_are_not_kept() -> None:
    language.detect("warm up")
    tracemalloc.start()
    try:
        for number in range(40):
            language.detect(f"a long query, number {number} " * 10_000)
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()


def test_bodies_that_are_too_large(index: Any) -> None:
    with client_of(held(index), limits=Limits(body=1000)) as client:
        json = {"content-type": "application/json"}
        said = client.post("/search", content=b" " * 1001, headers=json)
        assert said.status_code == 413 and "1,000 bytes" in said.json()["error"]["message"]
        unsaid = client.post("/search", content=iter([b" " * 600] * 3), headers=json)
        assert unsaid.status_code == 413
        lying = client.post("/search", content=b"{}", headers={**json, "content-length": "-1"})
        assert lying.status_code == 413


async def sent(app: Any, *pieces: bytes, until: asyncio.Event | None = None) -> Any:
    """The status of the answer to a body in pieces, of which the last comes ``until`` then."""
    left, answers = list(pieces), []

    async def receive() -> Any:
        if len(left) <= 1 and until is not None:
            await until.wait()
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Any) -> None:
        answers.append(message)

    headers = [(b"content-type", b"application/json"), (b"host", b"localhost")]
    scope = {"type": "http", "method": "POST", "path": "/search", "headers": headers}
    await asyncio.wait_for(app(scope, receive, send), 20)
    return answers[0]["status"]


def test_a_body_that_never_arrives(index: Any) -> None:
    app = create_app(held(index), limits=Limits(seconds=0.1))

    async def ask() -> Any:
        return await sent(app, b"", until=asyncio.Event())

    assert in_a_loop(ask()) == 408


def test_unfinished_bodies_are_bounded_together(index: Any) -> None:
    app = create_app(held(index), limits=Limits(body=100_000))
    large, rest = b'{"query": "' + b"a" * 98_000, b'", "k": 0}'

    async def ask() -> list[Any]:
        finish = asyncio.Event()
        unfinished = [
            asyncio.ensure_future(sent(app, large, rest, until=finish)) for _ in range(16)
        ]
        await asyncio.sleep(0.1)
        beyond = await sent(app, large, rest)
        small = await sent(app, b'{"query": "red"}')
        finish.set()
        return [beyond, small, *await asyncio.gather(*unfinished), await sent(app, large, rest)]

    assert in_a_loop(ask()) == [429, 200, *[400] * 17]


def test_a_key_is_asked_for(index: Any, tmp_path: Path) -> None:
    with client_of(held(index), key="sesame") as client:
        for path in ("/", "/static/app.js", "/health"):
            assert client.get(path).status_code == 200
        for path in ("/indexes", "/items/photos/0", "/v1/models", "/metrics"):
            assert client.get(path).status_code == 401, path
        wrong = {"Authorization": "Bearer Sesame"}
        refused = client.post("/search", json={"query": "red"}, headers=wrong)
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
        assert "key" in refused.json()["error"]["message"]
        right = {"Authorization": "Bearer sesame"}
        assert client.get("/indexes", headers=right).status_code == 200
        # The browser asks for pictures itself: a cookie lets it, and only to these.
        cookie = client.cookies.get("m2m-items")
        assert cookie and "sesame" not in cookie
        assert client.get("/items/photos/0").status_code == 200
        assert client.get("/items/photos/0/thumbnail").status_code == 200
        assert client.get("/indexes").status_code == 401
        client.cookies.clear()
        assert client.get("/items/photos/0").status_code == 401
        for cookies in ("m2m-items=x", "m2m-items", ";;=;", 'm2m-items="'):
            assert client.get("/items/photos/0", headers={"Cookie": cookies}).status_code == 401


def test_embeddings_of_texts_and_pictures(index: Any) -> None:
    """Without an adapter the target's own tower answers; a target without a name has no model."""
    holdings = held(index)
    holdings.spaces[0].name = "colors"
    picture = data_address(Path(index.search("blue", 1)[0].path))
    with client_of(holdings) as client:
        inputs = [{"text": "red"}, {"image": picture}]
        body = client.post("/v1/embeddings", json={"model": "colors", "input": inputs}).json()
        red, blue = (one["embedding"] for one in body["data"])
        assert red[0] > 0.9 and blue[2] > 0.9
        assert client.get("/v1/models").json()["data"][0]["text_encoder"] == "the target's own"


def test_a_worker_takes_what_waits() -> None:
    gate, rounds = threading.Event(), []

    def work(jobs: list[int]) -> list[Any]:
        rounds.append(jobs)
        gate.wait(5)
        return [ValueError("odd") if job % 2 else 10 * job for job in jobs]

    async def ask() -> None:
        worker = Worker(work, most=4, room=8)
        first = asyncio.ensure_future(worker.do(0))
        while not rounds:
            await asyncio.sleep(0.001)
        others = [asyncio.ensure_future(worker.do(n)) for n in range(1, 9)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await worker.do(9)
        others[1].cancel()
        gate.set()
        assert await first == [0]
        found = await asyncio.gather(*others, return_exceptions=True)
        assert [one for one in found if isinstance(one, list)] == [[40], [60], [80]]
        assert sum(isinstance(one, ValueError) for one in found) == 4
        assert rounds == [[0], [1, 3, 4], [5, 6, 7, 8]]
        assert (worker.counts.rounds, worker.counts.largest) == (3, 4)
        last = asyncio.ensure_future(worker.do(2))
        await asyncio.sleep(0.01)
        worker.stop()
        assert await last == [20]
        with pytest.raises(Stopping):
            await worker.do(1)

    in_a_loop(ask())


def test_work_that_breaks_does_not_end_the_worker() -> None:
    answers: list[Any] = [ZeroDivisionError("a defect"), None]

    def work(jobs: list[int]) -> list[Any]:
        if failure := answers.pop(0):
            raise failure
        return jobs

    async def ask() -> None:
        worker = Worker(work, most=4, room=8)
        with pytest.raises(ZeroDivisionError):
            await worker.do(1, 2)
        assert await worker.do(3, 4) == [3, 4]
        worker.stop()

    in_a_loop(ask())
