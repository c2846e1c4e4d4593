"""``adapter.json`` as types: every key, its type and its meaning.

Values that come from plugins or from the user (provenance, options, figures of an evaluation)
are JSON of their own shape; everything else is fixed. docs/artifact.md explains each key to
readers of the file; a test compares it with the types here.

Structures are immutable, unknown keys are refused, keys without a default are required.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct, to_builtins

FORMAT = 2
WEIGHTS, RECORD, CARD = "adapter.safetensors", "adapter.json", "README.md"
BANK = "bank.safetensors"
LANGUAGES = "languages.safetensors"
FILES = (WEIGHTS, RECORD, CARD, BANK, LANGUAGES)
WEIGHTS_LIMIT = 4 << 30
VECTORS = "vectors"
"""Class of source and target of an adapter that was learned from vectors alone."""

MODEL_OPTIONS = ("precision", "backend", "revision", "prompt", "normalize")
ORIGINS_LIMIT = 24
"""Origins of a corpus that are listed one by one; ``origins_total`` counts all of them."""

Digest: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Size: TypeAlias = Annotated[int, Meta(ge=1, lt=1 << 20)]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Bytes: TypeAlias = Annotated[int, Meta(ge=1, le=WEIGHTS_LIMIT)]
Name: TypeAlias = Annotated[str, Meta(max_length=4096)]
Json: TypeAlias = dict[str, Any]
Figure: TypeAlias = float | list[float | None] | None
Figures: TypeAlias = dict[str, Figure | dict[str, Figure]]


class ProjectorRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which projector, and the arguments that build it again."""

    name: Name
    arguments: Json


class WeightsRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``adapter.safetensors`` must be."""

    sha256: Digest
    bytes: Bytes


class BankRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``bank.safetensors`` must be, and how it is used."""

    sha256: Digest
    bytes: Bytes
    rows: Size
    weight: Annotated[float, Meta(ge=0, le=10)]
    near: Annotated[float, Meta(gt=0, le=1)]


FileRecord: TypeAlias = "WeightsRecord | BankRecord | LanguagesRecord"


class AdaptedLanguage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A language that was adapted to, and how it was judged without labels."""

    code: Name
    sentences: Count
    digest: Digest
    gain: list[float]


class LanguagesRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``languages.safetensors`` must be, and what it was learned from."""

    sha256: Digest
    bytes: Bytes
    share: float
    english: Count
    seen: Name
    adapted: list[AdaptedLanguage]


class ModelOptions(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Options needed to load the same model again. No option that could run code is among them."""

    precision: Name | None = None
    backend: Name | None = None
    revision: Name | None = None
    prompt: str | None = None
    normalize: bool | None = None

    def to_dict(self) -> dict[str, str | bool]:
        values = {key: getattr(self, key) for key in self.__struct_fields__}
        return {key: value for key, value in values.items() if value is not None}


class SourceRecord(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"class_name": "class"}
):
    """The text encoder an adapter starts from."""

    name: Name | None
    class_name: Name
    dim: Size
    fingerprint: Name | None
    normalize: bool
    max_tokens: int | None
    provenance: Json
    options: ModelOptions

    @property
    def title(self) -> str:
        return self.name or self.class_name


class TargetRecord(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"class_name": "class"}
):
    """The model whose text space an adapter maps into."""

    name: Name | None
    class_name: Name
    modality: Name
    dim: Annotated[int, Meta(ge=1)]  # a sequence of tokens can be wide
    normalized: bool
    fingerprint: Name | None
    provenance: Json
    options: ModelOptions

    @property
    def title(self) -> str:
        return self.name or self.class_name


class RecipeRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every parameter of the fit, as it was used."""

    name: str
    level: Literal["sentence", "token"]
    fit: str
    loss: str
    head: str
    layers: int
    hidden: int | None
    residual: bool
    activation: str
    ridge: float | None
    procrustes: bool
    prior: Literal["zero", "rotation"]
    lr: float
    weight_decay: float
    batch_size: int
    epochs: int
    warmup_steps: int
    patience: int | None
    precision: str
    least_gain: float
    clip: float | None
    left_out: float | None
    starts: Count
    seed: Count


class OriginRecord(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Where sentences of the corpus came from; ``path`` of a file, ``name`` of a corpus."""

    kind: Literal["file", "stdin", "memory", "name"]
    path: str | None = None
    name: Name | None = None

    @property
    def title(self) -> str:
        """For people: never more of a path than the name of the file."""
        if self.kind == "file":
            return (self.path or "").replace("\\", "/").rpartition("/")[2] or "a file"
        plain = {"stdin": "standard input", "memory": "sentences passed from Python"}
        return plain.get(self.kind) or self.name or "a corpus"


class CorpusRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The English sentences an adapter was learned from."""

    origins: list[OriginRecord]
    origins_total: Count
    sentences: Count
    read: Count
    empty_dropped: Count
    duplicates_dropped: Count
    sampled_from: Count | None
    digest: Digest
    used: Count
    stopped: str


class HeldOut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Figures on English pairs that were never fitted on."""

    sentences: Count
    loss: float
    top1: float
    top1_before: float | None
    orthogonality_deviation: float | None
    parameters: Count
    epochs: Count
    best_epoch: Count
    starts: list[float]


class PullRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How strongly the map is pulled towards a rotation, and what the rule saw; English only."""

    strength: float
    floor: float | None
    best: float | None
    given_up: float | None


class CurvePoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One epoch of training; the loss is null where it was not a finite number."""

    epoch: Count
    held_out_loss: float | None


class GrowthPoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage of anytime alignment: the fit on a part of the corpus."""

    sentences: Count
    held_out_loss: float
    top1: float


class SystemRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Figures of one system: by language, and averaged."""

    languages: dict[str, Figures]
    averages: dict[str, Figures]


class EvaluationRecord(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Results of one benchmark, kept by ``m2m evaluate --keep``."""

    benchmark: Json
    systems: dict[str, SystemRecord]
    protocol: str | None = None
    ties: str | None = None
    intervals: str | None = None
    judges: list[str] | None = None
    settings: Json | None = None
    reference: Json | None = None
    trust: list[str] = []

    @property
    def name(self) -> str:
        return str(self.benchmark.get("name") or "benchmark")


class ImportedRecord(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The published checkpoint an adapter was imported from."""

    file: str
    sha256: Digest
    dtype: str
    paper: str
    config: Json
    url: str | None = None
    license: Name | None = None


class HubRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an adapter was fetched from."""

    repo: Name
    commit: Annotated[str, Meta(pattern=r"^[0-9a-f]{40}\Z")]


class Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything ``adapter.json`` says, without its ``checksum``."""

    format: int = FORMAT
    projector: ProjectorRecord
    weights: WeightsRecord
    source: SourceRecord
    target: TargetRecord
    recipe: RecipeRecord | None = None
    corpus: CorpusRecord | None = None
    held_out: HeldOut | None = None
    pull: PullRecord | None = None
    bank: BankRecord | None = None
    languages: LanguagesRecord | None = None
    curve: list[CurvePoint] = []
    growth: list[GrowthPoint] = []
    evaluation: list[EvaluationRecord] = []
    imported: ImportedRecord | None = None
    hub: HubRecord | None = None
    versions: dict[str, str] = {}

    def to_dict(self) -> Json:
        """The record as plain JSON values."""
        content: Json = to_builtins(self)
        return content
