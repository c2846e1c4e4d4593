"""``adapter.safetensors``: the tensors of a projector, and what the record says of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from m2m_adapters.artifact.describe import versions
from m2m_adapters.artifact.record import (
    BANK,
    LANGUAGES,
    WEIGHTS,
    BankRecord,
    LanguagesRecord,
    ProjectorRecord,
    Record,
    WeightsRecord,
)

if TYPE_CHECKING:
    from m2m_adapters.artifact.bank import Bank
    from m2m_adapters.artifact.languages import LanguageTable
    from m2m_adapters.projectors.protocol import Projector


def weights_bytes(projector: Projector) -> bytes:
    """The projector's tensors as a safetensors file."""
    from safetensors.torch import save

    state = {k: v.detach().cpu().contiguous() for k, v in projector.state_dict().items()}
    return bytes(save(state, metadata={"format": "pt"}))


def describe_projector(projector: Projector) -> ProjectorRecord:
    """The record of a projector: what builds it again."""
    return ProjectorRecord(name=projector.registry_name, arguments=projector.shape.to_dict())


def describe_weights(raw: bytes) -> WeightsRecord:
    """The record of the weights in ``raw``."""
    return WeightsRecord(sha256=hashlib.sha256(raw).hexdigest(), bytes=len(raw))


def bank_bytes(bank: Bank) -> bytes:
    """The bank as a safetensors file."""
    from safetensors.numpy import save

    return bytes(save({"bank": bank.rows}))


def describe_bank(bank: Bank) -> BankRecord:
    """The record of a bank."""
    raw = bank_bytes(bank)
    return BankRecord(
        sha256=hashlib.sha256(raw).hexdigest(),
        bytes=len(raw),
        rows=len(bank.rows),
        weight=bank.weight,
        near=bank.near,
    )


def languages_bytes(table: LanguageTable) -> bytes:
    """The shifts as a safetensors file, a tensor for each language."""
    from safetensors.numpy import save

    return bytes(save(dict(table.shifts)))


def describe_languages(table: LanguageTable) -> LanguagesRecord:
    """The record of a table of languages."""
    from m2m_adapters.artifact.languages import SEEN

    raw = languages_bytes(table)
    return LanguagesRecord(
        sha256=hashlib.sha256(raw).hexdigest(),
        bytes=len(raw),
        share=table.share,
        english=table.english,
        seen=SEEN,
        adapted=list(table.about),
    )


def digest_of(
    weights: WeightsRecord, bank: BankRecord | None, languages: LanguagesRecord | None
) -> str:
    """What identifies an adapter: the sha256 of its weights, or of a line for each file.

    Weights alone: their own digest. Otherwise: of the lines ``NAME SHA256``, the bank's followed
    by how it is used.
    """
    lines = [f"{WEIGHTS} {weights.sha256}"]
    if bank is not None:
        lines.append(f"{BANK} {bank.sha256} {bank.weight} {bank.near}")
    if languages is not None:
        lines.append(f"{LANGUAGES} {languages.sha256}")
    if len(lines) == 1:
        return weights.sha256
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def new_record(projector: Projector, **sections: Any) -> Record:
    """The record of a new adapter; ``source`` and ``target`` are required sections."""
    return Record(
        projector=describe_projector(projector),
        weights=describe_weights(weights_bytes(projector)),
        versions=versions(),
        **sections,
    )
