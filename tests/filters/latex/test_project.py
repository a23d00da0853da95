import time

import pytest

from filters.latex.cleaner import check, clean, decode, find_main, flatten, merged, sources
from filters.latex.project import papers
from filters.latex.styles import is_known
from tests.slowness import slowness

PAPER = "\\documentclass{article}\n\\begin{document}\n\\section{A}\nWords.\n\\end{document}\n"


@pytest.mark.parametrize(
    ("raw", "right"),
    [
        ("é".encode(), "é"),
        ("\ufeffé".encode(), "é"),
        ("é".encode("utf-16"), "é"),
        ("é".encode("latin-1"), "é"),
        ("“é”".encode("cp1252"), "“é”"),
        (b"\\usepackage[cp1251]{inputenc}\n\xe6", "\\usepackage[cp1251]{inputenc}\nж"),
        (b"\\usepackage[latin2]{inputenc}\n\xb3", "\\usepackage[latin2]{inputenc}\nł"),
        (b"% \\usepackage[latin2]{inputenc}\n\xb3", "% \\usepackage[latin2]{inputenc}\n³"),
        (b"\\usepackage[unheard-of]{inputenc}\n\xe9", "\\usepackage[unheard-of]{inputenc}\né"),
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        (b"", ""),
    ],
)
def test_decode(raw: bytes, right: str) -> None:
    assert decode(raw) == right


def test_sources_leave_what_is_not_tex() -> None:
    files = {
        "paper.tex": PAPER.encode(),
        "._paper.tex": b"\x00\x05\x16\x07\\section",
        "__MACOSX/x.tex": b"\\section{A}",
        "photo.tex": b"\xff\xd8\xff\xe0\\section",
        "fig.pgf": b"\\pgfpath",
        "data": b"1 2 3",
        "rows.tex": b"1 & 2",
        "main": b"\\section{A}",
    }
    assert sorted(sources(files)) == ["main", "paper.tex", "rows.tex"]


@pytest.mark.parametrize(
    ("files", "main"),
    [
        ({}, None),
        ({"a.tex": "words"}, None),
        ({"a.tex": PAPER}, "a.tex"),
        ({"a": PAPER}, "a"),
        ({"style.sty": PAPER + "x" * 9999, "a.tex": PAPER}, "a.tex"),
        ({"macros.tex": "\\def\\x{y}\n" * 999, "a.tex": PAPER}, "a.tex"),
        ({"a.tex": "% " + PAPER.replace("\n", "\n% "), "b.tex": PAPER}, "b.tex"),
        ({"a.tex": "\\begin{verbatim}\n" + PAPER + "\\end{verbatim}", "b.tex": PAPER}, "b.tex"),
        # Nearly equal files: the one that another one includes is not the paper.
        ({"a.tex": PAPER, "b.tex": PAPER.replace("Words", "\\subfile{a}")}, "b.tex"),
        ({"main_old.tex": PAPER + "x" * 99, "main.tex": PAPER}, "main.tex"),
        ({"_old-main.tex": PAPER + "x" * 99, "notes.tex": PAPER}, "notes.tex"),
        ({"supplement.tex": PAPER + "x" * 99, "z.tex": PAPER}, "z.tex"),
        ({"a.tex": PAPER, "ms.tex": PAPER}, "ms.tex"),
        ({"a.tex": PAPER, "b.tex": PAPER.replace("\\section", "\\maketitle\\bibliography{x}\\section")}, "b.tex"),
        ({"deep/a.tex": PAPER, "b.tex": PAPER}, "b.tex"),
        ({"a.tex": PAPER, "b.tex": PAPER.replace("Words", "Many more words")}, "b.tex"),
        ({"b.tex": PAPER, "a.tex": PAPER}, "a.tex"),
        ({"a.tex": PAPER.replace("{article}", "[tikz]{standalone}") * 2, "b.tex": PAPER}, "b.tex"),
        ({"a.tex": "\\documentclass{x}\n\\input{b}", "b.tex": PAPER.split("\n", 1)[1]}, "a.tex"),
        ({"a.tex": "\\documentstyle[aps]{revtex}\n\\begin{document}\\end{document}"}, "a.tex"),
        # What the author says.
        ({"main.tex": PAPER, "z.tex": PAPER, "00README.XXX": "z.tex toplevelfile\n"}, "z.tex"),
        ({"main.tex": PAPER, "z.tex": PAPER, "00README.XXX": "main.tex ignore\n"}, "z.tex"),
        (
            {"m.tex": PAPER, "z.tex": PAPER, "00README.json": '{"filename": "z.tex", "usage": "toplevel"}'},
            "z.tex",
        ),
        # Without a document class.
        ({"a.tex": "\\magnification1200\n\\beginsection A\n\nWords.\n\\bye"}, "a.tex"),
        ({"a.tex": "\\input amstex\n\\documentstyle{amsppt}\n\\document\n\\head A\\endhead\n\\enddocument"}, "a.tex"),
        ({"a.tex": "\\section{A} Words.", "b.tex": "words"}, "a.tex"),
        ({"a.tex": "\\section{A} Words.", "b.tex": "\\section{B} Words."}, None),
    ],
)
def test_find_main(files: dict[str, str], main: str | None) -> None:
    assert find_main(files) == main
    assert find_main(dict(reversed(files.items()))) == main


