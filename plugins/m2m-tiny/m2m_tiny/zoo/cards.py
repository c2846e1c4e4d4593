"""The card beside each tiny model: how it was trained, on what, what it scores."""

from __future__ import annotations

from pathlib import Path

TOLD = {
    "tiny-text": (
        "A multilingual sentence encoder of 13 languages (transformers' BertModel, three layers, "
        "256 wide, mean pooling) in a sentence-transformers folder.",
        "Parallel captions of random scenes and sounds, two languages at a time, half the pairs "
        "with an English side; a batch holds near-duplicates, so that details count. A symmetric "
        "ranking loss with likeness by degrees, and a linear read-out of what each caption says. "
        "It never meets a picture, a sound or another model.",
    ),
    "tiny-speech": (
        "Speech into tiny-text's space: a Wav2Vec2BertForCTC of transformers (a conformer of four "
        "layers) writes down phones by 30 classes that languages share; a search over the words of "
        "thirteen languages finds the likeliest caption; tiny-text reads it.",
        "The ear heard captions and made-up words said by eSpeak NG in English, Turkish and "
        "Chinese, the two whose phones cover most of the ten others, by eleven speakers. What "
        "words sound like is eSpeak's transcription of captions, and which word follows which is "
        "counted in them (`words.json`); words with a nasal vowel or an r in the throat are also "
        "listed as they are half heard. **Of the ten other languages no speech was used, but "
        "their text and its pronunciation was.** Speech of people is another matter: only "
        "eSpeak's voices were heard, and only the words of this world are known.",
    ),
    "tiny-clip": (
        "transformers' CLIPModel: 40-pixel pictures, patches of 8; text tower of two layers with "
        "an English vocabulary; 128 dimensions.",
        "Rendered scenes and their English captions only, each among near-duplicates; the "
        "contrastive loss of CLIP, with likeness by degrees.",
    ),
    "tiny-open-clip": (
        "open_clip's CLIP from a config of its own, as a `local-dir:` folder: 40-pixel pictures, "
        "patches of 8; text tower of two layers with an English vocabulary; 96 dimensions.",
        "As tiny-clip, with other seeds and another architecture: its space is its own.",
    ),
    "tiny-clap": (
        "transformers' ClapModel: an HTSAT of three stages on four seconds at 16 kHz; text tower "
        "of two layers with an English vocabulary; 128 dimensions.",
        "Rendered sounds and their English captions only, each among near-duplicates; the "
        "contrastive loss of CLAP, with likeness by degrees between sounds and captions, and "
        "among each.",
    ),
}


def write_card(folder: Path, figures: dict[str, float]) -> None:
    """README.md of a trained model; the figures are those just measured."""
    what, how = TOLD[folder.name]
    rows = "\n".join(f"| {figure} | {value:.1f} |" for figure, value in figures.items())
    text = f"""---
license: apache-2.0
tags: [m2m-adapters]
---

# {folder.name}

{what} Part of the tiny family of m2m-adapters: small enough to ship, real enough to prove the
method offline. Of no use outside its world of shapes and beeps.

## Training

{how} The held-out benchmark items are never trained on. Trained again by
`python -m m2m_tiny.zoo {folder.name}`.

## Scores

| measured by `python -m m2m_tiny.zoo --score-only` | percent |
|---|---|
{rows}
"""
    (folder / "README.md").write_text(text, encoding="utf-8")
