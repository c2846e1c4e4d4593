"""The server: what it answers, and what it refuses in one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import client_of, colors_index, data_address, held
from starlette.testclient import TestClient


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def index(place: Path) -> Any:
    return colors_index(place)


@pytest.fixture(scope="module")
def client(index: Any) -> Iterator[TestClient]:
    with client_of(held(index), hosts={"127.0.0.1"}) as client:
        yield client


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [Path(hit["path"]).name for hit in answer.json()["hits"]]


def search(client: TestClient, **body: Any) -> Any:
    return client.post("/search", json=body)


def refusal(answer: Any, status: int = 400) -> str:
    """The message of a refusal: one line, without a traceback."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert "\n" not in error["message"] and "Traceback" not in answer.text
    return str(error["message"])


def test_what_is_held(client: TestClient, index: Any) -> None:
    about = client.get("/indexes").json()
    (one,) = about["indexes"]
    assert (one["name"], one["items"], one["modality"]) == ("photos", 13, {"image": 13})
    assert sorted(f["items"] for f in one["folders"]) == [1, 6, 6] and len(one["dates"]) == 2
    assert about["adapters"] == [] and about["native"] is True


def test_text_finds_the_same_as_in_process(client: TestClient, index: Any) -> None:
    for query in ("blue", "red + green", "2:green - red"):
        answer = search(client, query=query, k=5)
        assert names(answer) == [hit.item.name for hit in index.search(query, 5)]
    hit = search(client, query="blue", k=1).json()["hits"][0]
    assert hit["index"] == "photos" and hit["modality"] == "image" and hit["score"] > 0.99
    assert (hit["width"], hit["height"]) == (40, 20) and hit["bytes"] and hit["date"]
    assert (
        hit["url"] == f"/items/photos/{hit['id']}" and hit["thumbnail"] == hit["url"] + "/thumbnail"
    )


def test_terms_of_every_kind(client: TestClient, place: Path) -> None:
    blue = search(client, query="blue", k=1).json()["hits"][0]
    item = {"item": blue["id"], "index": "photos"}
    assert names(search(client, query=[item], k=1)) == ["blue.png"]
    picture = {"image": data_address(place / "pictures" / "green" / "green0.png")}
    assert names(search(client, query=[picture], k=1))[0].startswith("green")
    assert names(search(client, query=[{"vector": [0, 0, 9]}], k=1)) == ["blue.png"]
    away = [{"text": "red and green"}, {**picture, "weight": -1}]
    assert all(name.startswith("red") for name in names(search(client, query=away, k=6)))


def test_a_text_term_is_taken_as_it_is(client: TestClient) -> None:
    """Signs in it are no operators: the page has split the line already."""
    literal = names(search(client, query=[{"text": "red - blue"}], k=13))
    parsed = names(search(client, query="red - blue", k=13))
    assert literal[0] == parsed[-1] == "blue.png"