TEMPLATE = r"""\documentclass{article}\usepackage{iclr2024_conference}
\title{Formatting Instructions for ICLR 2024 \\ Conference Submissions}
\begin{document}\maketitle\begin{abstract}
The abstract paragraph should be indented 1/2~inch on both left and right-hand margins. Use 10~point type.
\end{abstract}\section{Submission of conference papers}
The style files may not be modified. \bibliography{x}\end{document}
"""
REAL = PAPER.replace("Words.", "We measure the rain of nine summers in the north and find it to be less than before.")
LEAST = "\\documentclass{article}\\begin{document}\\section{A} Short.\\end{document}"


@pytest.mark.parametrize(
    ("files", "names"),
    [
        # The largest tree, whatever its root's own size and name.
        (
            {
                "these.tex": "\\documentclass{book}\\begin{document}\\include{ch/one}\\end{document}",
                "ch/one.tex": "\\section{A} " + "words " * 99,
                "Fig/article.tex": REAL + "\\begin{abstract}a\\end{abstract}\\bibliography{x}" * 2,
            },
            ["these.tex"],
        ),
        ({"iclr2024_conference.tex": TEMPLATE * 3, "sub/p.tex": REAL}, ["sub/p.tex"]),
        ({"iclr2024_conference.tex": TEMPLATE * 3, "p.tex": LEAST}, ["p.tex"]),
        # A template that an author has written over is the paper; one alone is all there is.
        ({"iclr2024_conference.tex": REAL}, ["iclr2024_conference.tex"]),
        ({"iclr2024_conference.tex": TEMPLATE}, ["iclr2024_conference.tex"]),
        # All top-level files.
        (
            {"main.tex": REAL, "supplement.tex": PAPER.replace("Words", "Further proofs")},
            ["main.tex", "supplement.tex"],
        ),
        ({"z.tex": REAL, "a_si.tex": PAPER.replace("Words", "Proofs") * 9}, ["z.tex", "a_si.tex"]),
        (
            {"one.tex": REAL, "two.tex": PAPER.replace("Words", "Another paper of the same volume")},
            ["one.tex", "two.tex"],
        ),
        ({"a.tex": LEAST, "b.tex": REAL, "00README.XXX": "a.tex toplevelfile\nb.tex toplevelfile"}, ["a.tex", "b.tex"]),
        (
            {"a.tex": LEAST, "b.tex": REAL, "00README.XXX": "b.tex toplevelfile\na.tex toplevelfile\n"},
            ["b.tex", "a.tex"],
        ),
        (
            {
                "a.tex": LEAST,
                "b.tex": REAL,
                "c.tex": PAPER,
                "00README.json": '{"sources": [{"usage": "toplevel", "filename": "b.tex"},'
                ' {"filename": "a.tex", "usage": "toplevel"}, {"filename": "c.tex", "usage": "ignore"}]}',
            },
            ["b.tex", "a.tex"],
        ),
        ({"p/a.tex": LEAST, "p/b.tex": REAL, "p/00README.yaml": "- filename: a.tex\n  usage: toplevel"}, ["p/a.tex"]),
        ({"a.tex": LEAST, "b.tex": REAL, "00README.XXX": "gone.tex toplevelfile"}, ["b.tex", "a.tex"]),
        # What is no paper of its own: versions, leftovers, drawings, talks, files that are included.
        ({"v1.tex": REAL, "v2.tex": REAL.replace("nine", "ninety") + "%"}, ["v2.tex"]),
        ({"main.tex": REAL, "main_old.tex": PAPER, "response.tex": PAPER, "cover-letter.tex": PAPER}, ["main.tex"]),
        ({"main.tex": REAL, "fig.tex": PAPER.replace("{article}", "{standalone}"), "d/x.tex": PAPER}, ["main.tex"]),
        ({"main.tex": REAL.replace("rain", "\\input{x} rain"), "x.tex": PAPER}, ["main.tex"]),
        # Names that only contain such a word.
        ({"microscopy.tex": REAL, "x.tex": LEAST}, ["microscopy.tex", "x.tex"]),
        ({"threshold.tex": REAL, "z": LEAST}, ["threshold.tex", "z"]),
    ],
)
def test_papers(files: dict[str, str], names: list[str]) -> None:
    assert [name for name, _ in papers(files)] == names
    assert [name for name, _ in papers(dict(reversed(files.items())))] == names


