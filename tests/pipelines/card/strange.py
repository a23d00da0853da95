"""Corpora of strange texts for tests of pages: long, right to left, without spaces, with controls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipelines import corpus

TITLE = "a very long title, word by word and then in one: " * 20 + "unbroken" * 502  # 5,000 letters
ARABIC = "كان الراعي يحمل الجسر الحجري قبل أن يأتي المطر، ثم عاد إلى القرية في الصباح. "
HEBREW = "הרועה נשא את הגשר לפני שירד הגשם, ואחר כך חזר אל הכפר. "
PERSIAN = "او می‌رود و کتاب‌ها را می‌خواند. "
CHINESE = "牧人在雨来之前把石桥画了下来，然后回到村里讲了这个故事。"
JAPANESE = "羊飼いは雨が降る前に石の橋を描き、それから村に帰った。"
HINDI = "चरवाहे ने बारिश से पहले पत्थर का पुल बनाया और गाँव लौट आया। "
THAI = "คนเลี้ยงแกะวาดสะพานหินก่อนฝนตกแล้วกลับไปที่หมู่บ้าน"
REVERSED = "access to \u202egnp.exe\u202c was \u2066granted\u2069"
CONTROLS = f"{REVERSED}. A\u200bB\u00adC\u2060D\ufeff\x07 " + "\u200b" * 50
WORD = "Donaudampfschifffahrtsgesellschaft" * 40

ROWS: tuple[dict[str, Any], ...] = (
    {"title": TITLE, "text": "A text under a title of five thousand letters. " * 6, "language": "en"},
    {"title": "العنوان: الراعي", "text": ARABIC * 20, "language": "ar"},
    {"title": "כותרת", "text": "English first, then: " + HEBREW * 20, "language": "he"},
    {"title": "کتاب‌ها", "text": PERSIAN * 20, "language": "fa"},
    {"title": "标题", "text": CHINESE * 40, "language": "zh"},
    {"title": "題", "text": JAPANESE * 40, "language": "ja"},
    {"title": "शीर्षक", "text": HINDI * 20, "language": "hi"},
    {"title": "ชื่อเรื่อง", "text": THAI * 20, "language": "th"},
    {"title": REVERSED, "text": CONTROLS, "language": "en"},
    {"title": "one word", "text": WORD, "language": "de", "url": "https://example.org/" + "path" * 400},
    {
        "title": "<script>alert(1)</script>",
        "text": "<b>bold</b> & \"quoted\" 'too' <!-- --> ]]> &amp; ",
        "language": "",
    },
    {"title": "👩‍👩‍👧 family ❤️‍🔥", "text": "👩🏽‍🚀 1️⃣ ☎️ 🏳️‍🌈 " * 20, "language": None},
    {"title": "stacked", "text": "Z" + "\u0301\u0316\u0334" * 60 + " stacked marks " * 20, "language": "simple"},
    {"title": "no such language", "text": "A text of a language that nobody has. " * 8, "language": "x" * 80},
    {"title": "of a country", "text": "A text whose language is given as Great Britain. " * 8, "language": "gb"},
    {"title": "tabs", "text": "\t".join(f"column{n}" for n in range(400)), "language": "en"},
    {"title": "lines", "text": "\n".join(f"line {n}" for n in range(900)), "language": "en"},
)
MANY = "a_column_with_a_name_that_has_no_place_to_break_" + "x" * 120


def build(folder: Path, *options: str, rows: tuple[dict[str, Any], ...] = ROWS) -> Path:
    """Build a corpus of these rows, and near-duplicates of them, in FOLDER/strange."""
    folder.mkdir(parents=True, exist_ok=True)
    twice = [*rows, *({**row, "text": f"{row['text']} Added."} for row in rows)]
    lines = [json.dumps({**row, MANY: n, "tags": ["a", WORD[:300]]}) + "\n" for n, row in enumerate(twice)]
    (folder / "strange.jsonl").write_text("".join(lines), encoding="utf-8")
    given = ["--recipe", "texts", "--input", f"strange={folder}/strange.jsonl", "--runner", "plain"]
    given += ["--set", "texts.strange.near.measure=jaccard", "--set", "texts.strange.near.threshold=0.8"]
    given += ["--set", "buckets=2", "--set", "excerpts=1", "--output", str(folder / "corpus"), *options]
    assert corpus.main(given) == 0
    return folder / "corpus"
