"""Gutenberg headers and footers of every vintage: what goes, what must stay, and what the header says."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.gutenberg import Header, clean, header
from tests.slowness import slowness

POEM = "\n".join(f"    The {i}th wave came up the sand," for i in range(40))
BODY = "CHAPTER I\n\nIt had rained for nine days.\n\n  The tenth was dry."
LICENSE = "\n".join(f"1.E.{i}. You may not unlink paragraph {i} of these terms." for i in range(300))
MODERN = """The Project Gutenberg eBook of The Tenth Day, by Ada Rook

This eBook is for the use of anyone anywhere.

Title: The Tenth Day
       and Other Weather

Author: Ada Rook

Release Date: March 5, 2004 [eBook #99999]
[Most recently updated: May 1, 2021]

Language: English

Character set encoding: UTF-8

Produced by: A. Person

*** START OF THE PROJECT GUTENBERG EBOOK THE TENTH DAY ***

"""
MODERN_END = f"\n\n*** END OF THE PROJECT GUTENBERG EBOOK THE TENTH DAY ***\n\nUpdated editions\n\n{LICENSE}\n"
NINETIES = """**The Project Gutenberg Etext of The Tenth Day, by Ada Rook**
#1 in our series by Ada Rook

Copyright laws are changing all over the world.

May, 1995  [Etext #299]

*****This file should be named 10day10.txt or 10day10.zip*****

***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***
Why is this "Small Print!" statement here?  You know: lawyers.
*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*

"""
NINETIES_END = "\n\nEnd of The Project Gutenberg Etext of The Tenth Day, by Ada Rook\n\n"
FOOTER_SMALL_PRINT = f"""

***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***
{LICENSE}
*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*
"""


HEADERS = [
    MODERN,
    NINETIES,
    MODERN.replace("THE PROJECT", "THIS PROJECT"),
    MODERN.replace("*** S", "***S"),
    MODERN.replace("OF THE PROJECT", "OF THIS COPYRIGHTED PROJECT"),
    NINETIES.replace("*END*THE", "*END THE"),
    MODERN.replace("EBOOK THE TENTH DAY ***", "EBOOK THE TENTH DAY,\nOR HOW THE WEATHER\nTURNED ***"),
    NINETIES + MODERN,
    MODERN + NINETIES,
]
FOOTERS = [
    MODERN_END,
    NINETIES_END,
    "\n\nEnd of Project Gutenberg's The Tenth Day" + MODERN_END,
    FOOTER_SMALL_PRINT,
    NINETIES_END + FOOTER_SMALL_PRINT,
    MODERN_END.replace("THE PROJECT", "THIS PROJECT"),
    f"\n\n*** START: FULL LICENSE ***\n\n{LICENSE}",
    "\n\nEnde dieses Project Gutenberg Etextes Der Zehnte Tag\n",
    "",
]


@pytest.mark.parametrize("head", HEADERS)
@pytest.mark.parametrize("foot", FOOTERS)
@pytest.mark.parametrize("body", [BODY, POEM])
def test_headers_and_footers_of_every_vintage(head: str, foot: str, body: str) -> None:
    assert clean(head + body + foot) == body
    assert clean((head + body + foot).replace("\n", "\r\n")) == body


@pytest.mark.parametrize("foot", [MODERN_END, FOOTER_SMALL_PRINT, NINETIES_END])
def test_a_poem_with_the_licence_after_it_and_no_header(foot: str) -> None:
    assert clean(POEM + foot) == POEM.strip("\n")


def test_a_header_whose_end_is_not_recognised_does_not_cost_the_book() -> None:
    book = "\n\n".join(f"Paragraph {i} of a long book." for i in range(500))
    odd = NINETIES.replace("*END*THE SMALL PRINT!", "*END THAT SMALL PRINT!")
    assert clean(odd + book + NINETIES_END).endswith(book)


def test_a_banner_without_any_marker() -> None:
    assert clean("The Project Gutenberg Etext of The Tenth Day\n\n\n" + BODY) == BODY


BODY_LINES = [f"Line {i} of the body stands here." for i in range(400)]


def test_produced_by_inside_the_body_stays() -> None:
    lines = [*BODY_LINES[:200], "Produced by the sun", *BODY_LINES[200:]]
    body = "\n\n".join(lines)
    assert clean(MODERN + body + MODERN_END) == body
    assert clean(body) == body


@pytest.mark.parametrize(
    "first",
    [
        "Produced by the sun, the grain stood high\nand no one asked for more.",
        "Transcriber's English is poor, she said.",
        "This text was hers alone.",
        "Note: the bell had rung.",
        "Scanned the horizon, he did.",
        "[Illustration: the tenth day]",
    ],
)
def test_a_body_that_begins_like_a_credit_stays(first: str) -> None:
    body = f"{first}\n\n{BODY}"
    assert clean(MODERN + body + MODERN_END) == body


@pytest.mark.parametrize(
    "credit",
    [
        "Produced by Ada Rook and the Online Distributed\nProofreading Team at http://www.pgdp.net",
        "Produced by eagkw, somebody and the Online Distributed Proofreading Team",
        "Produced by an anonymous volunteer",
        "Produced by: Chuck Rook",
        "E-text prepared by Ada Rook",
        "This etext was prepared by Ada Rook <ada@example.org>",
        "This Etext was prepared by Somebody and\nis available at http://example.org",
        "This eBook was produced by Ada Rook.",
        "Transcribed from the 1898 Example & Co. edition by Ada Rook",
        "Scanned and proofed by Ada Rook",
        "HTML version by Ada Rook.",
        "(This file was produced from images generously made available)",
        "Note: Project Gutenberg also has an HTML version of this\n      file which has the illustrations.",
        "[Transcriber's Note: Spelling is as in the original.]",
        "[Transcriber's Note: Spelling is as in the original.\n\nHyphens too.]",
        "Transcriber's Notes:\n\nSpelling is as in the original.",
        "Transcriber's note: spelling is as in the original.\nHyphens too.",
        "Produced by Ada Rook\n\n\n\nTranscriber’s Note\n\nSpelling is as in the original.",
        "[NOTE: There is a short list of bookmarks, or pointers, at the end of the file.]",
    ],
)
def test_credits_at_the_head_go(credit: str) -> None:
    assert clean(f"{MODERN}{credit}\n\n\n\n{BODY}{MODERN_END}") == BODY
    assert clean(f"{NINETIES}{credit}\n\n\n\n{BODY}{NINETIES_END}") == BODY


@pytest.mark.parametrize(
    "credit",
    [
        "Transcriber's Notes\n\nPage 3: teh changed to the.\n\nPage 9: a comma added.",
        "[Transcriber's Note: one comma was added.]",
        "Typographical errors corrected by the etext transcriber:\n\nteh=> the {pg 3}",
        "This etext was prepared by Ada Rook",
        "Transcribed by Ada Rook",
    ],
)
def test_credits_at_the_tail_go(credit: str) -> None:
    assert clean(f"{MODERN}{BODY}\n\n\n{credit}{MODERN_END}") == BODY


def test_a_transcribers_note_inside_the_body_stays() -> None:
    body = f"{BODY}\n\n[Transcriber's Note: the page is torn here.]\n\nAnd so it ended."
    assert clean(MODERN + body + MODERN_END) == body


def test_markers_are_anchored_and_the_first_end_counts() -> None:
    body = (
        f'{BODY}\n\nHe read aloud: "*** END OF THE PROJECT GUTENBERG EBOOK ***", and slept.\n\nThe end of the matter.'
    )
    assert clean(MODERN + body + MODERN_END + MODERN_END) == body


def test_an_end_line_in_the_middle_of_a_collection_stays() -> None:
    body = "\n\n".join([*BODY_LINES[:50], "End of the Project Gutenberg Etext of Volume 1", *BODY_LINES[50:]])
    assert clean(MODERN + body + MODERN_END) == body


def test_a_start_that_a_body_quotes_far_down_stays() -> None:
    body = "\n".join([*BODY_LINES, *BODY_LINES, "*** START OF THE PROJECT GUTENBERG EBOOK QUOTED ***", *BODY_LINES])
    assert clean(MODERN + body + MODERN_END) == body


@pytest.mark.parametrize(
    "text", ["", "one line", "  indented\n\n\n", BODY, POEM, "*** START of something else ***\nbody"]
)
def test_other_texts_are_untouched(text: str) -> None:
    assert clean(text) == text


def test_nothing_but_boilerplate_is_empty() -> None:
    assert clean(MODERN + MODERN_END) == ""


def test_line_ends_become_lf_and_inner_space_stays() -> None:
    assert clean("a \r\n\tb\rc") == "a \n\tb\nc"
    assert clean(f"{MODERN}\n\n    centred\n\nx  y \n{MODERN_END}") == "    centred\n\nx  y"


LINES = st.sampled_from(
    [*MODERN.split("\n"), *NINETIES.split("\n"), *MODERN_END.split("\n")[:8], "a b", "", "  c", "]"]
)


@settings(deadline=None)
@given(st.lists(LINES, max_size=40))
def test_what_is_left_is_a_run_of_the_lines(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert clean(text).rstrip() in text
    header(text)


HOSTILE = [
    "***START**THE SMALL PRINT\n",
    "***START**THE SMALL PRINT\n\n",
    "*END*THE SMALL PRINT\n",
    "*** START OF THE PROJECT GUTENBERG\n",
    "End of Project Gutenberg\n",
    "[Transcriber's Note\n",
    "project gutenberg etext of ",
    "Title:\n ",
    "*",
    "(",
    " ",
    "\n",
    "\t\n",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_repetition_takes_linear_time(hostile: str) -> None:
    before = time.process_time()
    text = hostile * (1_000_000 // len(hostile))
    clean(text)
    clean("\x1c" * 500_000 + text[:500_000])
    header("The Project Gutenberg Etext of x [\n" + text)
    assert time.process_time() - before < 4 * slowness()


def test_a_modern_header() -> None:
    assert header(MODERN + BODY) == Header(
        title="The Tenth Day and Other Weather",
        author="Ada Rook",
        language="en",
        number=99999,
        released="2004-03-05",
        updated="2021-05-01",
        is_gutenberg=True,
    )


def test_a_header_of_the_nineties() -> None:
    assert header(NINETIES + BODY) == Header(
        "The Tenth Day", "Ada Rook", number=299, released="1995-05", updated="1995-05", is_gutenberg=True
    )
    spanish = "Project Gutenberg Etext of El Dia, by Ada Rook, in Spanish\n" + NINETIES
    assert header(spanish).language == "es"
    assert header(spanish).title == "El Dia"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("French", "fr"),
        ("English, French", "en"),
        ("German and Latin", "de"),
        ("Klingon", None),
        ("fr", None),
        ("", None),
    ],
)
def test_header_language(name: str, code: str | None) -> None:
    assert header(MODERN.replace("English", name)).language == code


@pytest.mark.parametrize(
    ("date", "iso"),
    [("June, 2001", "2001-06"), ("October 31, 1993", "1993-10-31"), ("June 1999", "1999-06"), ("soon", None)],
)
def test_release_date(date: str, iso: str | None) -> None:
    assert header(MODERN.replace("March 5, 2004", date)).released == iso


def test_a_book_without_the_header_says_nothing() -> None:
    assert header("Title: A Play\nLanguage: French\n\n" + BODY) == Header()
    assert header(BODY).language is None


def test_a_copyrighted_book() -> None:
    assert header(MODERN.replace("anywhere.", "anywhere. This is a COPYRIGHTED Project\nGutenberg eBook.")).copyrighted


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("12__old_lglass18", "                    THROUGH THE LOOKING-GLASS", "                             THE END"),
        ("13951__13951-8", "Alexandre Dumas", "FIN"),
        ("2000__old_2donq10", "El ingenioso hidalgo don Quijote de la Mancha", "Fin"),
        ("22367__22367-8", "                          DIE VERWANDLUNG", "Tochter als erste sich erhob"),
        ("2701-0", "MOBY-DICK;", "children, only found another orphan."),
        ("pg11", "[Illustration]", "THE END"),
        ("pg1342", "                            [Illustration:", "TOOKS COURT, CHANCERY LANE, LONDON."),
        ("pg174", "The Picture of Dorian Gray", "THE END"),
        ("pg345", "                                DRACULA", "       *       *       *       *       *"),
        ("pg84", "Frankenstein;", "lost in darkness and distance."),
    ],
)
def test_real_books_begin_and_end_with_the_book(dumps: Path, name: str, first: str, last: str) -> None:
    raw = (dumps / "gutenberg" / f"{name}.txt").read_bytes()
    text = raw.decode("utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") or name == "2701-0" else "latin-1")
    body = clean(text)
    assert body.split("\n")[0] == first
    assert last in body.split("\n")[-1]
    assert body in text.replace("\r\n", "\n").replace("\r", "\n")
    assert body.lower().count("project gutenberg") == (1 if name == "2701-0" else 0)


@pytest.mark.parametrize("name", ["dracula_other_edition", "pride_and_prejudice_other_edition"])
def test_real_books_without_a_header_are_untouched(dumps: Path, name: str) -> None:
    text = (dumps / "gutenberg" / f"{name}.txt").read_bytes().decode("utf-8").replace("\r\n", "\n")
    assert clean(text) == text


LEFTOVERS = (
    "[Portions of this header are copyright (C) 2001 by Michael S. Hart\nand may be reprinted only when these "
    "Etexts are free of all fees.]",
    "[Portions of this eBook's header and trailer may be reprinted only\nwhen distributed free of all fees.]",
    "[Project Gutenberg is a TradeMark and may not be used in any sales\nof Project Gutenberg Etexts.]",
    "The Project Gutenberg Etext of The Tenth Day, by Ada Rook",
    "***The Project Gutenberg Etext of The Tenth Day***\n#1 in our series by Ada Rook",
    "A Project Gutenberg Etext",
    "Project Gutenberg's Etext of The Tenth Day",
    "[This file was first posted on May 1, 1999]",
    "Scanned and proofread by A. Person",
    "This etext was prepared by A. Person, somewhere@example.org",
)


@pytest.mark.parametrize("leftover", LEFTOVERS)
def test_leftovers_of_a_header_go(leftover: str) -> None:
    assert clean(f"{NINETIES}\n{leftover}\n\n{BODY}{NINETIES_END}") == BODY
    assert clean(f"{MODERN}\n{leftover}\n\n{BODY}{MODERN_END}") == BODY
    assert clean(f"{NINETIES}\n{LEFTOVERS[0]}\n\n{leftover}\n\n{LEFTOVERS[3]}\n\n\n{BODY}{NINETIES_END}") == BODY
    assert clean(f"{BODY}\n\n{leftover}\n\nMore.") == f"{BODY}\n\n{leftover}\n\nMore."


@pytest.mark.parametrize(
    ("line", "released", "updated"),
    [
        ("May, 1995  [Etext #299]", "1995-05", "1995-05"),
        ("[June 1, 1991 [Etext #29]", "1991-06-01", "1991-06-01"),
        ("Release Date: June, 2001 [eBook #2701]\n[Most recently updated: August 18, 2021]", "2001-06", "2021-08-18"),
        ("Release Date: November 4, 2004 [EBook #13951]\n[Last updated: January 8, 2017]", "2004-11-04", "2017-01-08"),
        ("Release date: 2004-11-04 [EBook #13951]\nLast Updated: 2010-02-03", None, "2010-02-03"),
        ("***This Edition Is Being Officially Released On March 8, 1994***", None, "1994-03-08"),
        ("Posting Date: March 2, 2009 [EBook #1]\nRelease Date: Sep, 1995", "1995-09", "2009-03-02"),
        ("[This file was first posted on October 3, 2002]", None, "2002-10-03"),
        ("Release Date: Unknown", None, None),
    ],
)
def test_release_dates_of_every_decade(line: str, released: str | None, updated: str | None) -> None:
    found = header(
        f"The Project Gutenberg Etext of Rain\n\n{line}\n\nLanguage: English\n\n*** START OF THE PROJECT GUTENBERG\n"
    )
    assert (found.released, found.updated) == (released, updated)