def test_all_top_level_files_are_one_document() -> None:
    files = {"main.tex": REAL, "supplement.tex": PAPER.replace("Words", "Further \\x")}
    parts = [clean(source) for _, source in papers(files)]
    whole = merged(parts)
    assert whole.text == f"{parts[0].text}\n\n{parts[1].text}"
    assert check(whole) is None
    empty = clean("\\begin{document}nothing")
    assert merged([parts[0], empty]) == parts[0]
    assert merged([empty, empty]).has_section is False


def body(files: dict[str, str], main: str = "main.tex") -> str:
    return clean(flatten(files, main)).text


def test_inputs_in_the_order_of_the_main_file() -> None:
    files = {
        "appendix.tex": "\\section{Last} Z.",
        "main.tex": "\\documentclass{a}\\begin{document}\n\\input{sections/intro}\n\\include{two}\n\\appendix\n"
        "\\input appendix.tex\n\\end{document}",
        "sections/intro.tex": "\\section{First} A.\n",
        "two.tex": "\\section{Second} B.\n",
        "draft.tex": "\\section{Nothing includes this}",
    }
    assert body(files) == "\\section{First} A.\n\\section{Second} B.\n\\appendix\n\\section{Last} Z."


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("\\input{part}", "part.tex"),
        ("\\input{part.tex}", "part.tex"),
        ("\\input{ part }", "part.tex"),
        ('\\input{"part"}', "part.tex"),
        ("\\input part ", "part.tex"),
        ("\\input{./x/../part}", "part.tex"),
        ("\\input{v1.2}", "v1.2.tex"),
        ("\\input{part}", "part"),
        ("\\include{x/part}", "x/part.tex"),
        ("\\subfile{x/part}", "x/part.tex"),
        ("\\import{x/}{part}", "x/part.tex"),
        ("\\subimport{x}{part.tex}", "x/part.tex"),
    ],
)
def test_ways_to_include(command: str, name: str) -> None:
    main = f"\\documentclass{{a}}\\begin{{document}}\\section{{A}} {command}\n\\end{{document}}"
    assert body({"main.tex": main, name: "found \\alpha"}) == "\\section{A} found \\alpha"
    assert body({"dir/main.tex": main, f"dir/{name}": "found"}, "dir/main.tex") == "\\section{A} found"


