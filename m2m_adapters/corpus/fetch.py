"""``m2m fetch``: download a published data set, file by file, each whole or not at all.

Files that are there already are kept, so an interrupted download continues where it stopped. The
folder's ``fetched.json`` records where each file came from, its digest, and the commit of the hub.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from m2m_adapters._internal.files import whole_file
from m2m_adapters._internal.folders import whole_folder
from m2m_adapters._internal.progress import Progress
from m2m_adapters._internal.spelling import did_you_mean
from m2m_adapters.corpus.files import text_lines
from m2m_adapters.corpus.published import (
    SOURCES,
    Each,
    File,
    Hub,
    fetched_folder,
    published_corpora,
)
from m2m_adapters.errors import UserError

RECORD = "fetched.json"
BLOCK = 1 << 20
AGAIN = "run it again; complete files are kept"
Record = dict[str, dict[str, Any]]


def fetch(name: str, out: str | Path | None = None, *, progress: Progress | None = None) -> Path:
    """Download the data set ``name``; its folder.

    out: the folder; by default :func:`fetched_folder`, where benchmarks and corpora are looked for.
    """
    if name not in SOURCES:
        raise UserError(f"there is no data set called '{name}'{did_you_mean(name, list(SOURCES))}",
                        f"one of {', '.join(SOURCES)}")  # fmt: skip
    folder = Path(out).expanduser() if out is not None else fetched_folder(name)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file, not a folder", "choose another place")
    record = _read_record(folder)
    bar = progress or Progress()
    for part in SOURCES[name].parts:
        if isinstance(part, File):
            with bar.stage(f"fetch {part.path}", None):
                _file(part, folder, record)
        elif isinstance(part, Each):
            _each(part, folder, record, bar)
        else:
            with bar.stage(f"fetch {part.repo}", None):
                _hub(part, folder, record)
        _write_record(folder, record)
    return folder


def fetch_corpora(texts: Sequence[str], *, progress: Progress | None = None) -> None:
    """Download those of ``texts`` that name a published corpus which is not on this machine."""
    for name in texts:
        if name in published_corpora() and not fetched_folder(name).is_dir():
            fetch(name, progress=progress)


def _file(part: File, folder: Path, record: Record) -> None:
    target = folder / part.path
    if target.exists():
        return
    if not part.unpack:
        record[part.path] = _download(part.url, target)
        return
    archive = folder / f".{target.name}.archive"
    try:
        record[part.path] = _download(part.url, archive)
        unpack(archive, target)
    finally:
        archive.unlink(missing_ok=True)


def _each(part: Each, folder: Path, record: Record, bar: Progress) -> None:
    names = [line.strip() for line in text_lines(folder / part.lines) if line.strip()]
    for name in names:
        if PurePosixPath(name).name != name:
            raise UserError(f"{part.lines} names '{name}', which is not a plain file name",
                            "do not trust this data set")  # fmt: skip
    absent = [name for name in names if not (folder / part.path / name).exists()]
    with bar.stage(f"fetch {part.path}", len(absent), "files") as done:
        with ThreadPoolExecutor(8, thread_name_prefix="m2m-fetch") as pool:
            downloads = {
                name: pool.submit(_download, part.url(name), folder / part.path / name)
                for name in absent
            }
            try:
                for number, (name, future) in enumerate(downloads.items()):
                    record[f"{part.path}/{name}"] = future.result()
                    done(number + 1)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _download(url: str, path: Path) -> dict[str, Any]:
    """Fetch one address; its digest and size."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    digest, size = hashlib.sha256(), 0

    def blocks(answer: Any) -> Iterator[bytes]:
        try:
            while block := answer.read(BLOCK):
                yield block
        except (OSError, HTTPException) as error:
            raise UserError(f"the download of {url} was interrupted: {error}", AGAIN) from error

    try:
        request = Request(url, headers={"User-Agent": "m2m-adapters"})
        with urlopen(request, timeout=60) as answer:
            announced = answer.headers.get("Content-Length")
            with whole_file(path) as temporary, open(temporary, "wb") as file:
                for block in blocks(answer):
                    digest.update(block)
                    size += len(block)
                    file.write(block)
                if announced is not None and size != int(announced):
                    raise UserError(
                        f"the download of {url} was interrupted after {size:,} of "
                        f"{int(announced):,} bytes",
                        AGAIN,
                    )
    except HTTPError as error:
        remedy = "look whether it has moved, or put the files there by hand"
        raise UserError(f"cannot fetch {url}: {error.code} {error.reason}", remedy) from error
    except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(f"cannot fetch {url}: {reason}", f"check the network; {AGAIN}") from error
    return {"url": url, "sha256": digest.hexdigest(), "bytes": size}


def _hub(part: Hub, folder: Path, record: Record) -> None:
    if part.repo in record:  # complete, at the commit that is recorded
        return
    try:
        from huggingface_hub import HfApi, snapshot_download
    except ImportError as error:
        raise UserError(
            "the hub needs huggingface_hub", 'pip install "m2m-adapters[hub]"'
        ) from error
    try:
        commit = HfApi().dataset_info(part.repo, revision=part.revision).sha
        snapshot_download(
            part.repo, repo_type="dataset", revision=commit, local_dir=folder,
            allow_patterns=list(part.patterns),
        )  # fmt: skip
    except Exception as error:  # the hub's client raises errors of three libraries
        reason = (str(error).strip() or repr(error)).splitlines()[0][:200]
        raise UserError(f"cannot fetch {part.repo} from the hub: {reason}",
                        "check the network and HF_HUB_OFFLINE; gated data needs `hf auth login`",
                        ) from error  # fmt: skip
    for archive in sorted(folder.rglob("*.zip")):
        if not archive.with_suffix("").exists():
            unpack(archive, archive.with_suffix(""))
    record[part.repo] = {"hub": part.repo, "revision": commit, "patterns": list(part.patterns)}


def unpack(archive: Path, folder: Path) -> None:
    """Plain files of a zip or tar; names that lead out of the folder are refused."""
    damaged = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError)
    with whole_folder(folder, names=()) as temporary:
        try:
            for name, stream in _members(archive):
                path = PurePosixPath(name)
                if path.is_absolute() or ".." in path.parts or "\\" in name:
                    raise UserError(
                        f"{archive.name} holds '{name}', which points outside its folder",
                        "do not trust this archive",
                    )
                target = temporary / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(target, "wb") as file:
                    shutil.copyfileobj(stream, file, BLOCK)
        except damaged as error:
            raise UserError(f"{archive.name} is damaged ({error})", "fetch it again") from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if not info.is_dir():
                    with opened.open(info) as stream:
                        yield info.filename, stream
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and (content := tar.extractfile(member)) is not None:
                yield member.name, content


@contextmanager
def _whole_text(path: Path) -> Iterator[IO[str]]:
    with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        yield file


def _read_record(folder: Path) -> Record:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write_record(folder: Path, record: Record) -> None:
    with _whole_text(folder / RECORD) as file:
        json.dump(record, file, indent=1, ensure_ascii=False)
