"""Arabic: adjectives follow and agree in gender; duals and plurals of sounds."""

from __future__ import annotations

import random

from m2m_tiny.captions.grammar import Event, Language, Object, words

SHAPES = {
    "circle": ("دائرة", "f"), "square": ("مربع", "m"), "triangle": ("مثلث", "m"),
    "star": ("نجمة", "f"), "heart": ("قلب", "m"), "cross": ("صليب", "m"), "ring": ("حلقة", "f"),
    "diamond": ("معين", "m"), "moon": ("هلال", "m"),
}  # fmt: skip
ADJECTIVES = {  # masculine, feminine
    "red": ("أحمر", "حمراء"), "green": ("أخضر", "خضراء"), "blue": ("أزرق", "زرقاء"),
    "yellow": ("أصفر", "صفراء"), "orange": ("برتقالي", "برتقالية"),
    "purple": ("بنفسجي", "بنفسجية"), "pink": ("وردي", "وردية"), "brown": ("بني", "بنية"),
    "white": ("أبيض", "بيضاء"), "black": ("أسود", "سوداء"), "small": ("صغير", "صغيرة"),
    "large": ("كبير", "كبيرة"), "striped": ("مخطط", "مخططة"), "dotted": ("منقط", "منقطة"),
    "soft": ("خافت", "خافتة"), "loud": ("عال", "عالية"), "slow": ("بطيء", "بطيئة"),
    "fast": ("سريع", "سريعة"), "low": ("غليظ", "غليظة"), "high": ("حاد", "حادة"),
    "rising": ("صاعد", "صاعدة"), "falling": ("هابط", "هابطة"),
}  # fmt: skip
SOUNDS = {  # singular, plural, gender
    "beep": ("صفارة", "صفارات", "f"), "rising": ("صفير", "أصوات صفير", "m"),
    "falling": ("صفير", "أصوات صفير", "m"), "hiss": ("هسهسة", "هسهسات", "f"),
    "click": ("نقرة", "نقرات", "f"), "siren": ("صافرة إنذار", "صافرات إنذار", "f"),
    "chord": ("نغمة متآلفة", "نغمات متآلفة", "f"), "buzz": ("طنين", "أصوات طنين", "m"),
}  # fmt: skip


def thing(obj: Object, case: str, rng: random.Random) -> str:
    noun, gender = SHAPES[obj["shape"]]
    said = [obj[k] for k in ("color", "tex", "size") if obj[k]]
    return words(noun, *(ADJECTIVES[word][gender == "f"] for word in said))


def sound(event: Event, rng: random.Random) -> str:
    one, many, gender = SOUNDS[event["what"]]
    said = [event["what"]] if event["what"] in ("rising", "falling") else []
    said += [event[k] for k in ("pitch", "speed", "loud") if event.get(k)]
    if event["times"] == 1:
        return words(one, *(ADJECTIVES[word][gender == "f"] for word in said))
    # Plurals of things take feminine singular adjectives.
    feminine = [ADJECTIVES[word][1] for word in said]
    times = {2: "مرتين", 3: "ثلاث مرات"}[event["times"]]
    return words(many, *feminine, times)


LANGUAGE = Language(
    thing=thing,
    relations={
        "left": [("{a} على يسار {b}", "nom"), ("يوجد {a} على يسار {b}", "nom"),
                 ("على يسار {b} {a}", "nom")],
        "right": [("{a} على يمين {b}", "nom"), ("يوجد {a} على يمين {b}", "nom"),
                  ("على يمين {b} {a}", "nom")],
        "above": [("{a} فوق {b}", "nom"), ("يوجد {a} فوق {b}", "nom"), ("فوق {b} {a}", "nom")],
        "below": [("{a} تحت {b}", "nom"), ("يوجد {a} تحت {b}", "nom"), ("تحت {b} {a}", "nom")],
        "inside": [("{a} داخل {b}", "nom"), ("يوجد {a} داخل {b}", "nom"), ("داخل {b} {a}", "nom")],
    },
    places={
        "tl": ["في الزاوية العليا اليسرى", "في أعلى اليسار"],
        "tr": ["في الزاوية العليا اليمنى", "في أعلى اليمين"],
        "bl": ["في الزاوية السفلى اليسرى", "في أسفل اليسار"],
        "br": ["في الزاوية السفلى اليمنى", "في أسفل اليمين"],
    },
    alone=["{a}", "يوجد {a}", "صورة {a}"],
    located=["{a} {place}", "يوجد {a} {place}", "{place}: {a}"],
    row=["{a} و{b} و{c} من اليسار إلى اليمين", "من اليسار إلى اليمين: {a} و{b} و{c}",
         "على اليسار {a} وفي الوسط {b} وعلى اليمين {c}"],
    column=["{a} و{b} و{c} من الأعلى إلى الأسفل", "من الأعلى إلى الأسفل: {a} و{b} و{c}",
            "في الأعلى {a} وفي الوسط {b} وفي الأسفل {c}"],
    sound=sound,
    heard=["{a}", "صوت {a}"],
    then_two=["{a} ثم {b}", "أولا {a} ثم {b}", "{a} وبعد ذلك {b}"],
    then_three=["{a} ثم {b} ثم {c}", "أولا {a} ثم {b} وأخيرا {c}"],
    together=["{a} و{b} في نفس الوقت", "في نفس الوقت {a} و{b}"],
)  # fmt: skip
