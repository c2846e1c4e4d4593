"""sentence-transformers folders with small random weights and tokenizers trained here."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
import transformers as tf
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

SENTENCES = [
    "a dog barks at the old grey cat on the roof",
    "query: two red squares above a small blue circle",
    "the quick brown fox jumps over the lazy dog while a train passes by in the distance",
    "rain falls on a tin roof and a woman sings quietly in the street",
    "ein Hund bellt in der Nacht, 犬が吠える",
] * 4


def bert_tokenizer() -> tf.PreTrainedTokenizerBase:
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer()
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=specials, show_progress=False
    )
    tok.train_from_iterator(SENTENCES, trainer)
    tok.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made = tf.PreTrainedTokenizerFast(
        tokenizer_object=tok, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]", model_max_length=48,
    )  # fmt: skip
    made.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return made


def roberta_tokenizer(left: bool = False) -> tf.PreTrainedTokenizerBase:
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=specials, show_progress=False, initial_alphabet=alphabet
    )
    tok.train_from_iterator(SENTENCES, trainer)
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=tok, bos_token="<s>", cls_token="<s>", eos_token="</s>",
        sep_token="</s>", pad_token="<pad>", unk_token="<unk>", mask_token="<mask>",
        model_max_length=48, padding_side="left" if left else "right",
    )  # fmt: skip


def _encoder(kind: str) -> Path:
    """A transformers folder: the encoder and its tokenizer."""
    path = Path(mkdtemp(prefix=f"m2m-encoder-{kind}-"))
    sizes = dict(
        hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64,
    )  # fmt: skip
    ids = dict(pad_token_id=1, bos_token_id=0, eos_token_id=2)
    torch.manual_seed(0)
    if kind == "bert":
        tok = bert_tokenizer()
        model = tf.BertModel(tf.BertConfig(vocab_size=len(tok), **sizes))
    elif kind == "mpnet":
        tok = roberta_tokenizer()
        model = tf.MPNetModel(tf.MPNetConfig(vocab_size=len(tok), **ids, **sizes))
    elif kind == "xlmr":
        tok = roberta_tokenizer()
        model = tf.XLMRobertaModel(tf.XLMRobertaConfig(vocab_size=len(tok), **ids, **sizes))
    else:  # a decoder read at its last token, padded on the left, as Qwen3-Embedding is
        tok = roberta_tokenizer(left=True)
        model = tf.Qwen3Model(
            tf.Qwen3Config(vocab_size=len(tok), num_key_value_heads=2, head_dim=12, **ids, **sizes)
        )
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.normal_(0, 0.2)
    model.save_pretrained(path)
    tok.save_pretrained(path)
    return path


# name -> (encoder, pooling, with Dense, with Normalize, prompts, default prompt)
SHAPES = {
    "mpnet": ("mpnet", "mean", False, False, {}, None),
    "labse": ("bert", "cls", True, True, {}, None),
    "e5": ("xlmr", "mean", False, True, {"query": "query: ", "passage": "passage: "}, None),
    "prompted": ("xlmr", "mean", False, True, {"query": "query: "}, "query"),
    "promptless": ("bert", "mean-without-prompt", False, False, {"query": "query: "}, "query"),
    "qwen": ("qwen3", "lasttoken", False, True, {}, None),
}


@cache
def folder(name: str) -> Path:
    """A saved SentenceTransformer of one of ``SHAPES``, made once in a run."""
    encoder, pooling, dense, unit, prompts, default = SHAPES[name]
    first = st.Transformer(str(_encoder(encoder)))
    parts = [
        first,
        st.Pooling(
            24, pooling_mode=pooling.partition("-")[0], include_prompt="without" not in pooling
        ),
    ]
    if dense:
        torch.manual_seed(1)
        parts.append(st.Dense(24, 24, activation_function=torch.nn.Tanh()))
    if unit:
        parts.append(st.Normalize())
    model = SentenceTransformer(
        modules=parts, prompts=prompts, default_prompt_name=default, device="cpu"
    )
    path = Path(mkdtemp(prefix=f"m2m-st-{name}-"))
    model.save(str(path))
    return path
