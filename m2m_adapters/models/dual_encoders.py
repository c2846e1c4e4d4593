"""One half of a dual encoder in transformers: the text tower, or the tower of its items.

A dual checkpoint holds both. Aligning needs the text half alone, so each half is a class of
its own, made by leaving the other half's modules out before any weight is read; of a
safetensors file the other half's bytes are then never touched.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Space, at_precision
from m2m_adapters.models.text_encoder import TokenEncoder
from m2m_adapters.models.weights import Located

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PretrainedConfig, PreTrainedModel
    from transformers import PreTrainedTokenizerBase as Tokenizer

TEXT, ITEMS = "text", "items"
_ITEM_MODULES = ("vision", "visual", "audio")


@lru_cache(maxsize=64)
def half_class(whole: type[PreTrainedModel], keep: str) -> type[PreTrainedModel]:
    """``whole`` (``CLIPModel``, ``ClapModel``, ...) without its other half."""

    def __init__(self: Any, config: PretrainedConfig, *args: Any, **options: Any) -> None:
        whole.__init__(self, config, *args, **options)
        for name, _ in list(self.named_children()):
            drop = name.startswith(_ITEM_MODULES if keep == TEXT else TEXT)
            if drop:
                delattr(self, name)

    def _init_weights(self: PreTrainedModel, module: nn.Module) -> None:
        # The whole model's own rule reaches for both projections. Its parameters all come from
        # the checkpoint; its children still need theirs, for buffers that are not saved.
        if module is not self:
            whole._init_weights(self, module)

    body = {"__init__": __init__, "_init_weights": _init_weights, "__module__": whole.__module__}
    # Same name: transformers writes and compares class names in a few places.
    return type(whole.__name__, (whole,), body)


@contextmanager
def no_progress_bars(library: str = "transformers") -> Iterator[None]:
    """While ``library`` loads a model it shows no bars of its own beside ours."""
    logging: Any = importlib.import_module(f"{library}.utils.logging")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def load_model(made_of: type[PreTrainedModel], folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    """A whole model of transformers, from the folder alone."""
    try:
        with no_progress_bars():
            return made_of.from_pretrained(folder, dtype=dtype, local_files_only=True)
    except Exception as error:
        raise load_error(folder, error) from error


def load_half(
    whole: type[PreTrainedModel], folder: Path, keep: str, dtype: torch.dtype
) -> PreTrainedModel:
    """The ``keep`` half of the checkpoint in ``folder``, in eval mode, nothing left random."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()  # the other half's keys are "unexpected", as they should be
    try:
        half: Any = half_class(whole, keep)  # type: ignore[arg-type]
        with no_progress_bars():
            model, report = half.from_pretrained(
                folder, dtype=dtype, local_files_only=True, output_loading_info=True
            )
    except Exception as error:
        raise load_error(folder, error) from error
    finally:
        logging.set_verbosity(level)
    missing = sorted(report.get("missing_keys", ()))
    wrong = [str(key[0]) for key in report.get("mismatched_keys", ())]
    if missing or wrong:
        raise UserError(
            f"{folder} lacks weights of {whole.__name__}: {', '.join((missing + wrong)[:3])}"
            + (f" and {len(missing + wrong) - 3} more" if len(missing + wrong) > 3 else ""),
            "the checkpoint is incomplete or of another model; fetch it again",
        )
    return model.eval().requires_grad_(False)


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's ``config.json`` as transformers reads it, before any class is chosen."""
    from transformers import PretrainedConfig

    try:
        config, _ = PretrainedConfig.get_config_dict(folder, local_files_only=True)
    except Exception as error:
        raise load_error(folder, error) from error
    return dict(config)


def load_error(folder: Path | str, error: Exception) -> UserError:
    """One line for a library's error about a folder that it could not load."""
    if isinstance(error, UserError):
        return error
    reason = " ".join(str(error).split())
    return UserError(
        f"{folder} cannot be loaded ({type(error).__name__}: {reason[:240]})",
        "check that the folder is whole, or fetch the model again",
    )


