"""What one alignment reads of its source and which projector it fits, by level."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from m2m_adapters.alignment.anytime import Stopping
from m2m_adapters.alignment.encode import Source
from m2m_adapters.alignment.pairs import MIN_SENTENCES, Pairs
from m2m_adapters.alignment.recipes import AT_TOKEN_LEVEL, Recipe
from m2m_adapters.alignment.recipes import recipe as named_recipe
from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.stored import StoredEncoder, StoredStates
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, TextEncoder

if TYPE_CHECKING:
    from m2m_adapters.alignment.solve import Solved
    from m2m_adapters.projectors.protocol import Projector

ROOM_BYTES = 4 << 30
"""For the states and sequences of a corpus at token level, on disk or in memory."""
WIDE = 8192
"""Columns from which sequences are kept in half precision."""
HEADS = 4
OF_TOKENS = ("token", "tokenwise")
OF_TRAINED_TOKENS = AT_TOKEN_LEVEL["gradient"]
TOKENS_OF_A_SENTENCE = 32
"""Assumed before any is encoded."""


@dataclass(frozen=True)
class Level:
    """What one alignment reads, and what it fits.

    unit: whether rows of both sides are scaled to length 1, at alignment and whenever the adapter
    encodes. create: the projector to start from, an affine one by default. solve: its closed form,
    where that is not the one of an affine map of vectors. room: most sentences of a corpus; None
    for all.
    """

    source: Source
    target: StoredEncoder
    unit: bool
    stopping: Stopping
    create: Callable[[Recipe, Pairs, bool], Projector] | None = None
    solve: Callable[[Projector, Pairs, Recipe], Solved] | None = None
    room: int | None = None


def choose_level(
    recipe: str,
    changes: Mapping[str, object],
    encoder: TextEncoder,
    model: ModalityModel,
) -> str:
    """Token level where the target reads a sequence and the source has token states.

    A sentence vector says what is in a prompt and loses where it is, so sentence level for such a
    target is a known weak choice: whoever asks for it by name is not warned, whoever comes to it by
    another recipe or source is.
    """
    if not _reads_tokens(model):
        return "sentence"
    changed = sorted(key for key, value in changes.items() if value is not None)
    fitting = OF_TRAINED_TOKENS
    if _one_by_one(model.at_level("token")):
        fitting = (*fitting, *AT_TOKEN_LEVEL["closed-form"])
    if recipe not in ("auto", *OF_TOKENS):
        because = f"the recipe '{recipe}' is for sentence level"
    elif odd := [key for key in changed if recipe == "auto" and key not in fitting]:
        because = f"'{odd[0]}' is not an option of the recipe token"
    elif type(encoder).encode_tokens is TextEncoder.encode_tokens:
        because = "the source does not show its token states"
    else:
        return "token"
    warnings.warn(
        f"aligned at sentence level, since {because}: this target reads a sequence of tokens and "
        "follows prompts far better at token level",
        stacklevel=3,
    )
    return "sentence"


def early_recipe(recipe: str, level: str, changes: Mapping[str, Any]) -> Recipe:
    """The recipe as far as it is known before the models are; refuses what no level takes."""
    if level not in ("auto", "token"):
        return named_recipe(recipe, level, **changes)
    given = {key for key, value in changes.items() if value is not None}
    if level == "token" or recipe in OF_TOKENS or (recipe == "auto" and "left_out" in given):
        level = "token"
        if recipe == "auto" and given & {*AT_TOKEN_LEVEL["closed-form"]}:
            recipe = "tokenwise"  # which the target may be suited to
    else:
        level = "sentence"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the recipe and level that are chosen in the end warn
        return named_recipe(recipe, level, **changes)


def suited_recipe(recipe: str, level: str, changes: Mapping[str, Any], model: ModalityModel) -> str:
    """The recipe that ``auto`` stands for with this target.

    States that have each seen the whole text, of tokens that the target is told of, are mapped
    one by one, in closed form. In others a word's place says something, which has to be trained.
    """
    trained = any(changes.get(key) is not None for key in OF_TRAINED_TOKENS)
    suits = (recipe, level) == ("auto", "token") and not trained and _one_by_one(model)
    return "tokenwise" if suits else recipe


def check_level(level: str, stopping: Stopping | None) -> None:
    """Refuse options that the level cannot honor, before the models are loaded."""
    early = stopping is not None and not stopping.use_all and stopping != Stopping()
    if level == "token" and early:
        raise UserError(
            "token level uses every sentence that fits in 4 GiB: --tolerance and --patience "
            "have no effect",
            "leave them out, or limit the corpus with --max-sentences",
        )


def prepare(
    level: str,
    encoder: TextEncoder,
    model: ModalityModel,
    recipe: Recipe,
    store: Store | None,
    stopping: Stopping | None,
) -> Level:
    """Both sides of an alignment at ``level``."""
    if level == "token":
        return _token_level(encoder, model, recipe, store)
    return Level(
        StoredEncoder(encoder, store, "source"),
        StoredEncoder(model.text, store, "target"),
        model.space.normalized,
        stopping or Stopping(),
    )


def _token_level(
    encoder: TextEncoder, model: ModalityModel, recipe: Recipe, store: Store | None
) -> Level:
    """Token states to the target's whole sequence, token by token or by attention.

    The target's text tower must say which part of its vectors is a sequence (``shape``), and
    whether a mask of its tokens follows (``masked``).
    """
    tokens, width = _sequence(model)
    masked = _masked(model)
    pooled = model.space.dim - tokens * (width + masked)
    if recipe.fit == "closed-form" and not masked:
        raise UserError(
            "this target takes no mask of its tokens, so the recipe tokenwise cannot serve it",
            "use --recipe token",
        )

    def by_attention(recipe: Recipe, pairs: Pairs, normalized: bool) -> Projector:
        from m2m_adapters.projectors.tokens import TokenProjector, TokenShape

        hidden = recipe.hidden or 128
        if hidden % HEADS:
            raise UserError(f"hidden must be a multiple of {HEADS}, not {hidden}", "e.g. 128")
        return TokenProjector(
            TokenShape(pairs.d_in, pooled, tokens, width, hidden, HEADS, recipe.layers, mask=masked)
        )

    def by_token(recipe: Recipe, pairs: Pairs, normalized: bool) -> Projector:
        from m2m_adapters.projectors.tokenwise import TokenwiseProjector, TokenwiseShape

        return TokenwiseProjector(TokenwiseShape(pairs.d_in, pooled, tokens, width))

    def solve(projector: Projector, pairs: Pairs, recipe: Recipe) -> Solved:
        from m2m_adapters.alignment.tokenwise import solve_tokens
        from m2m_adapters.projectors.tokenwise import TokenwiseProjector

        assert isinstance(projector, TokenwiseProjector)
        return solve_tokens(projector, pairs, recipe)

    source = StoredStates(encoder, store, "source")
    target = StoredEncoder(model.text, store, "target", half=model.space.dim > WIDE)
    row = 2 * (model.space.dim + TOKENS_OF_A_SENTENCE * source.width)
    room = max(MIN_SENTENCES, ROOM_BYTES // row)
    level = Level(source, target, False, Stopping(use_all=True), by_attention, room=room)
    return level if recipe.fit == "gradient" else replace(level, create=by_token, solve=solve)


def _one_by_one(model: ModalityModel) -> bool:
    """Whether each of the target's states may be mapped by itself."""
    return _masked(model) and bool(getattr(model.text, "bidirectional", False))


def _masked(model: ModalityModel) -> bool:
    return bool(getattr(model.text, "masked", False))


def _reads_tokens(model: ModalityModel) -> bool:
    """Whether the target takes a sequence of tokens; no text model is loaded to find out."""
    return model.at_level("token") is not model or getattr(model.text, "shape", None) is not None


def _sequence(model: ModalityModel) -> tuple[int, int]:
    shape = getattr(model.text, "shape", None)
    if shape is None:
        raise UserError(
            f"{type(model).__name__} does not read a token sequence",
            "use --level sentence",
        )
    return int(shape[0]), int(shape[1])
