import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.latex.cleaner import Mode, Reason, check, clean
from filters.latex.cleaner import published as clean_published
from filters.latex.published import decode
from filters.latex.tokens import words
from tests.oracles import redpajama_arxiv
from tests.slowness import slowness


def text(source: str) -> str:
    return clean(source).text


def section(body: str, preamble: str = "") -> str:
    """Return what is left of a paper with this body under one heading."""
    cleaned = text(
        f"\\documentclass{{article}}\n{preamble}\n\\begin{{document}}\n\\section{{S}}\n{body}\n\\end{{document}}\n"
    )
    assert cleaned.startswith("\\section{S}")
    return cleaned.removeprefix("\\section{S}").strip()


# The failure vectors of the specification.
def test_paper_with_only_a_paragraph_heading_starts_there() -> None:
    assert text("\\begin{document}Front. \\paragraph{Intro} Words.\\end{document}") == "\\paragraph{Intro} Words."


@pytest.mark.parametrize(
    ("source", "right"),
    [
        ("value=5%comment", "value=5"),
        ("50\\% of data% a comment", "50\\% of data"),
        ("end \\\\%c2", "end \\\\"),
        ("\\\\\\% kept", "\\\\\\% kept"),
        ("as in \\appendixname{} 1", "as in \\appendixname{} 1"),
        ("\\verb|%| and \\verb*+a%b+ on", "\\verb|%| and \\verb*+a%b+ on"),
        ("\\url{a%20b} and \\href{c%2Fd}{e} on", "\\url{a%20b} and \\href{c%2Fd}{e} on"),
        ("\\begin{lstlisting}\nx = 5 % 3\n\\end{lstlisting}", "\\begin{lstlisting}\nx = 5 % 3\n\\end{lstlisting}"),
        ("\\begin{minted}{c}\na % b;\n\\end{minted}", "\\begin{minted}{c}\na % b;\n\\end{minted}"),
        ("\\begin{verbatim}\n% kept\n\\end{verbatim}% gone", "\\begin{verbatim}\n% kept\n\\end{verbatim}"),
        ("A\n\\begin{comment}\nhidden % \\end\n\\end{comment}\nB", "A\nB"),
        ("A \\iffalse hidden \\fi B", "A B"),
        ("A \\if0 hidden \\fi B", "A B"),
        ("A \\if0\\x hidden \\fi B", "A B"),
        ("A \\iftrue shown\\else hidden\\fi\\ B", "A shown\\ B"),
        ("A \\iffalse x \\ifnum1=1 y \\else z \\fi w \\else shown \\fi B", "A shown B"),
        ("first%\n   second", "firstsecond"),
        ("\\alpha%\nbeta", "\\alpha\nbeta"),
        ("one\n  % a line of its own\ntwo", "one\n  two"),
        ("one % c\n\ntwo", "one\n\ntwo"),
    ],
)
def test_lexical_vectors(source: str, right: str) -> None:
    assert section(source) == right


def test_commented_heading_is_no_heading() -> None:
    source = (
        "%\\section{old}\n\\begin{document}\\begin{abstract}Short.\\end{abstract}\n\\section{New} Words.\\end{document}"
    )
    assert text(source) == "\\section{New} Words."


def test_heading_in_the_preamble_is_no_heading() -> None:
    source = "\\titleformat{\\section}{\\bf}\n\\begin{document}front \\section{One} Words.\\end{document}"
    assert text(source) == "\\section{One} Words."


@pytest.mark.parametrize("command", ["part", "chapter", "section", "subsection", "subsubsection", "paragraph"])
def test_each_heading_starts_the_text(command: str) -> None:
    assert text(f"front \\{command}*{{Title}} Words.") == f"\\{command}*{{Title}} Words."


def test_subparagraph_is_no_first_section() -> None:
    cleaned = clean("\\begin{document}\\subparagraph{No} Words.\\end{document}")
    assert (cleaned.text, check(cleaned)) == ("", Reason.NO_SECTION)


# The bibliography and the end.
@pytest.mark.parametrize(
    "bibliography",
    [
        "\\begin{thebibliography}{9}\\bibitem{a} A. Author.\\end{thebibliography}",
        "\\bibliography{refs}",
        "\\bibliographystyle{plain}\n\\bibliography{a,b}",
        "\\printbibliography[heading=none]",
        "\\printbibliography",
        "\\begin{references}\\reference A.\\end{references}",
        "\\section*{References}\n\\begin{thebibliography}{9}x\\end{thebibliography}",
    ],
)
def test_bibliography_goes_and_the_appendix_stays(bibliography: str) -> None:
    assert section(f"Words.\n\n{bibliography}\n\n\\appendix\n\\section{{More}} Proofs.") == (
        "Words.\n\n\\appendix\n\\section{More} Proofs."
    )


