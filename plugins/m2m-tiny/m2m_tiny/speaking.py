"""Captions said aloud: eSpeak NG, through the wheel ``espeakng-loader`` or the system's library.

Nothing here is needed to use the models; speech is synthesised to train tiny-speech, to measure
it and to try it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import threading
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from m2m_adapters.errors import UserError

Samples = npt.NDArray[np.float32]

VOICES = {"en": "en-us", "zh": "cmn"}
"""eSpeak's name of a language, where it is not the code."""
_SYNCHRONOUS, _UTF8, _IPA = 2, 1, 2
_RATE, _PITCH = 1, 3
_LOCK = threading.Lock()  # the library keeps one voice and one buffer for the whole process

# What the Japanese captions write in Kanji; eSpeak reads Kana alone.
KANA = {
    "正方形": "せいほうけい", "三角形": "さんかくけい", "三日月": "みかづき",
    "水玉模様": "みずたまもよう",
    "縞模様": "しまもよう", "真ん中": "まんなか", "聞こえる": "きこえる", "ビープ音": "びーぷおん",
    "ブザー音": "ぶざーおん", "十字": "じゅうじ", "和音": "わおん", "赤": "あか", "緑": "みどり",
    "青": "あお", "黄色": "きいろ", "紫": "むらさき", "茶色": "ちゃいろ", "白": "しろ",
    "黒": "くろ",
    "色": "いろ", "円": "えん", "星": "ほし", "輪": "わ", "形": "がた", "小": "ちい", "大": "おお",
    "音": "おと", "上がる": "あがる", "下がる": "さがる", "笛": "ふえ", "静": "しず", "遅": "おそ",
    "速": "はや", "低": "ひく", "高": "たか", "二回": "にかい", "三回": "さんかい", "左": "ひだり",
    "右": "みぎ", "上": "うえ", "下": "した", "中": "なか", "隅": "すみ", "絵": "え", "次": "つぎ",
    "最後": "さいご", "後": "あと", "同時": "どうじ",
}  # fmt: skip


class Synthesizer:
    """The library, loaded once; its calls are made one at a time."""

    def __init__(self) -> None:
        path, data = _library()
        self._library = ctypes.CDLL(path)
        self._blocks: list[npt.NDArray[np.int16]] = []
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )

        def collect(samples: Any, n: int, _: Any) -> int:
            if samples and n > 0:
                self._blocks.append(np.ctypeslib.as_array(samples, (n,)).copy())
            return 0

        self._callback = kind(collect)  # kept: the library holds no reference of its own
        self.rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0))
        if self.rate <= 0:
            raise UserError("eSpeak NG finds no data", "pip install espeakng-loader")
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._library.espeak_TextToPhonemes.argtypes = [
            ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int,
        ]  # fmt: skip
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
            ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip

    def _choose(self, lang: str, speaker: str = "") -> None:
        name = VOICES.get(lang, lang) + (f"+{speaker}" if speaker else "")
        if self._library.espeak_SetVoiceByName(name.encode()):
            raise UserError(
                f"eSpeak NG has no voice '{name}'", "choose another language or speaker"
            )

    def say(
        self, text: str, lang: str, *, speaker: str = "", speed: int = 175, pitch: int = 50
    ) -> tuple[Samples, int]:
        """(float32 samples, rate) of ``text``.

        speaker: a variant of eSpeak's, such as ``f2`` or ``m3``; speed: words a minute;
        pitch: 0 to 100.
        """
        data = readable(text, lang).encode()
        with _LOCK:
            self._choose(lang, speaker)
            self._library.espeak_SetParameter(_RATE, speed, 0)
            self._library.espeak_SetParameter(_PITCH, pitch, 0)
            self._blocks.clear()
            self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
            self._library.espeak_Synchronize()
            heard = np.concatenate(self._blocks) if self._blocks else np.zeros(1, np.int16)
        return np.asarray(heard / 32768, np.float32), self.rate

    def pronounce(self, text: str, lang: str) -> str:
        """How ``text`` is said: the International Phonetic Alphabet, ``_`` between phones."""
        rest = ctypes.c_char_p(readable(text, lang).encode())
        clauses = []
        with _LOCK:
            self._choose(lang)
            while rest.value is not None:
                said = self._library.espeak_TextToPhonemes(
                    ctypes.byref(rest), _UTF8, _IPA | (ord("_") << 8)
                )
                clauses.append((said or b"").decode())
        return " ".join(clauses)


def readable(text: str, lang: str) -> str:
    """``text`` as eSpeak can read it: Japanese in Hiragana, the rest unchanged."""
    if lang != "ja":
        return text
    for kanji in sorted(KANA, key=len, reverse=True):
        text = text.replace(kanji, KANA[kanji])
    return "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヶ" else c for c in text)


def _library() -> tuple[str, bytes | None]:
    """(path of the library, folder of its data or None for the system's)."""
    try:
        import espeakng_loader  # type: ignore[import-untyped,import-not-found,unused-ignore]

        return espeakng_loader.get_library_path(), espeakng_loader.get_data_path().encode()
    except ModuleNotFoundError:
        library = ctypes.util.find_library("espeak-ng")
        if library:
            return library, None
    raise UserError(
        "no speech synthesizer is installed",
        "pip install espeakng-loader, or install the package espeak-ng of the system",
    )


@cache
def synthesizer() -> Synthesizer:
    """The one of this process; UserError if eSpeak NG is not installed."""
    return Synthesizer()


def why_silent() -> str:
    """Empty when captions can be spoken here, else the reason."""
    try:
        synthesizer()
    except (UserError, OSError) as error:
        return str(error)
    return ""
