"""What `m2m doctor` and `m2m list` say, asked in Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from m2m_adapters.embeddings.vector_files import check_format, write_vectors
from m2m_adapters.errors import UserError
from m2m_adapters.registry.doctor import diagnose
from m2m_adapters.report.names import rows


def test_the_doctor_looks_at_everything() -> None:
    findings = diagnose()
    assert len(findings) >= 8
    text = " ".join(str(finding) for finding in findings).lower()
    for subject in ("python", "torch", "registry", "cache"):
        assert subject in text


@pytest.mark.parametrize("kind", ["source", "target", "corpus", "benchmark", "adapter", "loss"])
def test_every_kind_is_listed(kind: str) -> None:
    assert rows(kind)


def test_an_entry_is_not_hidden_by_a_scheme_of_its_name() -> None:
    names = [row["name"] for row in rows("target")]
    assert "clap" in names and any(name.startswith("clap:") for name in names)
    assert {"clip", "siglip", "flux", "sd3"} <= set(names)


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_vectors_are_written_whole(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / f"vectors{suffix}"
    check_format(out)
    vectors = np.eye(3, 4, dtype=np.float32)
    write_vectors(out, ["a", "b", "c"], vectors)
    if suffix == ".npy":
        assert np.array_equal(np.load(out), vectors)
    else:
        import pyarrow.parquet as pq

        assert pq.read_table(out).num_rows == 3
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        check_format(tmp_path / "vectors.pkl")