@pytest.mark.parametrize(
    ("before", "command", "name"),
    [
        (r"\newcommand{\dir}{sec}", r"\input{\dir/intro}", "sec/intro.tex"),
        (r"\def\dir{sec/}", r"\input{\dir intro}", "sec/intro.tex"),
        (r"\def\top{a}\newcommand{\dir}{\top/sec}", r"\include{\dir/intro}", "a/sec/intro.tex"),
        (r"\def\dir{no}\renewcommand{\dir}{sec}", r"\input \dir/intro ", "sec/intro.tex"),
        (r"\newcommand{\inp}[1]{\input{#1}}", r"\inp{intro}", "intro.tex"),
        (r"\newcommand{\inp}[1]{\input{sec/#1}}\newcommand{\two}[1]{\inp{a/#1}}", r"\two{intro}", "sec/a/intro.tex"),
        (r"\def\inp#1.{\include{#1}}", r"\inp intro.", "intro.tex"),
        (r"\newcommand{\intro}{\input{intro}}", r"\intro", "intro.tex"),
        (r"\newcommand{\inp}[2]{\subimport{#1/}{#2}}", r"\inp{sec}{intro}", "sec/intro.tex"),
        (r"\makeatletter\def\input@path{{sec/}{ch/}}\makeatother", r"\input{intro}", "ch/intro.tex"),
        (
            r"\makeatletter\providecommand*\input@path{}\g@addto@macro\input@path{{sec/}}",
            r"\input{intro}",
            "sec/intro.tex",
        ),
        ("", r"\input{\jobname-intro}", "main-intro.tex"),
        ("", r"\input{\subfix{intro}}", "intro.tex"),
        ("", r'\input{"my sections/intro"}', "my sections/intro.tex"),
        ("", r"\input{my sections/intro.tex}", "my sections/intro.tex"),
        ("", r'\input "intro" ', "intro.tex"),
        ("", r"\foreach \n in {intro,none}{\input{sec/\n}}", "sec/intro.tex"),
        (r"\makeatletter", r"\@for\n:=none,intro\do{\input{\n}}", "intro.tex"),
        ("", r"\InputIfFileExists{intro}{}{no}", "intro.tex"),
        ("", r"\InputIfFileExists{none}{no}{\input{intro}}", "intro.tex"),
        ("", r"\IfFileExists{intro.tex}{\input{intro}}{no}", "intro.tex"),
        ("", r"\IfFileExists{none.tex}{no}{\input{intro}}", "intro.tex"),
        (r"\makeatletter", r"\@input{intro}", "intro.tex"),
        (r"\includeonly{intro,b}", r"\include{intro}\include{other}", "intro.tex"),
    ],
)
def test_inputs_by_macro(before: str, command: str, name: str) -> None:
    main = f"\\documentclass{{a}}{before}\n\\begin{{document}}\n\\section{{A}} {command}\n\\end{{document}}"
    files = {"main.tex": main, name: "found", "other.tex": "NOT"}
    assert body(files) == "\\section{A} found"
    assert find_main({"part.tex": "", **files}) == "main.tex"


def test_inputs_by_a_macro_of_the_authors_own_package() -> None:
    files = {
        "main.tex": "\\documentclass{a}\\usepackage{mine}\\begin{document}\\section{A} \\inp{b} end\\end{document}",
        "mine.sty": "\\newcommand{\\folder}{s}\n\\newcommand{\\inp}[1]{\\input{\\folder/#1}}",
        "s/b.tex": "found",
    }
    assert body(files) == "\\section{A} found end"


def test_inputs_by_macro_are_bounded() -> None:
    source = r"\newcommand{\inp}[1]{\input{#1}\inp{#1}\inp{#1}}\section{A} \inp{b}"
    start = time.process_time()
    assert "\\section{A}" in flatten({"main.tex": source, "b.tex": "x" * 1_000}, "main.tex")
    many = r"\newcommand{\inp}[1]{\input{#1}}" + r"\inp{b}" * 20_000
    flatten({"main.tex": many, "b.tex": "x"}, "main.tex")
    assert time.process_time() - start < 5 * slowness()


def test_imports_are_relative_to_their_folder() -> None:
    files = {
        "main.tex": "\\section{A} \\import{one/}{a}",
        "one/a.tex": "a \\input{b} \\subimport{two/}{c}",
        "one/b.tex": "b",
        "one/two/c.tex": "c \\input{d}",
        "one/two/d.tex": "d",
    }
    assert body(files) == "\\section{A} a b c d"


