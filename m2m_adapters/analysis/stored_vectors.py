"""Studies of vectors that somebody else computed: one array for each language, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from m2m_adapters._internal.languages import is_known, normalize_tag
from m2m_adapters.analysis.cross_lingual import MEASURES, Precision, layers_study
from m2m_adapters.analysis.directions_study import directions_study
from m2m_adapters.analysis.families import families_study
from m2m_adapters.analysis.measures import measure
from m2m_adapters.analysis.parallel import FEWEST
from m2m_adapters.analysis.study import Study
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors

ON_VECTORS = ("layers", "families", "directions", "space")
SUFFIX = ".npz"


def are_vectors(name: str) -> bool:
    """Whether ``name`` is a file of vectors: FILE.npz or FILE.npz:PART."""
    return name.endswith(SUFFIX) or f"{SUFFIX}:" in name


def read_vectors(path: str | Path, *, languages: Sequence[str] | None = None) -> dict[str, Vectors]:
    """Arrays ``[n, dim]`` of an .npz file that are named by language.

    Row i of all belongs to one meaning. path: ``FILE.npz`` has arrays called en, de, ...;
    of ``FILE.npz:PART`` those called PART_en, PART_de, ... are read. languages: only these, and
    English.
    """
    file, _, part = str(path).partition(f"{SUFFIX}:")
    path = Path(f"{file}{SUFFIX}" if part else file).expanduser()
    by_language = _by_language(path, part)
    wanted = ["en", *map(normalize_tag, languages or by_language)]
    if missing := [code for code in wanted if code not in by_language]:
        raise UserError(
            f"{path} has no array for '{missing[0]}'", f"it has {', '.join(by_language)}"
        )
    chosen = {code: np.asarray(by_language[code], np.float32) for code in dict.fromkeys(wanted)}
    _check(chosen, str(path))
    return chosen


def _by_language(path: Path, part: str) -> dict[str, Vectors]:
    """The arrays of a part by language tag, in the order of the tags."""
    arrays = _arrays(path)
    start = f"{part}_" if part else ""
    named = {name.removeprefix(start): name for name in arrays if name.startswith(start)}
    by_language = {normalize_tag(tag): arrays[named[tag]] for tag in sorted(named) if is_known(tag)}
    if "en" in by_language and len(by_language) > 1:
        return by_language
    parts = sorted({name.rpartition("_")[0] for name in arrays if "_" in name})
    raise UserError(
        f"{path} has no arrays named {start}en and {start}LANG",
        f"choose with {path.name}:PART: {', '.join(parts)}"
        if parts
        else "name each by its language",
    )


def _arrays(path: Path) -> dict[str, Vectors]:
    try:
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except FileNotFoundError:
        raise UserError(f"there is no file {path}", "correct the path") from None
    except (OSError, ValueError, BadZipFile, AttributeError, TypeError) as error:
        raise UserError(
            f"{path} is not a file of arrays: {error}", "write it with numpy.savez, as numbers"
        ) from error


def _check(vectors: Mapping[str, Vectors], where: str) -> None:
    shapes = {code: x.shape for code, x in vectors.items()}
    if len(set(shapes.values())) != 1 or len(shapes["en"]) != 2:
        raise UserError(
            f"{where}: arrays differ in shape: "
            + ", ".join(f"{code} {list(shape)}" for code, shape in shapes.items()),
            "give one row for each meaning in every language",
        )
    if shapes["en"][0] < FEWEST:
        raise UserError(f"{where}: {shapes['en'][0]} rows are too few", f"give at least {FEWEST}")
    for code, x in vectors.items():
        if not np.isfinite(x).all():
            raise UserError(f"{where}: '{code}' has values that are not numbers", "encode it again")


def analyze_vectors(
    vectors: Mapping[str, Vectors],
    study: str,
    *,
    name: str = "vectors",
    data: str = "stored vectors",
    measures: Sequence[str] = MEASURES,
    precision: Precision | None = None,
) -> Study:
    """Run a study that needs no model on vectors by language, English among them.

    study: layers (here one: the output), families, directions or space.
    """
    if study not in ON_VECTORS:
        raise UserError(
            f"the study '{study}' needs a model", f"of vectors, use {', '.join(ON_VECTORS)}"
        )
    for one in measures:
        measure(one)
    if "en" not in vectors or len(vectors) < 2:
        raise UserError("vectors of English and of another language are needed", "give both")
    _check(vectors, name)
    layers = {code: [np.asarray(x)] for code, x in vectors.items()}
    chosen = precision or Precision()
    if study == "directions":
        return directions_study(layers, model=name, data=data, seed=chosen.seed)
    if study == "space":
        from m2m_adapters.analysis.space import space_study

        return space_study({"vectors": vectors}, {}, model=name, data=data, seed=chosen.seed)
    run = layers_study if study == "layers" else families_study
    return run(layers, model=name, data=data, measures=measures, precision=chosen)
