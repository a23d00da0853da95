"""A small text of our own in many scripts, enough to train a tokenizer on."""

SENTENCES = (
    "The river froze in the second week of January, and by the 15th we could walk across it.",
    "Nobody had expected 42 letters in a single day; the postman carried them in two bags.",
    "She keeps a list of the birds she sees: 3 herons, 11 finches, 1 kingfisher.",
    "Bread rises slowly in a cold kitchen, so we wait, and wait, and then we bake.",
    "Der Zug nach Süden fährt um 7:45 Uhr ab, aber heute kommt er später an.",
    "Über den Bergen liegt noch Schnee, obwohl die Tage schon länger werden.",
    "Le marché ouvre à l’aube ; on y vend des pêches, des noix et du café.",
    "La lluvia cayó toda la noche y por la mañana el patio parecía un lago pequeño.",
    "Il vecchio orologio della stazione è fermo da più di vent’anni.",
    "Ветер с моря принёс запах соли, и дети побежали к берегу.",
    "Вечером ми пили чай із малиною та слухали старе радіо.",
    "Η γάτα κοιμάται στο παράθυρο όταν ο ήλιος ζεσταίνει το δωμάτιο.",
    "Dzisiaj rano znalazłem pięć złotych pod ławką w parku.",
    "Řeka je letos tak nízká, že je vidět staré kameny mostu.",
    "Pencereyi açtım ve içeriye yağmurun kokusu doldu.",
    "今日は朝から雨が降っているので、図書館で本を読みます。",
    "他把旧自行车修好了，明天要骑到河边去。",
    "오늘은 바람이 많이 불어서 연을 날리기 좋은 날이다.",
    "القطار يصل في الساعة الخامسة إلا ربعًا كل يوم.",
    "החתול ישב על הגדר וחיכה שמישהו יפתח את הדלת.",
    "बारिश के बाद मिट्टी की ख़ुशबू पूरे गाँव में फैल गई।",
    "def area(width, height):\n    # both in metres\n    return width * height",
    "for (int i = 0; i < 100; ++i) {\n\ttotal += values[i] * 0x1F;\n}",
    '<p class="note">Total: 3.50 &euro;</p>\n<!-- 2 < 3 && 4 > 1 -->',
    "SELECT name, count(*) FROM visits WHERE year >= 2019 GROUP BY name;",
    "x = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}, \\quad a \\neq 0",
    "        eight spaces, then words        and eight more",
    "Good morning! 🙂 The picnic is at noon 🧺👩‍👩‍👧 — bring tea.",
)


def corpus() -> list[str]:
    """Return a few hundred documents in a fixed order: each sentence among others, words repeated."""
    size = len(SENTENCES)
    return [
        "\n".join(SENTENCES[(start * step + 1) % size] for step in range(1, 6)) for start in range(10 * size)
    ] + list(SENTENCES)