def test_filters_and_languages(client: TestClient) -> None:
    answer = search(client, query="a blue sky over the sea", where='folder = "red"', k=20)
    assert len(names(answer)) == 6
    assert answer.json()["language"]["tag"] == "en"
    assert search(client, query="ein Hund am Strand").json()["language"]["name"] == "German"
    assert search(client, query="犬").json()["language"]["tag"] == "zh"
    assert search(client, query="blue", language="it").json()["language"] == {
        "tag": "it", "name": "Italian", "confidence": 1.0}  # fmt: skip
    assert search(client, query="!!").json()["language"] is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "missing required field"),
        ({"query": 3}, "Expected"),
        ({"query": "x", "k": 0}, ">= 1"),
        ({"query": "x", "k": 10**9}, "<= 1000"),
        ({"query": "x", "sort": "date"}, "sort"),
        ({"query": ""}, "empty"),
        ({"query": '"red'}, "not closed"),
        ({"query": []}, "length >= 1"),
        ({"query": [{}]}, "0 of text"),
        ({"query": [{"text": "a", "image": "data:"}]}, "2 of text"),
        ({"query": [{"text": " "}]}, "empty"),
        ({"query": [{"text": "red", "weight": 0}]}, "weight 0"),
        ({"query": [{"text": "red", "weight": -1}]}, "has only terms that are subtracted"),
        ({"query": [{"item": "1"}]}, "belong together"),
        ({"query": [{"item": "99", "index": "photos"}]}, "no item 99"),
        ({"query": [{"item": "../1", "index": "photos"}]}, "not the id"),
        ({"query": [{"item": "1", "index": "other"}]}, "no index 'other'"),
        ({"query": [{"image": "http://127.0.0.1/x.png"}]}, "downloads nothing"),
        ({"query": [{"image": "file:///etc/passwd"}]}, "downloads nothing"),
        ({"query": [{"image": "/etc/passwd"}]}, "not a data: address"),
        ({"query": [{"image": "data:image/png;base64,@@@"}]}, "damaged"),
        ({"query": [{"image": "data:image/png;base64,AAAA"}]}, "not an image"),
        ({"query": [{"sound": "data:audio/wav;base64,AAAA"}]}, "no chosen index"),
        ({"query": [{"vector": [1, 2]}]}, "no chosen index"),
        ({"query": [{"vector": [0, 0, 0]}]}, "zero or not finite"),
        ({"query": "x", "index": "other"}, "no index 'other'"),
        ({"query": "x", "language": "\0"}, "not a language"),
        ({"query": "x", "adapter": "other"}, "no chosen index has an adapter 'other'"),
        ({"query": "x", "where": "folder ="}, "missing"),
        ({"query": "x", "where": "1; DROP TABLE items"}, "filter"),
    ],
)
def test_bad_bodies_are_refused_in_one_line(
    client: TestClient, body: dict[str, Any], words: str
) -> None:
    assert words in refusal(client.post("/search", json=body))


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"query": "\\ud800"}', b"\xff\xfe"])
def test_bodies_that_are_no_json(client: TestClient, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    assert "cannot be read" in refusal(client.post("/search", content=body, headers=headers))


def test_files_that_were_indexed_and_no_others(client: TestClient, place: Path) -> None:
    hit = search(client, query="blue", k=1).json()["hits"][0]
    file = client.get(hit["url"])
    assert file.content == (place / "pictures" / "blue.png").read_bytes()
    assert file.headers["content-type"] == "image/png"
    assert "sandbox" in file.headers["content-security-policy"]
    part = client.get(hit["url"], headers={"Range": "bytes=0-9"})
    assert part.status_code == 206 and part.content == file.content[:10]
    small = client.get(hit["thumbnail"])
    assert small.headers["content-type"] == "image/jpeg" and small.content[:2] == b"\xff\xd8"
    again = client.get(hit["thumbnail"], headers={"If-None-Match": small.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    for path in ("/items/photos/99", "/items/photos/x", "/items/other/0", "/items/photos/0/peaks",
                 "/items/photos/..%2F..%2Fetc%2Fpasswd", "/static/..%2Fapp.py", "/static/app.py",
                 "/static/%2e%2e/app.py", "/etc/passwd", "/items/photos/0/thumbnail/x"):  # fmt: skip
        refusal(client.get(path), 404)


def test_a_file_that_was_replaced_is_not_served(tmp_path: Path) -> None:
    index = colors_index(tmp_path)
    with client_of(held(index)) as client:
        hit = search(client, query="blue", k=1).json()["hits"][0]
        path, secret = Path(hit["path"]), tmp_path / "secret"
        secret.write_text("not indexed")
        path.unlink()
        assert "gone" in refusal(client.get(hit["url"]), 404)
        path.symlink_to(secret)
        assert "not the one" in refusal(client.get(hit["url"]), 404)
        assert client.get(hit["thumbnail"]).status_code == 200


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html") and "static/app.js" in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in page.headers
    script = client.get("/static/app.js")
    assert script.headers["content-type"].startswith("text/javascript")
    tag = {"If-None-Match": script.headers["etag"]}
    assert client.get("/static/app.js", headers=tag).status_code == 304


def test_other_names_other_kinds_of_bodies_and_methods(client: TestClient) -> None:
    assert "not called by that name" in refusal(
        client.get("/", headers={"Host": "evil.example"}), 421
    )
    plain = client.post(
        "/search", content='{"query": "red"}', headers={"content-type": "text/plain"}
    )
    assert "application/json" in refusal(plain, 415)
    refusal(client.get("/search"), 405)
    assert client.get("/health").json()["status"] == "ok"


def test_a_defect_leaves_no_traceback_in_the_answer(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **options: Any) -> None:
        raise ValueError("/home/someone/secret")

    monkeypatch.setattr("m2m_adapters.serve.work.nearest_in", broken)
    answer = search(client, query="red")
    assert "its log says why" in refusal(answer, 500) and "secret" not in answer.text
    assert answer.headers["content-security-policy"]
    monkeypatch.undo()
    assert names(search(client, query="blue", k=1)) == ["blue.png"]
