"""The toys as an ordinary plugin: ``toy-source``, ``toy-target``, ``toy-sentences``."""

from __future__ import annotations

from m2m_adapters.hookspecs import Register, hookimpl


@hookimpl
def m2m_register(register: Register) -> None:
    register.source(
        "toy-source",
        "m2m_adapters.testing.toys:ToySource",
        description="hashed words, for trying things out",
        dim=64,
    )
    register.target(
        "toy-target",
        "m2m_adapters.testing.toys:AffineTarget",
        modality="words",
        description="a hidden affine map of toy-source",
        dim=48,
        texts="toy-sentences",
        abilities="encode items",
    )
    register.corpus(
        "toy-sentences",
        "m2m_adapters.testing.toys:toy_sentences",
        description="plain English sentences, as many as asked for",
    )