def test_unclosed_bibliography_goes_to_the_end() -> None:
    assert section("Words.\n\\begin{thebibliography}{9}\\bibitem{a} A.") == "Words."


def test_what_follows_the_end_goes() -> None:
    assert text("\\begin{document}\\section{A} B.\\end{document} junk \\section{C}") == "\\section{A} B."


def test_end_inside_verbatim_text_is_no_end() -> None:
    body = "\\begin{verbatim}\n\\end{document}\n\\end{verbatim}\nmore"
    assert section(body) == body


def test_references_in_the_text_stay() -> None:
    assert section("As \\cite{a} in \\ref{b}.") == "As \\cite{a} in \\ref{b}."


# Reasons.
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", Reason.NO_SECTION),
        ("\\begin{document}Words without a heading.\\end{document}", Reason.NO_SECTION),
        ("\\section{Only a heading}", Reason.EMPTY),
        ("\\section{References}\\bibliography{x}", Reason.EMPTY),
        ("\\section{A} 12", Reason.EMPTY),
        ("\\section{A} Words.", None),
    ],
)
def test_check_names_the_reason(source: str, reason: Reason | None) -> None:
    assert check(clean(source)) == reason


def test_plain_tex_headings_count_without_a_document() -> None:
    assert text("\\magnification1200\nfront\n\\beginsection 1. Start\n\nWords.\n\\bye\njunk") == (
        "\\beginsection 1. Start\n\nWords."
    )


def test_ams_tex_headings_and_references() -> None:
    source = "\\document\n\\head Start\\endhead Words.\n\\Refs\\ref A\\endref\\endRefs\n\\enddocument"
    assert text(source) == "\\head Start\\endhead Words."


# The published rule, with its faults.
def published(source: str) -> str:
    return clean(source, mode="published").text


@pytest.mark.parametrize(
    ("source", "theirs"),
    [
        ("\\paragraph{Intro} Words.", ""),
        ("\\section{A}\nvalue=5%comment", "\\section{A}\nvalue="),
        ("\\section{A}\n50\\% of data% a comment", "\\section{A}\n50\\% of dat"),
        ("\\section{A}\nend \\\\%c2", "\\section{A}\nend \\\\%c2"),
        ("%\\section{old}\nfront\n\\section{new}", "\\section{old}\nfront\n\\section{new}"),
        ("\\section{A}\nas in \\appendixname{} 1", "\\section{A}\nas in "),
        ("\\section{A} B\n\\appendix\nC", "\\section{A} B\n"),
        ("\\section{A} B \\bibliography{c} D", "\\section{A} B "),
        ("\\newcommand{\\R}{\\mathbb{R}}\n\\section{A} \\R.", "\\section{A} \\mathbb{R}."),
        ("\\newcommand{\\n}[1]{|#1|}\n\\section{A} \\n{x}", "\\section{A} \\n{x}"),
        ("\\section{A}\n\\begin{comment}\nx\n\\end{comment}", "\\section{A}\n\\begin{comment}\nx\n\\end{comment}"),
        ("\\newcommand{\\a}{\\b}\n\\newcommand{\\b}{x}\n\\section{A} \\a.", "\\section{A} x."),
        ("\\newcommand{\\b}{x}\n\\newcommand{\\a}{\\b}\n\\section{A} \\a.", "\\section{A} \\b."),
    ],
)
def test_published_rule(source: str, theirs: str) -> None:
    assert published(source) == theirs


def test_published_rule_loses_the_paper_over_an_accent() -> None:
    source = "\\newcommand{\\E}{é}\n\\section{A} \\E."
    assert check(clean(source, mode="published")) == Reason.MACRO_FAILURE
    assert text(source) == "\\section{A} é."


def test_published_rule_is_bounded() -> None:
    doubling = "\n".join(f"\\newcommand{{\\a{chr(97 + i)}}}{{\\a{chr(98 + i)} \\a{chr(98 + i)} }}" for i in range(25))
    cleaned = clean(f"{doubling}\n\\section{{A}} \\aa .", mode="published")
    assert cleaned.bounded
    assert len(cleaned.text) < 10_000_000