def load_tokenizer(folder: Path, vocabulary: int, *, trust_remote_code: bool = False) -> Tokenizer:
    """The folder's tokenizer, refused when it is not the one the model was made for.

    vocabulary: rows of the model's token embedding. Without tokenizer files some classes of
    transformers quietly make a tokenizer of a few tokens, to which all texts look alike.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trust_remote_code
        )
    except Exception as error:
        raise UserError(
            f"{folder} has no usable tokenizer ({' '.join(str(error).split())[:160]})",
            "fetch the model again with its tokenizer files",
        ) from error
    check_vocabulary(tokenizer, vocabulary, folder)
    return tokenizer


def check_vocabulary(tokenizer: Tokenizer, vocabulary: int, folder: Path | str) -> None:
    """Raise unless the tokenizer's size suits the model's token embedding."""
    size = len(tokenizer)
    # Embeddings are often padded upwards (to a multiple of 64, or more); never below half.
    if size > vocabulary or size < vocabulary / 2:
        raise UserError(
            f"the tokenizer of {folder} knows {size} tokens, the model expects {vocabulary}",
            "its tokenizer files are missing or of another model; fetch the model again",
        )
    probes = ["a dog barks", "two red squares above a small circle"]
    first, second = tokenizer(probes)["input_ids"]
    if first == second:
        raise UserError(
            f"the tokenizer of {folder} gives the same tokens for different texts",
            "its vocabulary is missing; fetch the model again with its tokenizer files",
        )


def max_text_tokens(tokenizer: Tokenizer, text_config: PretrainedConfig) -> int:
    """Tokens the text tower can read: its positions, or less if its tokenizer says so."""
    positions = int(getattr(text_config, "max_position_embeddings", 512))
    if "roberta" in str(getattr(text_config, "model_type", "")) or _offset(text_config):
        # RoBERTa numbers positions from its padding index + 1.
        positions -= int(text_config.pad_token_id) + 1
    limit = int(getattr(tokenizer, "model_max_length", positions))
    return min(positions, limit)


def _offset(text_config: PretrainedConfig) -> bool:
    return str(getattr(text_config, "model_type", "")) in ("clap_text_model", "altclip_text_model")


class DualText(TokenEncoder):
    """The text tower of a dual encoder: ``get_text_features`` of its text half.

    pad_to_longest: False for towers trained on texts padded to full length (SigLIP), which
        read the last position whatever stands there.
    """

    def __init__(
        self,
        located: Located,
        whole: type[PreTrainedModel],
        *,
        scheme: str,
        device: torch.device,
        dtype: torch.dtype,
        precision: str,
        pad_to_longest: bool = True,
    ) -> None:
        from transformers import AutoConfig

        self.located = located
        self.device = device
        self._pad_to_longest = pad_to_longest
        try:
            config = AutoConfig.from_pretrained(located.folder, local_files_only=True)
        except Exception as error:
            raise load_error(located.folder, error) from error
        text_config = config.text_config
        self.tokenizer = load_tokenizer(located.folder, int(text_config.vocab_size))
        self.model = load_half(whole, located.folder, TEXT, dtype).to(device)
        self.max_tokens = max_text_tokens(self.tokenizer, text_config)
        self.dim = dual_dim(self.model, config)
        self._told = at_precision(f"{scheme}:{located.fingerprint}:normalized", precision)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self.tokenizer(
            list(texts), truncation=True, max_length=self.max_tokens, padding=False
        )
        return encoded["input_ids"]  # type: ignore[no-any-return]

    def collate(self, tokens: list[list[int]]) -> dict[str, torch.Tensor]:
        width = None if self._pad_to_longest else self.max_tokens
        return pad_tokens(tokens, self.tokenizer, width)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        output = self.model.get_text_features(**batch)
        return getattr(output, "pooler_output", output)  # type: ignore[no-any-return]

    def layer_states(self, batch: dict[str, torch.Tensor]) -> Sequence[torch.Tensor]:
        output = self.model.text_model(**batch, output_hidden_states=True)
        return output.hidden_states  # type: ignore[no-any-return]

    @cached_property
    def fingerprint(self) -> str:
        return self._told

    @property
    def provenance(self) -> dict[str, Any]:
        return self.located.provenance


def pad_tokens(
    tokens: list[list[int]], tokenizer: Tokenizer, width: int | None = None
) -> dict[str, torch.Tensor]:
    """int64 ``[b, longest or width]`` ids, and a mask if the tokenizer's model takes one."""
    import torch

    longest = max([width or 1, *(len(t) for t in tokens)])
    fill = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    ids = torch.full((len(tokens), longest), fill, dtype=torch.long)
    mask = torch.zeros_like(ids)
    left = getattr(tokenizer, "padding_side", "right") == "left"
    for row, one in enumerate(tokens):
        where = slice(longest - len(one), longest) if left else slice(0, len(one))
        ids[row, where] = torch.tensor(one, dtype=torch.long)
        mask[row, where] = 1
    if "attention_mask" in tokenizer.model_input_names:
        return {"input_ids": ids, "attention_mask": mask}
    return {"input_ids": ids}


def dual_dim(model: PreTrainedModel, config: PretrainedConfig) -> int:
    """Columns of the joint space, as the loaded weights have them."""
    projection = getattr(model, "text_projection", None)
    if projection is not None:
        last = [p for p in projection.parameters() if p.ndim == 2]
        if last:
            return int(last[-1].shape[0])
    head = getattr(getattr(model, "text_model", None), "head", None)
    if head is not None:
        return int(head.weight.shape[0])
    return int(config.projection_dim)


def space_of(text: TokenEncoder) -> Space:
    """The joint space both halves share."""
    return Space(text.dim, text.normalized, text.fingerprint)
