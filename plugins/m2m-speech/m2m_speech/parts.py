"""One part of a checkpoint, loaded without the rest, and nothing of it left random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.models import load_error, no_progress_bars


def load_part(
    made_of: Any, folder: Path, dtype: Any, names: dict[str, str] | None = None, **config: Any
) -> Any:
    """``made_of.from_pretrained``, strictly, in eval mode.

    names: patterns of the checkpoint's names -> what stands there in this part.
    config: what of the checkpoint's own config is changed.
    """
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()  # the other parts' weights are "unexpected", as they should be
    try:
        with no_progress_bars():
            model, report = made_of.from_pretrained(
                folder, dtype=dtype, local_files_only=True, output_loading_info=True,
                key_mapping=names, **config,
            )  # fmt: skip
    except Exception as error:
        raise load_error(folder, error) from error
    finally:
        logging.set_verbosity(level)
    missing = sorted(report.get("missing_keys", ()))
    missing += [str(key[0]) for key in report.get("mismatched_keys", ())]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise UserError(
            f"{folder} lacks weights of {made_of.__name__}: {', '.join(missing[:3])}{more}",
            "the checkpoint is incomplete or of another model; fetch it again",
        )
    return model.eval().requires_grad_(False)


def load_extractor(folder: Path) -> Any:
    """The folder's feature extractor."""
    from transformers import AutoFeatureExtractor

    try:
        return AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise load_error(folder, error) from error
