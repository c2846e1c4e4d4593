"""The endpoints of the hub that fetching and publishing use, on this machine, with real commits."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_stand_in"


@dataclass
class Repo:
    """commits: id -> files; refs: branch or tag -> id."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        whole = hashlib.sha1(repr((sorted(files.items()), len(self.commits))).encode())
        self.commits[whole.hexdigest()] = files
        self.refs[branch] = whole.hexdigest()
        return whole.hexdigest()

    def find(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision)


@dataclass
class Hub:
    repos: dict[str, Repo] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""
    down: bool = False

    def serve(self, handler: BaseHTTPRequestHandler, method: str) -> None:
        url = urlsplit(handler.path)
        path = unquote(url.path)
        self.asked.append(f"{method} {path}")
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        code, headers, answer = self.answer(method, path, body, handler.headers)
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        handler.send_response(code)
        for key, value in {"Content-Length": str(len(raw)), **headers}.items():
            handler.send_header(key, value)
        handler.end_headers()
        if method != "HEAD":
            handler.wfile.write(raw)

    def answer(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, dict, Any]:
        if self.down:
            return 503, {}, {"error": "down"}
        if method == "POST" and headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {}, {"error": "Invalid username or password."}
        if path == "/api/repos/create":
            told = json.loads(body)
            name = (
                f"{told['organization']}/{told['name']}"
                if told.get("organization")
                else told["name"]
            )
            if name in self.repos:
                return 409, {}, {"url": f"{self.address}/{name}"}
            self.repos[name] = Repo()
            self.repos[name].commit({".gitattributes": b"*.safetensors filter=lfs\n"})
            return 200, {}, {"url": f"{self.address}/{name}", "name": name}
        if path == "/api/validate-yaml":
            return 200, {}, {"errors": [], "warnings": []}
        if found := re.fullmatch(
            r"/api/models/([^/]+/[^/]+)(?:/(revision|preupload|commit)/(.+))?", path
        ):
            return self.model(method, found[1], found[2], found[3] or "main", body)
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self.file(*found.groups())
        return 404, {}, {"error": f"no such page {path}"}

    def model(
        self, method: str, name: str, what: str | None, revision: str, body: bytes
    ) -> tuple[int, dict, Any]:
        repo = self.repos.get(name)
        if repo is None:
            return 404, {"X-Error-Code": "RepoNotFound"}, {"error": "Repository not found"}
        if repo.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, {"error": "gated"}
        commit = repo.find(revision)
        if commit is None:
            return 404, {"X-Error-Code": "RevisionNotFound"}, {"error": "Invalid rev id"}
        if what == "preupload":
            wanted = json.loads(body)["files"]
            told = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in wanted
            ]
            return 200, {}, {"files": told}
        if what == "commit":
            files = dict(repo.commits[commit])
            for line in body.decode().splitlines():
                step = json.loads(line)
                if step["key"] == "file":
                    assert step["value"]["encoding"] == "base64"
                    files[step["value"]["path"]] = base64.b64decode(step["value"]["content"])
            made = repo.commit(files, revision)
            return 200, {}, {
                "success": True, "commitOid": made, "commitUrl": f"{self.address}/{name}/commit/{made}",
            }  # fmt: skip
        siblings = [
            {"rfilename": path, "size": len(raw), "blobId": hashlib.sha1(raw).hexdigest()}
            for path, raw in repo.commits[commit].items()
        ]
        return 200, {}, {"_id": name, "id": name, "sha": commit, "siblings": siblings, "tags": []}

    def file(self, name: str, revision: str, path: str) -> tuple[int, dict, Any]:
        repo = self.repos.get(name)
        commit = repo.find(revision) if repo else None
        if repo is None or commit is None:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        raw = repo.commits[commit].get(path)
        if raw is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b""
        return 200, {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha1(raw).hexdigest()}"'}, raw


@contextmanager
def hub_stand_in() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            hub.serve(self, "GET")

        def do_HEAD(self) -> None:
            hub.serve(self, "HEAD")

        def do_POST(self) -> None:
            hub.serve(self, "POST")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
