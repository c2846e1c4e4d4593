"""Folders as the hub serves them, with small random weights and a tokenizer trained here."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
import transformers as tf
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

SENTENCES = [
    "a dog barks at the old grey cat on the roof",
    "two red squares above a small blue circle",
    "the quick brown fox jumps over the lazy dog while a train passes by in the distance",
    "rain falls on a tin roof and a woman sings quietly in the street",
] * 4
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def clip_tokenizer() -> tf.PreTrainedTokenizerBase:
    """Byte-level BPE between <|startoftext|> and <|endoftext|>, padded with the latter."""
    tok = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tok.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    specials = ["<|startoftext|>", "<|endoftext|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=specials,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tok.train_from_iterator(SENTENCES, trainer)
    tok.post_processor = processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>", special_tokens=list(zip(specials, [0, 1]))
    )
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=tok,
        bos_token=specials[0],
        eos_token=specials[1],
        pad_token=specials[1],
        unk_token=specials[1],
        model_max_length=32,
    )


def bert_tokenizer() -> tf.PreTrainedTokenizerBase:
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer()
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.train_from_iterator(
        SENTENCES,
        trainers.WordPieceTrainer(vocab_size=300, special_tokens=BERT, show_progress=False),
    )
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=tok,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=30,
    )


def roberta_tokenizer(mask: bool = True) -> tf.PreTrainedTokenizerBase:
    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=ROBERTA,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    made = tf.PreTrainedTokenizerFast(
        tokenizer_object=tok,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
    if not mask:  # SigLIP's tokenizers give no mask: it reads the padding too
        made.model_input_names = ["input_ids"]
    return made


def _text(vocabulary: int, **more: object) -> dict[str, object]:
    return dict(
        vocab_size=vocabulary,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        **more,
    )


def _vision(**more: object) -> dict[str, object]:
    return dict(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        **more,
    )


def _square(kind: type, **more: object) -> object:
    size = {"height": 32, "width": 32}
    return kind(size={"shortest_edge": 32}, crop_size=size, **more)


def parts(kind: str) -> tuple[type, object, object, object]:
    """(model class, config, tokenizer, image processor) of a small model of ``kind``."""
    if kind == "clip":
        tok = clip_tokenizer()
        ids = dict(bos_token_id=0, eos_token_id=1, pad_token_id=1)
        config = tf.CLIPConfig(
            text_config=_text(len(tok), **ids), vision_config=_vision(), projection_dim=12
        )
        return tf.CLIPModel, config, tok, _square(tf.CLIPImageProcessor)
    if kind == "metaclip_2":
        tok = roberta_tokenizer()
        ids = dict(bos_token_id=0, eos_token_id=2, pad_token_id=1)
        config = tf.MetaClip2Config(
            text_config=_text(len(tok), **ids), vision_config=_vision(), projection_dim=12
        )
        return tf.MetaClip2Model, config, tok, _square(tf.CLIPImageProcessor)
    if kind == "siglip":
        tok = roberta_tokenizer(mask=False)
        config = tf.SiglipConfig(
            text_config=_text(len(tok), projection_size=16), vision_config=_vision()
        )
        return (
            tf.SiglipModel,
            config,
            tok,
            tf.SiglipImageProcessor(size={"height": 32, "width": 32}),
        )
    if kind == "siglip2":
        tok = roberta_tokenizer(mask=False)
        vision = _vision(num_patches=16)
        vision.pop("image_size")
        config = tf.Siglip2Config(
            text_config=_text(len(tok), projection_size=16), vision_config=vision
        )
        return (
            tf.Siglip2Model,
            config,
            tok,
            tf.Siglip2ImageProcessor(patch_size=8, max_num_patches=16),
        )
    if kind == "align":
        tok = bert_tokenizer()
        config = tf.AlignConfig(
            text_config=_text(len(tok), pad_token_id=0),
            vision_config=dict(
                image_size=32,
                hidden_dim=32,
                width_coefficient=1.0,
                depth_coefficient=0.1,
                in_channels=[32, 8],
                out_channels=[8, 32],  # the last is the joint space's dim
                kernel_sizes=[3, 3],
                strides=[1, 2],
                num_block_repeats=[1, 1],
                expand_ratios=[1, 2],
                depthwise_padding=[],
            ),
            projection_dim=32,
        )
        return (
            tf.AlignModel,
            config,
            tok,
            _square(
                tf.EfficientNetImageProcessor,
                do_center_crop=True,
            ),
        )
    if kind == "chinese_clip":
        tok = bert_tokenizer()
        config = tf.ChineseCLIPConfig(
            text_config=_text(len(tok), pad_token_id=0), vision_config=_vision(), projection_dim=12
        )
        return tf.ChineseCLIPModel, config, tok, _square(tf.ChineseCLIPImageProcessor)
    if kind == "altclip":
        tok = roberta_tokenizer()
        text = _text(len(tok), pad_token_id=1, bos_token_id=0, eos_token_id=2, project_dim=16)
        text["max_position_embeddings"] = 34
        config = tf.AltCLIPConfig(text_config=text, vision_config=_vision(), projection_dim=12)
        return tf.AltCLIPModel, config, tok, _square(tf.CLIPImageProcessor)
    if kind == "groupvit":
        tok = clip_tokenizer()
        ids = dict(bos_token_id=0, eos_token_id=1, pad_token_id=1)
        config = tf.GroupViTConfig(
            text_config=_text(len(tok), **ids),
            vision_config=dict(
                hidden_size=16,
                intermediate_size=24,
                depths=[1, 1, 1],
                num_attention_heads=2,
                image_size=32,
                patch_size=8,
                num_group_tokens=[8, 4, 0],
                num_output_groups=[8, 4, 0],
                num_hidden_layers=3,
                assign_mlp_ratio=[0.5, 4],
            ),
            projection_dim=12,
            projection_intermediate_dim=16,
        )
        return tf.GroupViTModel, config, tok, _square(tf.CLIPImageProcessor)
    raise ValueError(kind)


KINDS = [
    "clip",
    "metaclip_2",
    "siglip",
    "siglip2",
    "align",
    "chinese_clip",
    "altclip",
    "groupvit",
]


@cache
def folder(kind: str) -> Path:
    """A saved model of ``kind``, made once in a run."""
    path = Path(mkdtemp(prefix=f"m2m-{kind}-"))
    whole, config, tok, processor = parts(kind)
    torch.manual_seed(0)
    model = whole(config).eval()
    with torch.no_grad():  # the initial weights are so small that all texts look alike
        for value in model.parameters():
            if value.ndim > 1:
                value.normal_(0, 0.25)
    model.save_pretrained(path)
    tok.save_pretrained(path)
    processor.save_pretrained(path)
    return path