def test_subfiles_give_their_body_only() -> None:
    sub = "\\documentclass[main]{subfiles}\n\\newcommand{\\no}{x}\n\\begin{document}sub\\end{document}"
    assert body({"main.tex": "\\section{A} \\subfile{s} end", "s.tex": sub}) == "\\section{A} sub end"


@pytest.mark.parametrize(
    "source",
    [
        "\\section{A} % \\input{b}\nx",
        "\\section{A} \\verb|\\input{b}| x",
        "\\section{A}\n\\begin{lstlisting}\n\\input{b}\n\\end{lstlisting} x",
        "\\section{A} \\iffalse\\input{b}\\fi x",
        "\\section{A}\\newcommand{\\file}[1]{\\input{#1}} x",
        "\\section{A} x \\endinput \\input{b}",
        "\\section{A} \\input{missing} x",
        "\\section{A} \\input{b.pgf} x",
        "\\section{A} \\inputs{b} x",
    ],
)
def test_what_is_not_included(source: str) -> None:
    assert "HERE" not in body({"main.tex": source, "b.tex": "HERE", "b.pgf": "HERE"})
    assert "x" in body({"main.tex": source, "b.tex": "HERE"})


def test_missing_inputs_leave_nothing_behind() -> None:
    assert body({"main.tex": "\\section{A} one \\input{vc} two"}) == "\\section{A} one  two"


def test_an_input_keeps_to_itself() -> None:
    files = {"main.tex": "\\section{A}\nx\n\\input{b}\ny \\input{b} z\n", "b.tex": "in\n% its last line"}
    assert body(files) == "\\section{A}\nx\nin\ny in\n z"
    files["b.tex"] = "in\n"
    assert body(files) == "\\section{A}\nx\nin\ny in\n z"
    files["b.tex"] = ""
    assert body(files) == "\\section{A}\nx\ny  z"


def test_endinput_ends_a_file_only() -> None:
    files = {"main.tex": "\\section{A} \\input{b} after", "b.tex": "in\n\\endinput\nout"}
    assert body(files) == "\\section{A} in\n after"


def test_cycles_and_doubling_are_bounded() -> None:
    assert body({"main.tex": "\\section{A} x\\input{main}y"}) == "\\section{A} xy"
    assert (
        body({"main.tex": "\\section{A} \\input{b}", "b.tex": "x\\input{c}", "c.tex": "\\input{b}"}) == "\\section{A} x"
    )
    files = {f"f{index}.tex": f"\\input{{f{index + 1}}}\\input{{f{index + 1}}}" for index in range(60)}
    start = time.process_time()
    flatten({**files, "f60.tex": "x" * 100_000}, "f0.tex")
    assert time.process_time() - start < 5 * slowness()


def test_macros_of_a_package_of_the_authors_own() -> None:
    style = (
        "% my macros\n\\ProvidesPackage{mine}\n\\newcommand{\\R}{\\mathbb{R}} % reals\n\\def\\hidden@x{hidden}\n"
        "\\newcommand{\\code}{\\expandafter\\x}\n\\newcommand{\\v}[1]{\\mathbf{#1}}\n\\newcommand{\\h}{\\hidden@x}\n"
        "\\newif\\ifdraft\n\\drafttrue\n\\section{Not this}\n"
    )
    files = {
        "main.tex": "\\documentclass{a}\\usepackage{amsmath, mine}\\begin{document}\\section{A} $\\R\\v x$ \\h \\code "
        "\\ifdraft one \\else two \\fi",
        "mine.sty": style,
    }
    cleaned = clean(flatten(files, "main.tex"))
    assert cleaned.text == ("\\section{A} $\\mathbb{R}\\mathbf{x}$ hidden\\code \\ifdraft one \\else two \\fi")
    assert (cleaned.macros_defined, cleaned.macros_left) == (5, ("\\code", "\\ifdraft"))