def test_published_rule_takes_bounded_time_over_many_files_and_definitions() -> None:
    def name(number: int) -> str:
        return "".join(chr(97 + int(digit)) for digit in f"{number:05}")

    files = [
        "\\section{A} words\n" + "".join(f"\\def\\{name(500 * i + j)}{{b}}\n" for j in range(500)) for i in range(200)
    ]
    start = time.process_time()
    cleaned = clean_published(files)
    assert time.process_time() - start < 5 * slowness()
    assert cleaned.bounded
    assert cleaned.text.count("words") == 200


def test_published_rule_cuts_each_file_by_itself() -> None:
    files = ["\\input{b}", "front \\section{B} \\x.\n\\appendix C", "\\newcommand{\\x}{y}\n\\section{A} \\x."]
    cleaned = clean_published(files)
    assert (cleaned.text, cleaned.macros_expanded, cleaned.uses) == ("\n\\section{B} y.\n\n\\section{A} y.", 1, 2)
    assert decode({"b.tex": b"1", "a.sty": b"\xff", "c.TEX": b"3", "a.tex": b"2\r\n"}) == ["1", "2\r\n"]
    assert decode({"b.tex": b"1", "a.tex": b"\xff"}) is None


RULE = words(
    r"""a b1 { } [ ] %x \% \\ \newcommand{\a}{ \newcommand*{\b1}{\a} \def\a{b} \def\b1 \a \b1 \section{
    \section*[ ]{ é \section{S} \paragraph{ \paragraph{P} \subparagraph{Q} \appendix \appendixname \bibliography{
    \begin{references}"""
) | {"\n", " ", "}\n"}


@settings(max_examples=400)
@given(st.lists(st.lists(st.sampled_from(sorted(RULE)), max_size=30).map("".join), min_size=1, max_size=3))
def test_published_rule_is_that_of_an_independent_reading(sources: list[str]) -> None:
    expected = redpajama_arxiv.clean(sources)
    cleaned = clean_published(sources)
    if expected is None:
        assert cleaned.failed
    else:
        assert (cleaned.text or "\n" * (len(sources) - 1)) == expected


# Any input.
FRAGMENTS = words(
    r"""a b { } [ ] % \ # 1 $ & ^ _ ~ @ | \def \newcommand \x \y \begin{ \end{ \if \fi \else \section{ \verb| \iffalse
    \let \newenvironment verbatim} \makeatletter \@ifstar \xspace é"""
) | {" ", "\n", "\x00", "\x01"}


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(sorted(FRAGMENTS)), max_size=80).map("".join))
def test_any_text_is_cleaned(source: str) -> None:
    cleaned = clean(source)
    check(cleaned)
    assert "\x00" not in cleaned.text
    clean(source, mode="published")


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet=st.characters(exclude_characters="\\%{}#\x00\x01\r\f\ufeff\ue000", exclude_categories=["Cs"])))
def test_words_are_not_touched(plain: str) -> None:
    assert section(plain).split() == plain.split()


@pytest.mark.parametrize(
    "source",
    [
        "x" * 2_000_000,
        " " * 2_000_000,
        "{" * 70_000,
        "}" * 70_000,
        "\\begin{comment}" * 20_000,
        "\\begin{verbatim}" * 20_000,
        "\\verb|" * 30_000,
        "\\url{" * 30_000,
        "\\iffalse " * 20_000,
        "\\fi" * 30_000,
        "%" * 1_000_000,
        "\\def\\x" * 20_000,
        "\\newcommand{\\x}[1]{" * 15_000,
        "\\newcommand{\\x}[1]{a#1}" + "\\x{" * 20_000,
        "\\newcommand{\\x}[1]{a#1}" + "\\x{" * 20_000 + "}" * 20_000,
        "\\newcommand{\\x}[2][d]{a#1}" + "\\x[" * 20_000,
        "\\long\\def\\x#1!{a}" + "\\x" * 20_000,
        "\\begin{thebibliography}" * 15_000,
        "\\bibliography{" * 15_000,
        "\\section" + " " * 1_000_000,
        "\\section[" * 20_000,
        "\\newenvironment{e}{\\begin{e}}{}" + "\\begin{e}" * 10_000,
        "\\def\\x#1{" + "#1" * 60_000 + "}\\x{" + "b" * 60_000 + "}",
        "\\$" * 100_000,
        "\n" * 1_000_000,
        "a \n" * 300_000,
    ],
    ids=lambda source: source[:24].strip() or "blank",
)
def test_hostile_text_takes_linear_time(source: str) -> None:
    start = time.process_time()
    modes: tuple[Mode, ...] = ("corrected", "published")
    for mode in modes:
        clean(f"\\section{{A}} {source}", mode=mode)
    assert time.process_time() - start < 5 * slowness()
