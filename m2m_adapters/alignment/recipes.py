"""How a projector is fitted: named recipes and their parameters."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, fields, replace
from math import inf
from typing import Any

from m2m_adapters.errors import UnknownName, UserError

FITS = ("closed-form", "gradient", "both")
PRECISIONS = ("fp32", "bf16")
PRIORS = ("zero", "rotation")
OF_TRAINING = (
    "lr", "weight_decay", "batch_size", "epochs", "warmup_steps", "patience", "precision",
    "least_gain",
)  # fmt: skip
"""Parameters that mean nothing to a recipe without gradient steps."""
MOST_RIDGE = 1e6
"""Beyond it nothing is left of the map but its mean."""


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
    """

    name: str
    fit: str
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
    )
}


def recipe(name: str, **changes: Any) -> Recipe:
    """A named recipe with some parameters changed; None leaves one as it is."""
    from m2m_adapters._internal.spelling import did_you_mean

    if name not in RECIPES:
        raise UnknownName(
            f"no recipe is called '{name}'{did_you_mean(name, list(RECIPES))}",
            f"one of {', '.join(RECIPES)}",
        )
    known = {f.name for f in fields(Recipe)} - {"name", "fit"}
    for key in changes:
        if key in ELSEWHERE:
            raise UserError(f"a recipe has no '{key}'", f"pass {ELSEWHERE[key]}")
        if key not in known:
            raise UserError(
                f"a recipe has no '{key}'{did_you_mean(key, [*known, *ALIGN_OPTIONS])}",
                f"it has {', '.join(sorted(known))}",
            )
    changed = {k: v for k, v in changes.items() if v is not None}
    chosen = replace(RECIPES[name], **changed)
    _check_numbers(chosen)
    if chosen.precision not in PRECISIONS:
        raise UserError(
            f"'{chosen.precision}' is not a precision to refine in",
            f"use {' or '.join(PRECISIONS)}",
        )
    if chosen.ridge is not None and not 0 <= chosen.ridge <= MOST_RIDGE:
        raise UserError(
            f"ridge must be from 0 to {MOST_RIDGE:,.0f}, not {chosen.ridge}",
            "it is in units of the mean variance; e.g. 0.001",
        )
    if chosen.prior not in PRIORS:
        raise UserError(f"there is no prior '{chosen.prior}'", f"use {' or '.join(PRIORS)}")
    if chosen.procrustes and chosen.fit == "gradient":
        raise UserError("Procrustes is a closed form", "use it with --recipe closed-form or auto")
    _warn_of_unused(RECIPES[name], changed)
    return chosen


def _check_numbers(chosen: Recipe) -> None:
    for key in ("lr", "batch_size", "epochs", "layers"):
        if not getattr(chosen, key) > 0:
            raise UserError(f"{key} must be above zero, not {getattr(chosen, key)}")
    for key in ("weight_decay", "warmup_steps", "patience", "least_gain"):
        value = getattr(chosen, key)
        if value is not None and not 0 <= value < inf:
            raise UserError(f"{key} must be zero or more, not {value}")


def _warn_of_unused(named: Recipe, changed: dict[str, Any]) -> None:
    """Say which changes a recipe without gradient steps has no use for."""
    if named.fit != "closed-form":
        return
    for key in OF_TRAINING:
        if key in changed and changed[key] != getattr(named, key):
            warnings.warn(
                f"the recipe '{named.name}' takes no gradient steps: '{key}' means nothing to it "
                "(--recipe refined and paper do)",
                stacklevel=4,
            )
