"""Small real models with random weights and a tokenizer trained here, for the export tests."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors, normalize
from m2m_adapters.testing import toy_sentences

WORDS = [
    *toy_sentences(300),
    "ein Hund bellt im Regen",
    "собака лает",
    "犬が吠える",
    "बिल्ली म्याऊँ करती है",
]


def wordpiece(limit: int = 64) -> Any:
    """A fast WordPiece tokenizer of some 500 pieces."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer()
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=500, special_tokens=special, show_progress=False)
    tok.train_from_iterator(WORDS, trainer)
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tok,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=limit,
    )


def encoder_folder(folder: Path, kind: str = "bert", seed: int = 0) -> Path:
    """A transformers encoder with its tokenizer: bert, xlm-roberta, mpnet, distilbert."""
    import transformers

    torch.manual_seed(seed)
    tokenizer = wordpiece()
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 80,
        "pad_token_id": 0,
    }
    if kind == "distilbert":
        sizes = {"vocab_size": len(tokenizer), "dim": 32, "n_layers": 2, "n_heads": 4,
                 "hidden_dim": 64, "max_position_embeddings": 80}  # fmt: skip
    name = {"bert": "Bert", "xlm-roberta": "XLMRoberta", "mpnet": "MPNet",
            "distilbert": "DistilBert"}[kind]  # fmt: skip
    config = getattr(transformers, f"{name}Config")(**sizes)
    model = getattr(transformers, f"{name}Model")(config).eval()
    for parameter in model.parameters():  # larger than at initialisation: texts must differ
        if parameter.ndim > 1:
            parameter.data.mul_(3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class SentenceSource(TextEncoder):
    """A sentence-transformers model as a source; rows as the model gives them."""

    def __init__(self, model: Any, prompt: str | None = None) -> None:
        self.model, self.prompt, self.normalized = model, prompt, False
        self.dim = model.get_embedding_dimension()
        self.max_tokens = model.max_seq_length

    def sentence_transformer(self) -> Any:
        return self.model

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        made = self.model.encode(
            list(texts), prompt=self.prompt, convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(made, np.float32)


def sentence_source(
    folder: Path, kind: str = "bert", pooling: str = "mean", prompt: str | None = None
) -> SentenceSource:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    transformer = Transformer(str(encoder_folder(folder, kind)))
    model = SentenceTransformer(modules=[transformer, Pooling(32, pooling)], device="cpu").eval()
    return SentenceSource(model, prompt)


class SmallClip(ModalityModel):
    """A small CLIP with both towers, from a folder."""

    modality = "image"

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

        self.located = types.SimpleNamespace(folder=folder)
        self.model = CLIPModel.from_pretrained(folder).eval()
        self.processor = CLIPImageProcessor.from_pretrained(folder)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self._text = _ClipText(self)

    @property
    def text(self) -> TextEncoder:
        return self._text

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        with torch.inference_mode():
            found = self.model.get_image_features(
                **self.processor(list(items), return_tensors="pt")
            )
        return normalize(getattr(found, "pooler_output", found).numpy())


class _ClipText(TextEncoder):
    def __init__(self, clip: SmallClip) -> None:
        self.clip, self.dim, self.max_tokens = clip, clip.model.config.projection_dim, 32

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        tokens = self.clip.tokenizer(
            list(texts), padding=True, truncation=True, max_length=32, return_tensors="pt"
        )
        with torch.inference_mode():
            found = self.clip.model.get_text_features(
                tokens["input_ids"], attention_mask=tokens["attention_mask"]
            )
        return normalize(getattr(found, "pooler_output", found).numpy())

    @property
    def fingerprint(self) -> str:  # type: ignore[override]
        weights = (Path(self.clip.located.folder) / "model.safetensors").read_bytes()
        return f"small-clip:{hashlib.sha256(weights).hexdigest()[:16]}"


def clip_folder(folder: Path) -> Path:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    torch.manual_seed(3)
    tokenizer = wordpiece(32)
    text = {"vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 32,
            "eos_token_id": 3, "bos_token_id": 2, "pad_token_id": 0}  # fmt: skip
    vision = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
              "intermediate_size": 64, "image_size": 32, "patch_size": 8}  # fmt: skip
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    CLIPModel(config).eval().save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)
    return folder
