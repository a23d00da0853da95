"""Texts on which a fast encoder must agree with SentencePiece before it is used: one of every kind that can differ."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final

SPACE: Final = "\u2581"  # SentencePiece's mark for a space

_LANGUAGES: Final = (
    "The harbour was quiet at 6:30, and the ferries waited for 1,250 people.",
    "Zwei Störche flogen über den größten Fluß; später kam der Föhn.",
    "L’été dernier, où étiez-vous ? Ça va, merci — à bientôt !",
    "El niño comió piñones; ¿cuándo volverá? ¡Mañana!",
    "Perché no? Così è più facile, città e caffè.",
    "Não há coração que resista à canção do avô.",
    "In de straat stond een geëmailleerd bord: ’s avonds open.",
    "Zażółć gęślą jaźń, potem śpij spokojnie.",
    "Příliš žluťoučký kůň, ďábelské ódy a šťáva.",
    "Hűvös őszi este, árvíztűrő tükör.",
    "În țară plouă și bate vântul; mâine va ninge.",
    "På øen blæser det, så vi går hjem ad åen.",
    "Šuma, žabe, đak, čaj i ćup na kraju puta.",
    "Утром дети пошли в школу, а вечером — домой; ёж остался.",
    "Їжак ґречно з’їв яблуко, що впало вночі.",
    "Щъркелът се върна в гнездото си през март.",
    "Ђак је шетао поред реке и љуљао се на џаку.",
    "Το καλοκαίρι πηγαίνουμε στη θάλασσα με το λεωφορείο.",
    "السماء صافية اليوم، وغدًا تمطر إن شاء الله.",
    "הילדים שיחקו בחצר עד שירד הלילה.",
    "आज सुबह बाज़ार में ताज़ी सब्ज़ियाँ मिलीं।",
    "ตอนเช้าฝนตกหนักมากจนถนนลื่น",
    "昨日は雪が降り、電車が30分遅れました。",
    "我们明天早上坐火车去北京看朋友。",
    "어제 저녁에 친구와 함께 국수를 먹었다.",
)
_CODE: Final = (
    "def f(x, *, y=0x1F):\n\treturn [x ** 2 for _ in range(10)]  # 100%\n",
    "for (size_t i = 0; i < n; ++i) { a[i] += b[i] << 3; }\r\n",
    '<a href="https://example.org/a?b=c&amp;d=%20">link</a>\n<!-- -->',
    "\\frac{\\alpha_{i}^{2}}{\\sqrt{2\\pi}} \\label{eq:one} % comment",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n```sh\nls -la | grep '^d'\n```\n",
    "SELECT * FROM t WHERE a >= 3 AND b != 'x';\n\n\n\n\n",
    "aHR0cHM6Ly9leGFtcGxlLm9yZy8/cT0xMjM0NTY3ODkw" * 20,
)
_NAMES: Final = (
    "<s>",
    "</s>",
    "<unk>",
    "<0x0A>",
    "<0x41><0xFF>",
    "a<s>b</s> c <unk> <s> <s>",
    "[INST] <<SYS>>",
    "<pad>",
)
_CHARACTERS: Final = (
    "".join(map(chr, range(0x80))),
    "".join(map(chr, range(0x80, 0x250))),
    "\0\0a\0 b\0",
    "\u00a0a\u2002b\u3000c\u200bd\ufeffe\u2028f\u2029g\x85h\x0bi\x0cj",
    "🙂👍🏽👩‍👩‍👧‍👦🇫🇷🏴󠁧󠁢󠁥󠁮󠁧󠁿 🧑🏿‍🚀",
    "e\u0301 a\u0308\u0323 o" + "\u0300" * 50,
    "\ufffd\ufffe\uffff\U0010ffff\ue000\U000f0000",
    "ꙮ 𒀀 𝔘𝔫𝔦 ﬁ Ⅷ ① ½ ㎏ ｗｉｄｅ",
)
_RUN_UNITS: Final = (
    " ",
    SPACE,
    "\t",
    "\n",
    "a",
    "=",
    "-",
    "ab",
    "aba",
    "0",
    "é",
    "中",
    "🙂",
    " a",
    "a ",
    "\n ",
    "\r\n",
)
_RUN_LENGTHS: Final = (*range(1, 20), 31, 32, 33, 100, 257)


# Texts that a tokenizer should give back.
SAMPLES: Final = (*_LANGUAGES, *_CODE, *_NAMES, *_CHARACTERS, "  two  spaces ", "\n\n\ta\n")


def _probes() -> Iterator[str]:
    yield ""
    yield from SAMPLES[:-2]
    yield f"{SPACE}a {SPACE} b{SPACE}{SPACE}c {SPACE}"
    for unit in _RUN_UNITS:
        for length in _RUN_LENGTHS:
            run = unit * length
            yield from (run, f"x{run}", f"{run}x", f"the{run}end")
    yield " ".join(_LANGUAGES) * 20
    yield "\n".join((*_CODE, *_NAMES, *_CHARACTERS))


PROBES: Final = tuple(_probes())


def piece_probes(texts: Sequence[str]) -> Iterator[str]:
    """Yield texts made of a model's pieces: each on a line of its own, and all of them side by side in random order."""
    words = [text.replace(SPACE, " ") for text in texts]
    yield "\n".join(words)
    random.Random(len(words)).shuffle(words)
    for start in range(0, len(words), 200):
        yield "".join(words[start : start + 200])
