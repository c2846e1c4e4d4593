"""The server: what a query costs over HTTP, and 1,000 clients at once.

One client: the same queries in process (encode and search) and over HTTP, on one connection, by
the standard library's client and by httpx. Load: clients that each wait for an answer before they
ask again, against the same server asked by one of them; a client that gets 429 waits as long as
Retry-After says.

With --model FOLDER only one client, whose adapter has this source.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from encode import build, captions
from measure import Report, arguments, spread

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from serving import running

K = 20
BLOCK = 10
PROCESS, HTTP, HTTPX = "encode and search in process", "... over HTTP", "... over HTTP by httpx"
NOTHING = "... a request that does nothing"
COLUMNS = ("what", "figure")
SHAPES = ("rotes Quadrat", "blauer Kreis", "gelber Stern", "grünes Herz", "weißer Mond")


def texts(count: int, start: int = 0) -> list[str]:
    """Queries that differ, so that nothing is answered from memory."""
    five = len(SHAPES)
    return [f"ein {SHAPES[n % five]} neben {n // five} Ringen" for n in range(start, start + count)]


def body(text: str, adapter: str | None = None) -> dict[str, Any]:
    return {"query": [{"text": text}], "k": K, "adapter": adapter}


class Plain:
    """One connection by the standard library's client, which costs less than httpx."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"))

    def search(self, content: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/search", json.dumps(content).encode(), headers)
        return self._answer()

    def nothing(self) -> Any:
        self._connection.request("GET", "/health")
        return self._answer()

    def _answer(self) -> Any:
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return json.loads(content)


def one_client(
    index: Any, adapter: Any, name: str, address: str, count: int
) -> dict[str, list[float]]:
    """Milliseconds of each way to ask, and of a request that does nothing.

    Blocks of ``BLOCK`` queries in turns: as warm as a client that keeps asking, and other work on
    the machine falls on all of them.
    """
    from m2m_adapters.search.query import Query

    plain = Plain(address)
    taken: dict[str, list[float]] = {}
    with httpx.Client(base_url=address) as client:
        ways = {
            PROCESS: lambda text: index.search(Query.of_text(text), K, adapter=adapter),
            HTTP: lambda text: plain.search(body(text, name)),
            HTTPX: lambda text: client.post("search", json=body(text, name)).json(),
            NOTHING: lambda text: plain.nothing(),
            f"{NOTHING}, httpx": lambda text: client.get("health").raise_for_status(),
        }
        for begin in range(-BLOCK, count, BLOCK):
            for way, ask in ways.items():
                block = []
                for text in texts(BLOCK, begin + BLOCK):
                    start = time.perf_counter()
                    ask(text)
                    block.append(1000 * (time.perf_counter() - start))
                if begin >= 0:  # the first block warms up
                    taken.setdefault(way, []).extend(block)
    return taken


def batch_gain(adapter: Any, together: int = 32, rounds: int = 5) -> float:
    """How much less time a query takes encoded with others: a bound of what load can gain.

    The fastest of rounds in turns, so that other work on the machine counts less.
    """
    adapter.encode(texts(together, start=9000))
    alone, batch = [], []
    for turn in range(rounds):
        asked = texts(together, start=10_000 + turn * together)
        start = time.perf_counter()
        for text in asked:
            adapter.encode([text])
        alone.append(time.perf_counter() - start)
        start = time.perf_counter()
        adapter.encode(asked)
        batch.append(time.perf_counter() - start)
    return min(alone) / min(batch)


@dataclass
class Load:
    """What clients saw. seconds: of the answers; busy: answers 429; failed: everything else;
    processor: seconds of processor time that the server spent."""

    answered: int = 0
    busy: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    spent: float = 0.0
    processor: float = 0.0

    @property
    def rate(self) -> float:
        return self.answered / self.spent


class Client:
    """One connection of HTTP/1.1 in a few lines: a library would cost more than the server does."""

    async def open(self, host: str, port: int) -> None:
        self._head = f"POST /search HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        self._reader, self._writer = await asyncio.open_connection(host, port)

    async def ask(self, content: dict[str, Any]) -> tuple[int, float]:
        """The status of an answer that has come whole, and its Retry-After."""
        data = json.dumps(content).encode()
        self._writer.write(f"{self._head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        await self._reader.readexactly(int(headers["content-length"]))
        return int(status.split()[1]), float(headers.get("retry-after", 0))


async def load(address: str, clients: int, seconds: float) -> Load:
    seen = Load()
    server = listening_process(address)
    before = processor_seconds(server)
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    begin = time.perf_counter()
    end = begin + seconds

    async def client(number: int) -> None:
        http = Client()
        await http.open(host, int(port))
        turn = 0
        while time.perf_counter() < end:
            text = f"ein {SHAPES[turn % len(SHAPES)]} neben {number} Ringen und {turn} Sternen"
            turn += 1
            start = time.perf_counter()
            try:
                status, wait = await asyncio.wait_for(http.ask(body(text)), 60)
            except (OSError, EOFError, asyncio.TimeoutError) as error:
                name = type(error).__name__
                seen.failed[name] = seen.failed.get(name, 0) + 1
                await http.open(host, int(port))
                continue
            if status == 200:
                seen.answered += 1
                seen.seconds.append(time.perf_counter() - start)
            elif status == 429:
                seen.busy += 1
                await asyncio.sleep(wait)
            else:
                seen.failed[str(status)] = seen.failed.get(str(status), 0) + 1

    await asyncio.gather(*(client(number) for number in range(clients)))
    seen.spent = time.perf_counter() - begin
    seen.processor = processor_seconds(server) - before
    return seen


class Memory:
    """The largest resident memory of the server, in megabytes, looked at twice a second."""

    def __init__(self, address: str) -> None:
        self._process = listening_process(address)
        self.start = self.most = self._now()
        self._ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _now(self) -> float:
        pages = int(Path(f"/proc/{self._process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            self.most = max(self.most, self._now())

    def stop(self) -> float:
        self._ended.set()
        return self._now()


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def listening_process(address: str) -> int:
    """The process that listens at an address (Linux)."""
    port = int(address.rstrip("/").rpartition(":")[2])
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    columns = [line.split() for line in lines]
    wanted = {f"socket:[{c[9]}]" for c in columns if c[1].endswith(f":{port:04X}") and c[3] == "0A"}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(link) in wanted for link in folder.iterdir()):
                return int(folder.parent.name)
        except OSError:
            continue
    raise SystemExit("the server's process is not found")


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def add_one_client(report: Report, index: Any, path: Path, address: str, count: int) -> None:
    import m2m_adapters as m2m

    adapter = m2m.load_adapter(path)
    taken = one_client(index, adapter, path.name, address, count)
    for way, spent in taken.items():
        report.add(f"{way}, ms".replace(PROCESS, f"{path.name}: {PROCESS}"), spread(spent))
    for way in (HTTP, HTTPX):
        middle = statistics.median(taken[way]) / statistics.median(taken[PROCESS])
        least = min(taken[way]) / min(taken[PROCESS])
        report.add(f"{way}, times in process: medians / fastest", f"{middle:.2f}x / {least:.2f}x")
    gain = batch_gain(adapter)
    report.add("... 32 queries encoded at once, times one at a time", f"{gain:.1f}x")


def add_load(report: Report, address: str, clients: int, seconds: float) -> None:
    single = asyncio.run(load(address, 1, seconds / 4))
    memory = Memory(address)
    many = asyncio.run(load(address, clients, seconds))
    after = memory.stop()
    again = asyncio.run(load(address, 1, seconds / 4))
    alone = (single.answered + again.answered) / (single.spent + again.spent)
    report.add("one client, answers a second (before and after the load)", f"{alone:.0f}")
    report.add(f"{clients:,} clients, answers a second", f"{many.rate:.0f}")
    report.add("... times one client", f"{many.rate / alone:.1f}x")
    costs = [1000 * (single.processor + again.processor) / (single.answered + again.answered),
             1000 * many.processor / many.answered]  # fmt: skip
    report.add("... server's processor time an answer, one client / many, ms",
               f"{costs[0]:.1f} / {costs[1]:.1f} ({costs[0] / costs[1]:.1f}x less)")  # fmt: skip
    failed = f"{sum(many.failed.values())} {many.failed or ''}".strip()
    waits = [percentile(many.seconds, share) for share in (0.5, 0.99)]
    sizes = [f"{size:.0f}" for size in (memory.start, memory.most, after)]
    counts = f"{many.answered:,} / {many.busy:,} / {failed}"
    report.add("... answered / 429 / anything else", counts)
    report.add("... seconds for an answer, p50 / p99", f"{waits[0]:.2f} / {waits[1]:.2f}")
    report.add("server's memory before / most / after, MB", " / ".join(sizes))
    report.notes.append("the load by tiny-text")


def aligned(source: str, path: Path) -> Path:
    import m2m_adapters as m2m

    m2m.align(f"st:{source}", "tiny-clip", captions(200), recipe="closed-form", store=False).save(
        path
    )
    return path


def main() -> None:
    asked = arguments(
        __doc__,
        queries={"type": int, "default": 300, "help": "of the one client"},
        clients={"type": int, "default": 1000, "help": "at once"},
        seconds={"type": float, "default": 60.0, "help": "of load"},
        model={
            "default": "",
            "help": "a folder of sentence-transformers: one client of this source, no load",
        },
    )
    import m2m_adapters as m2m
    from m2m_adapters.report.demo import TINY
    from m2m_adapters.report.demo_index import prepare_demo

    command = f"python benchmarks/serve.py --queries {asked.queries} "
    if asked.model:
        name = Path(asked.model).name
        report = Report(f"Serve: {name}, one client", f"{command}--model {name}", COLUMNS)
    else:
        command += f"--clients {asked.clients} --seconds {asked.seconds:g}"
        report = Report("Serve", command, COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        (made,) = prepare_demo(Path(folder), TINY[:1], sentences=3000)
        if asked.model:
            counts = {aligned(asked.model, Path(folder) / name): asked.queries}
        else:
            build(Path(folder))
            large = aligned(f"{folder}/model", Path(folder) / "mpnet-sized")
            counts = {made.adapter: asked.queries, large: asked.queries // 3}
        index = m2m.load_index(made.index)
        chosen = [word for path in counts for word in ("--adapter", str(path))]
        with running(str(made.index), *chosen) as address:
            for path, count in counts.items():
                add_one_client(report, index, path, address, count)
            if not asked.model:
                add_load(report, address, asked.clients, asked.seconds)
    report.notes.append("1,000 pictures of tiny-clip; server and clients on one machine")
    report.notes.append(
        f"load of the machine at the end: {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors"
    )
    report.finish(asked)


if __name__ == "__main__":
    main()
