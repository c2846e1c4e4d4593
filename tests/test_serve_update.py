"""An index that is updated while it is served."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from serving import Colors, client_of, colors_index, held
from starlette.testclient import TestClient

import m2m_adapters as m2m
from m2m_adapters.search.query import parse
from m2m_adapters.serve import app, refresh, work
from m2m_adapters.serve.refresh import Refresher


def add_blue(place: Path) -> None:
    Image.new("RGB", (40, 20), (0, 0, 200)).save(place / "pictures" / "a second blue.png")
    m2m.build_index(Colors(), place / "pictures", place / "photos")


def blue(client: TestClient) -> list[dict[str, Any]]:
    answer = client.post("/search", json={"query": "blue", "k": 2})
    assert answer.status_code == 200, answer.text
    return [hit for hit in answer.json()["hits"] if "blue" in hit["path"]]


def test_a_newer_generation_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "REFRESH_SECONDS", 0.05)
    with client_of(held(colors_index(tmp_path))) as client:
        (before,) = blue(client)
        add_blue(tmp_path)
        end = time.monotonic() + 30
        while len(blue(client)) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        after = blue(client)
        assert len(after) == 2 and all(client.get(hit["thumbnail"]).is_success for hit in after)
        assert client.get("/indexes").json()["indexes"][0]["items"] == 14
        # Numbers belong to a generation: an old address shows no other picture.
        gone = client.get(before["url"])
        assert gone.status_code == 404 and "updated" in gone.text
        old = client.post("/search", json={"query": [{"item": before["id"], "index": "photos"}]})
        assert old.status_code == 400 and "search again" in old.text


def test_requests_under_way_keep_the_old_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holdings = held(colors_index(tmp_path))
    refresher = Refresher(holdings)
    old = holdings.index("photos")
    assert refresher.refresh() == []
    add_blue(tmp_path)
    assert refresher.refresh() == ["photos"] and refresher.refresh() == []
    assert len(old.index.search("blue", 20)) == 13
    assert len(holdings.index("photos").index.search("blue", 20)) == 14
    monkeypatch.setattr(refresh, "CLOSED_AFTER", -1.0)
    refresher.refresh()
    with pytest.raises(Exception, match="closed"):
        old.index.metadata.item(1)
    holdings.close()


def test_a_round_of_two_generations_searches_each_query_in_its_own(tmp_path: Path) -> None:
    holdings = held(colors_index(tmp_path))

    def job(query: str) -> work.SearchJob:
        index = holdings.index("photos")
        return work.SearchJob([index], ["native"], [parse(query)], 20, None)

    before = job("blue")
    add_blue(tmp_path)
    assert Refresher(holdings).refresh() == ["photos"]
    after = job("blue")
    for jobs in ([before, after], [after, before]):
        for one, hits in zip(jobs, work.answer(jobs)):
            index = one.indexes[0].index
            wanted = index.search("blue", 20)
            assert [hit.path for hit in hits] == [hit.path for hit in wanted]
            assert len(hits) == (13 if one is before else 14)
    holdings.close()


def test_what_cannot_be_served_leaves_the_old_index(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holdings = held(colors_index(tmp_path))
    refresher = Refresher(holdings)
    (tmp_path / "photos" / "index.json").write_text("{damaged")
    assert refresher.refresh() == [] and refresher.refresh() == []
    said = capsys.readouterr().err
    assert said.count("photos stays as it was opened") == 1 and "Traceback" not in said
    (tmp_path / "photos" / "index.json").unlink()
    assert refresher.refresh() == []
    assert len(holdings.index("photos").index.search("blue", 20)) == 13
    holdings.close()
