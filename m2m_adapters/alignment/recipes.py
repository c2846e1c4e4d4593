"""How a projector is fitted: named recipes and their parameters."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, fields, replace
from math import inf
from typing import Any

from m2m_adapters.errors import UnknownName, UserError

LEVELS = ("sentence", "token")
FITS = ("closed-form", "gradient", "both")
PRECISIONS = ("fp32", "bf16")
PRIORS = ("zero", "rotation")
OF_TRAINING = (
    "lr", "weight_decay", "batch_size", "epochs", "warmup_steps", "patience", "precision",
    "least_gain", "clip", "starts",
)  # fmt: skip
"""Parameters without effect in a recipe without gradient steps."""
AT_TOKEN_LEVEL = {
    "gradient": ("layers", "hidden", *OF_TRAINING, "left_out"),
    "closed-form": ("ridge", "prior"),
}
"""Parameters that mean something at token level, by how a projector is fitted there."""
MOST_RIDGE = 1e6
"""A ridge beyond it leaves nothing of the map but its mean."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a fit besides the data.

    fit: ``closed-form``, ``gradient`` (from random weights) or ``both`` (refine the closed form
    while the held-out loss falls).
    loss: the objective; None means the published one for the space: ``48*mse + 1*structure``
    for angular spaces, ``1*mse`` where magnitude matters.
    head: None means ``l2`` for angular spaces, ``none`` where magnitude matters.
    ridge: a fixed strength, or None to choose. procrustes: a scaled rotation.
    prior: what a ridge pulls the map towards: ``zero``, or ``rotation``, which keeps the source's
    own geometry where English says little.
    patience: epochs of refinement in a row that may bring no more than ``least_gain`` of the loss.
    precision: of the projector's arithmetic during refinement; its weights stay fp32.
    clip: largest norm of the gradient, None for no limit.
    starts: random weights that training begins with; each is trained for its share of the epochs,
    and the one of least held-out loss goes on to the end.
    left_out: share of a sentence's tokens that a step of training at token level does not see,
    others every time: no single English word may be relied on, and other languages say things
    with other tokens.
    """

    name: str
    fit: str
    level: str = "sentence"
    loss: str | None = None
    head: str | None = None
    layers: int = 1
    hidden: int | None = None
    residual: bool = False
    activation: str = "none"
    ridge: float | None = None
    procrustes: bool = False
    prior: str = "zero"
    lr: float = 3e-4
    weight_decay: float = 0.01
    batch_size: int = 64
    epochs: int = 50
    warmup_steps: int = 50
    patience: int | None = None
    precision: str = "fp32"
    least_gain: float = 0.0
    clip: float | None = None
    left_out: float | None = None
    starts: int = 1

    def loss_for(self, normalized: bool) -> str:
        if self.loss is not None:
            return self.loss
        return "48*mse + 1*structure" if normalized else "1*mse"

    def head_for(self, normalized: bool) -> str:
        return self.head or ("l2" if normalized else "none")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


ELSEWHERE = {
    **{
        key: f'model_options={{"{key}": ...}}'
        for key in ("device", "compile", "trust_remote_code", "revision")
    },
    **{key: f"stopping=Stopping({key}=...)" for key in ("tolerance", "use_all")},
}
"""Options of an alignment that are no parameters of a recipe, and where they belong."""
ALIGN_OPTIONS = ("seed", "column", "max_sentences", "stopping", "store", "progress", "track")

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("auto", "closed-form", prior="rotation"),
        Recipe(
            "refined",
            "both",
            lr=1e-3,
            weight_decay=0.0,
            batch_size=1024,
            epochs=30,
            patience=2,
            least_gain=0.005,
        ),
        Recipe("closed-form", "closed-form"),
        # arXiv 2601.10096: AdamW, linear schedule with 50 warm-up steps, batch 64, 50 epochs.
        Recipe("paper", "gradient", loss="48*mse + 1*structure", head="l2", layers=2),
        Recipe("paper-generation", "gradient", loss="1*mse", head="layernorm", layers=2, epochs=10),
        Recipe(
            "token",
            "gradient",
            level="token",
            loss="1*mse",
            head="none",
            layers=2,
            hidden=128,
            lr=1.5e-3,
            epochs=18,
            patience=3,
            clip=1.0,
            left_out=0.15,
        ),
        Recipe("tokenwise", "closed-form", level="token", loss="1*mse", head="none"),
    )
}


def recipe(name: str, level: str = "sentence", **changes: Any) -> Recipe:
    """A named recipe with changed parameters; None keeps one.

    ``auto`` exists at both levels; at token level it is ``token``, where the target is not known.
    """
    if level not in LEVELS:
        raise UserError(f"unknown level '{level}'", f"use auto, {' or '.join(LEVELS)}")
    named = _named("token" if (name, level) == ("auto", "token") else name, level)
    _check_known(changes)
    changed = {k: v for k, v in changes.items() if v is not None}
    if level == "token":
        _check_token_level(named, changed)
    if level == "sentence" and "left_out" in changed:
        raise UserError(
            "'left_out' is not an option of sentence level", "use it with level='token'"
        )
    chosen = replace(named, **changed)
    _check_values(chosen)
    _warn_of_unused(named, chosen, changed)
    return chosen


def _check_token_level(named: Recipe, changed: dict[str, Any]) -> None:
    possible = AT_TOKEN_LEVEL[named.fit]
    if odd := sorted(set(changed) - set(possible)):
        raise UserError(
            f"'{odd[0]}' is not an option of token level with the recipe '{named.name}'",
            f"use {', '.join(possible)}",
        )


def _named(name: str, level: str) -> Recipe:
    from m2m_adapters._internal.spelling import did_you_mean

    offered = [one.name for one in RECIPES.values() if one.level == level]
    if name not in RECIPES:
        raise UnknownName(
            f"no recipe is called '{name}'{did_you_mean(name, offered)}",
            f"one of {', '.join(offered)}",
        )
    if name not in offered:
        raise UserError(
            f"the recipe '{name}' does not exist at {level} level",
            f"use {', '.join(offered)}, or leave --recipe out",
        )
    return RECIPES[name]


def _check_known(changes: dict[str, Any]) -> None:
    from m2m_adapters._internal.spelling import did_you_mean

    known = {f.name for f in fields(Recipe)} - {"name", "fit", "level"}
    for key in changes:
        if key in ELSEWHERE:
            raise UserError(f"a recipe has no option '{key}'", f"pass {ELSEWHERE[key]}")
        if key not in known:
            raise UserError(
                f"a recipe has no option '{key}'{did_you_mean(key, [*known, *ALIGN_OPTIONS])}",
                f"it has {', '.join(sorted(known))}",
            )


def _check_values(chosen: Recipe) -> None:
    _check_numbers(chosen)
    if chosen.precision not in PRECISIONS:
        raise UserError(
            f"'{chosen.precision}' is not a precision for refinement",
            f"use {' or '.join(PRECISIONS)}",
        )
    if chosen.ridge is not None and not 0 <= chosen.ridge <= MOST_RIDGE:
        raise UserError(
            f"ridge must be from 0 to {MOST_RIDGE:,.0f}, not {chosen.ridge}",
            "it is in units of the mean variance; e.g. 0.001",
        )
    if chosen.prior not in PRIORS:
        raise UserError(f"unknown prior '{chosen.prior}'", f"use {' or '.join(PRIORS)}")
    if chosen.procrustes and chosen.fit == "gradient":
        raise UserError(
            "Procrustes needs a closed form", "use it with --recipe closed-form or auto"
        )
    if chosen.activation != "none" and chosen.layers > 1 and chosen.fit != "gradient":
        raise UserError(
            f"activation '{chosen.activation}' has no closed form",
            "use --recipe paper, or activation none",
        )
    if not 1 <= chosen.starts <= chosen.epochs:
        raise UserError(
            f"starts must be from 1 to the number of epochs, {chosen.epochs}, not {chosen.starts}"
        )
    if chosen.starts > 1 and chosen.fit == "both":
        raise UserError(
            f"the recipe '{chosen.name}' starts from the closed form: there is one start",
            "leave starts out, or use --recipe paper or token",
        )
    if chosen.left_out is not None and not 0 <= chosen.left_out < 1:
        raise UserError(f"left_out must be from 0 to 1, not {chosen.left_out}", "e.g. 0.15")


def _check_numbers(chosen: Recipe) -> None:
    for key in ("lr", "batch_size", "epochs", "layers"):
        if not getattr(chosen, key) > 0:
            raise UserError(f"{key} must be above zero, not {getattr(chosen, key)}")
    if chosen.clip is not None and not 0 < chosen.clip < inf:
        raise UserError(f"clip must be above zero, not {chosen.clip}", "e.g. 1.0")
    for key in ("weight_decay", "warmup_steps", "patience", "least_gain"):
        value = getattr(chosen, key)
        if value is not None and not 0 <= value < inf:
            raise UserError(f"{key} must be zero or more, not {value}")


def _warn_of_unused(named: Recipe, chosen: Recipe, changed: dict[str, Any]) -> None:
    """Warn about changes that have no effect."""
    without: dict[str, tuple[str, ...]] = {}
    if named.fit == "closed-form":
        because = "takes no gradient steps (--recipe refined and paper do)"
        without[because] = OF_TRAINING
    if named.fit == "gradient":
        without["has no closed form (--recipe auto has)"] = ("ridge", "prior")
    if chosen.procrustes:
        without["fits a scaled rotation"] = ("ridge", "prior")
    if chosen.layers == 1 and chosen.level == "sentence":
        without["has one layer (--layers 2)"] = ("hidden",)
    for because, keys in without.items():
        for key in keys:
            if key in changed and changed[key] != getattr(named, key):
                warnings.warn(
                    f"the recipe '{named.name}' {because}, so '{key}' has no effect", stacklevel=4
                )