def test_a_package_in_latex_3() -> None:
    style = (
        "\\ProvidesExplPackage {mine} {2024/01/01} {1.0} {Ours}\n\\cs_new:Npn \\my_bold:n #1 { \\textbf { #1 } }\n"
        "\\NewDocumentCommand \\x { m } { \\my_bold:n { two~words ,~ #1 } }\n"
        "\\NewDocumentCommand \\y { m } { \\seq_use:Nn \\l_my_seq { #1 } }\n"
    )
    files = {
        "main.tex": "\\documentclass{a}\n\\usepackage{mine}\n\\newcommand{\\z}{a b}\n"
        "\\begin{document}\n\\section{A} \\x{c} \\z \\y{,}",
        "mine.sty": style,
    }
    cleaned = clean(flatten(files, "main.tex"))
    assert cleaned.text == "\\section{A} \\textbf{two words, c} a b\\y{,}"
    assert cleaned.macros_left == ("\\y",)


@pytest.mark.parametrize(
    ("load", "name"),
    [
        ("\\documentclass[11pt]{mine}", "mine.cls"),
        ("\\documentstyle[12pt,mine]{article}", "mine.sty"),
        ("\\documentstyle{mine}", "mine.sty"),
        ("\\documentclass{a}\\usepackage{sub/mine}", "sub/mine.sty"),
        ("\\documentclass{a}\\RequirePackageWithOptions{mine}", "mine.sty"),
        ("\\documentclass{a}\\usepackage{outer}", "mine.sty"),
        ("\\documentclass{outer}", "mine.cls"),
        ("\\documentclass{outer}", "dir/mine.cls"),
    ],
)
def test_definitions_of_the_authors_own_classes_and_styles(load: str, name: str) -> None:
    folder = "dir/" if name.startswith("dir/") else ""
    files = {
        f"{folder}main.tex": f"{load}\\begin{{document}}\\section{{A}} \\x",
        name: "\\newcommand{\\x}{found}",
        f"{folder}outer.sty": "\\RequirePackage{mine}\\RequirePackage{outer}",
        f"{folder}outer.cls": "\\LoadClass{mine}",
        "style.sty": "\\newcommand{\\x}{not loaded}",
    }
    assert body(files, f"{folder}main.tex") == "\\section{A} found"


@pytest.mark.parametrize(
    "known", ["aastex631", "neurips_2023", "icml2020", "IEEEtran-v1.8b", "natbib", "cvpr_final", "revtex4-1", "mn2e"]
)
def test_journals_and_ctans_files_are_left_alone(known: str) -> None:
    files = {
        "main.tex": f"\\documentclass{{{known}}}\\usepackage{{{known}}}\\begin{{document}}\\section{{A}} \\arcsec x",
        f"{known}.cls": "\\newcommand{\\arcsec}{seconds}",
        f"{known}.sty": "\\newcommand{\\arcsec}{seconds}",
    }
    assert body(files) == "\\section{A} \\arcsec x"
    assert not is_known("mymacros")


def test_styles_that_load_each_other_are_bounded() -> None:
    files = {f"s{index}.sty": f"\\RequirePackage{{s{index + 1},s0}}" + "\\def\\x{y}" * 999 for index in range(3_000)}
    start = time.process_time()
    flatten({**files, "main.tex": "\\documentclass{a}\\usepackage{s0}"}, "main.tex")
    large = {f"t{index}.sty": "\\def\\x{y}" * 30_000 for index in range(90)}
    loads = "".join(f"\\usepackage{{t{index}}}" for index in range(90))
    assert len(flatten({**large, "main.tex": f"\\documentclass{{a}}{loads}"}, "main.tex")) < 3_000_000
    assert time.process_time() - start < 5 * slowness()


def test_flatten_refuses_a_file_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"main file 'x\.tex' is not among"):
        flatten({"a.tex": ""}, "x.tex")


def test_many_candidates_take_bounded_time() -> None:
    files = {f"f{index}.tex": PAPER.replace("Words", f"\\input{{f{index + 1}}}") for index in range(500)}
    start = time.process_time()
    assert find_main(files) == "f0.tex"
    assert time.process_time() - start < 5 * slowness()
