import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.latex.cleaner import Cleaned, clean
from tests.slowness import slowness


def cleaned(preamble: str, body: str) -> Cleaned:
    return clean(f"\\documentclass{{a}}\n{preamble}\n\\begin{{document}}\n\\section{{S}}\n{body}\n\\end{{document}}")


def expanded(preamble: str, body: str) -> str:
    return cleaned(preamble, body).text.removeprefix("\\section{S}").strip()


@pytest.mark.parametrize(
    ("definition", "use", "right"),
    [
        # The specification's vectors.
        ("\\newcommand{\\E}{é}", "x\\E y", "xéy"),
        ("\\newcommand\\R{\\mathbb{R}}", "$x \\in \\R$", "$x \\in \\mathbb{R}$"),
        ("\\newcommand{\\n}[1]{|#1|}", "$\\n{x} \\n y$", "$|x| |y|$"),
        ("\\DeclareMathOperator{\\rank}{rank}", "$\\rank A$", "$\\operatorname{rank} A$"),
        ("\\DeclareMathOperator*{\\argmax}{arg\\,max}", "$\\argmax_x$", "$\\operatorname*{arg\\,max}_x$"),
        ("\\newcommand{\\a}{\\b}\n\\newcommand{\\b}{x}", "\\a", "x"),
        ("\\newcommand{\\b}{x}\n\\newcommand{\\a}{\\b}", "\\a", "x"),
        # The ways to define.
        ("\\newcommand*{\\x}{one}", "\\x{} two", "one two"),
        ("\\renewcommand{\\epsilon}{\\varepsilon}", "$\\epsilon x$", "$\\varepsilon x$"),
        ("\\providecommand{\\x}{one}\\providecommand{\\x}{two}", "\\x", "one"),
        ("\\DeclareRobustCommand{\\x}{one}", "\\x", "one"),
        ("\\def\\x{one}", "\\x", "one"),
        ("\\def\\x#1#2{#2#1}", "\\x ab", "ba"),
        ("\\def\\x#1.#2;{(#1|#2)}", "\\x a.{b;c}; d", "(a|b;c) d"),
        ("\\def\\x[#1]{<#1>}", "\\x[a] \\x b", "<a> \\x b"),
        ("\\long\\def\\x#1{<#1>}", "\\x{a\n\nb}", "<a\n\nb>"),
        ("\\gdef\\x{one}", "\\x", "one"),
        ("\\def\\y{one}\\edef\\x{\\y}\\def\\y{two}", "\\x \\y", "onetwo"),
        ("\\def\\x{a}\\edef\\x{\\x b}", "\\x", "ab"),
        ("\\let\\x=\\alpha", "$\\x y$", "$\\alpha y$"),
        ("\\let\\x\\varepsilon", "$\\x_1$", "$\\varepsilon_1$"),
        ("\\newcommand{\\y}{one}\\let\\x\\y\\renewcommand{\\y}{two}", "\\x\\ \\y", "one two"),
        ("\\let\\old\\vec\\renewcommand{\\vec}[1]{\\old{#1}'}", "$\\vec{x}$", "$\\vec{x}'$"),
        ("\\newcommand{\\x}[2][d]{#1-#2}", "\\x{a} \\x[b]{c} \\x [e] f", "d-a b-c e-f"),
        ("\\newcommand{\\x}[1][]{<#1>}", "\\x[{]}] \\x", "<{]}> <>"),
        ("\\newcommand{\\x}[1]{#1}", "\\x\\alpha b \\x{\\alpha}b", "\\alpha b \\alpha b"),
        ("\\newcommand{\\x}[1]{\\alpha#1}", "\\x b \\x{b}", "\\alpha b \\alpha b"),
        ("\\newcommand{\\x}[1]{#1z}", "\\x\\alpha", "\\alpha z"),
        ("\\def\\,{;}", "a\\,b", "a;b"),
        ("\\newcommand{\\x}{50\\% }", "\\x of", "50\\% of"),
        ("\\newcommand{\\x}{a%\n  b}", "\\x", "ab"),
        ("\\newcommand{\\x}[1]{\\href{http://h.org/#1}{#1}}", "\\x{a}", "\\href{http://h.org/a}{a}"),
        ("\\newcommand{\\mk}[1]{\\newcommand{\\x}{#1}}\\mk{one}", "\\x", "one"),
        ("\\def\\mk#1{\\def\\x##1{#1##1}}\\mk a", "\\x b", "ab"),
        ("\\DeclarePairedDelimiter{\\abs}{\\lvert}{\\rvert}", "$\\abs{x}$", "$\\lvert x \\rvert$"),
        ("\\DeclarePairedDelimiter{\\abs}{|}{|}", "$\\abs*{x}$", "$\\left| x \\right|$"),
        ("\\NewDocumentCommand{\\x}{O{d} m}{#1-#2}", "\\x{a} \\x[b]{c}", "d-a b-c"),
        (
            "\\newenvironment{q}{\\begin{quote}\\bf}{\\end{quote}}",
            "\\begin{q}a\\end{q}",
            "\\begin{quote}\\bf a\\end{quote}",
        ),
        ("\\newenvironment{q}[2][d]{(#1#2}{)}", "\\begin{q}{e} a\\end{q}", "(de a)"),
        ("\\newcommand{\\be}{\\begin{equation}}\\def\\ee{\\end{equation}}", "\\be\na\n\\ee\nb", None),
        ("\\def\\bea#1\\eea{\\begin{align}#1\\end{align}}", "\\bea x \\eea", "\\begin{align}x \\end{align}"),
        ("\\let\\iint\\relax\\usepackage{amsmath}", "$\\iint x$", "$\\iint x$"),
        ("\\newcommand{\\y}{one}", "{\\let\\y\\undefined}\\y", "{}one"),
        # Blanks after a command.
        ("\\newcommand{\\x}{X}", "\\x{} is \\x\\ is {\\x} is \\x, is", "X is X is {X} is X, is"),
        ("\\usepackage{xspace}\\newcommand{\\x}{X\\xspace}", "\\x is, \\x, \\x\nso \\x{} no", "X is, X, X\nso X no"),
        ("\\newcommand{\\x}{}", "a\n\\x\nb", "a\nb"),
        ("\\newcommand{\\todo}[1]{}", "a\n\\todo{b}\nc\n\n\\todo{d}\n\ne", "a\nc\n\ne"),
        ("\\newcommand{\\x}{X}", "\\x\n\nnew", "X\n\nnew"),
        # Scope.
        ("\\newcommand{\\x}{out}", "{\\renewcommand{\\x}{in}\\x} \\x", "{in} out"),
        ("\\newcommand{\\x}{out}", "{\\gdef\\x{in}\\x} \\x", "{in} in"),
        (
            "\\newcommand{\\x}{out}",
            "\\begin{center}\\def\\x{in}\\x\\end{center} \\x",
            "\\begin{center}in\\end{center} out",
        ),
        # Conditionals that the source decides.
        ("\\newif\\ifdraft\\drafttrue", "a \\ifdraft b\\else c\\fi d", "a bd"),
        ("\\newif\\ifdraft\\draftfalse", "a \\ifdraft b\\else c\\fi d", "a cd"),
        ("\\newif\\ifdraft\\newcommand{\\note}[1]{\\ifdraft[#1]\\fi}", "a\\note{b} c", "a c"),
        ("\\let\\ifdraft\\iftrue", "\\ifdraft b\\else c\\fi", "b"),
        ("\\newcommand{\\blind}{1}", "\\if0\\blind b\\fi\\if1\\blind c\\fi", "c"),
        ("\\def\\x{\\ifmmode\\alpha\\else$\\alpha$\\fi}", "\\x, $\\x$", "$\\alpha$, $\\alpha$"),
        ("\\newtoggle{long}\\toggletrue{long}", "\\iftoggle{long}{b}{c}", "b"),
        ("\\newcommand{\\n}{3}", "\\ifnum\\n>2 b\\else c\\fi", "b"),
        # Internals that can be followed.
        ("\\makeatletter\\newcommand{\\my@x}{X}\\newcommand{\\x}{\\my@x}\\makeatother", "\\x", "X"),
        ("\\makeatletter\\def\\x{\\@ifstar{star}{none}}\\makeatother", "\\x* \\x.", "star none."),
        ("\\makeatletter\\def\\x{\\@ifnextchar[{b}{n}}\\makeatother", "\\x[ \\x.", "b[ n."),
    ],
)
def test_expansion(definition: str, use: str, right: str | None) -> None:
    if right is None:
        right = "\\begin{equation}\na\n\\end{equation}\nb"
    assert expanded(definition, use) == right
    assert cleaned(definition, use).macros_left == tuple(name for name in ("\\iint", "\\vec", "\\x") if name in right)


@pytest.mark.parametrize(
    ("definition", "use"),
    [
        ("\\newcommand{\\verbose}{X}", "\\verbose's \\verb|\\verbose|"),
        ("\\newcommand{\\x}{X}", "\\begin{verbatim}\n\\x\n\\end{verbatim}"),
        ("\\newcommand{\\x}{X}", "\\xy \\alpha"),
        ("\\renewcommand{\\section}{\\@startsection{section}}", "text \\section{B} text"),
        ("\\def\\cite#1{[#1]}", "\\cite{a}"),
        ("\\renewenvironment{figure}{\\begin{center}}{\\end{center}}", "\\begin{figure}x\\end{figure}"),
    ],
)
def test_what_is_not_a_use_stays(definition: str, use: str) -> None:
    right = use.replace("\\verbose's", "X's")
    assert expanded(definition, use) == right


# What cannot be expanded stays, is reported, and takes bounded time.
@pytest.mark.parametrize(
    ("definition", "use", "left"),
    [
        ("\\def\\a{\\a x}", "one \\a two", ("\\a",)),
        ("\\def\\a{\\a}", "one \\a two", ("\\a",)),
        ("\\def\\a{\\b}\\def\\b{\\a}", "one \\b{} two", None),
        ("\\newcommand{\\a}[1]{\\a{#1#1}}", "one \\a{b} two", ("\\a",)),
        ("\\def\\a{\\expandafter\\expandafter\\expandafter\\b\\csname c\\endcsname}", "one \\a two", ("\\a",)),
        ("\\def\\a#1{\\ifx#1\\unheard y\\fi}", "one \\a\\b two", ("\\a",)),
        ("\\def\\a#1{\\ifthenelse{\\value{#1}>1}{y}{z}}", "one \\a{b} two", ("\\a",)),
        ("\\expandafter\\def\\csname a\\endcsname{\\the\\year}", "one \\a two", ("\\a",)),
        ("\\NewDocumentCommand{\\a}{m x}{#1#2}", "one \\a{b}[c] two", ("\\a",)),
        ("\\def\\a#1;{x}", "one \\a b two", ("\\a",)),
        ("\\newenvironment{a}{\\begin{a}}{\\end{a}}", "one \\begin{a}b\\end{a} two", ("\\begin{a}",)),
    ],
)
def test_what_cannot_be_expanded_is_left_and_reported(definition: str, use: str, left: tuple[str, ...] | None) -> None:
    start = time.process_time()
    result = cleaned(definition, use)
    assert time.process_time() - start < 1 * slowness()
    assert len(result.macros_left) == 1
    if left is not None:
        assert result.macros_left == left
        assert result.text == f"\\section{{S}}\n{use}"


def test_macros_that_double_sixty_times_are_bounded() -> None:
    names = [f"m{chr(97 + index // 10)}{chr(97 + index % 10)}" for index in range(60)]
    lines = [f"\\newcommand{{\\{one}}}{{\\{two}\\{two}}}" for one, two in pairwise(names)]
    lines.append(f"\\newcommand{{\\{names[-1]}}}{{x}}")
    start = time.process_time()
    result = cleaned("\n".join(lines), f"before \\{names[0]} after \\{names[55]}.")
    assert time.process_time() - start < 3 * slowness()
    assert result.bounded
    assert result.text == f"\\section{{S}}\nbefore \\{names[0]} after {'x' * 16}."
    assert result.macros_left == (f"\\{names[0]}",)


def test_many_runaway_macros_share_one_budget() -> None:
    lines = []
    for index in range(300):
        name = "".join(chr(97 + int(digit)) for digit in f"{index:03}")
        lines.append(f"\\def\\{name}{{\\{name}{'y' * 5000}\\{name}}}\n\\{name}")
    start = time.process_time()
    result = cleaned("", "\n".join(lines) + "\nthe end")
    assert time.process_time() - start < 5 * slowness()
    assert result.text.endswith("the end")


@pytest.mark.parametrize(
    ("definition", "body"),
    [
        ("\\newcommand{\\x}[1]{<#1>}", "one {two \\x{three four"),
        ("\\newcommand{\\x}[1]{<#1>}", "one }} two \\x{a} three } four"),
        ("\\newcommand{\\x}[1]{<#1", "one \\x{two} three"),
        ("\\newcommand{\\x}[2][{]{<#1>}", "one \\x[two three"),
        ("\\def\\x#1", "one two three"),
    ],
)
def test_unbalanced_braces_cost_no_words(definition: str, body: str) -> None:
    result = cleaned("", f"{definition}\n{body}")
    assert [word for word in ("one", "two", "three") if word not in result.text] == []
    assert result.has_section


def test_verbatim_text_inside_a_doubling_macro_is_bounded() -> None:
    block = "\\begin{verbatim}" + "v" * 100_000 + "\\end{verbatim}"
    doubling = "".join(f"\\def\\m{chr(98 + i)}{{\\m{chr(97 + i)}\\m{chr(97 + i)}}}" for i in range(12))
    result = cleaned(f"\\def\\ma{{{block}}}{doubling}", "words \\mm")
    assert len(result.text) < 10_000_000


def test_counts() -> None:
    result = cleaned("\\newcommand{\\a}{x}\\newcommand{\\b}{y}\\newcommand{\\c}{\\ifdim z\\fi}", "\\a \\a \\c")
    assert (result.macros_defined, result.macros_expanded, result.uses) == (3, 1, 2)
    assert result.macros_left == ("\\c",)


def test_definitions_leave_no_trace() -> None:
    body = "one\n\\newcommand{\\x}[1]{a\n\n#1}\n\\def\\y{b}\ntwo"
    assert expanded("", body) == "one\ntwo"


def test_a_body_takes_its_last_argument_from_the_text_after_it() -> None:
    assert expanded("\\def\\pair#1#2{(#1,#2)}\\def\\x{\\pair{1}}", "\\x{2} \\x 3") == "(1,2) (1,3)"
    assert expanded("\\newcommand{\\y}[1]{<#1>}\\newcommand{\\x}{\\y}", "\\x{a}") == "<a>"


def test_verbatim_environments_that_the_source_declares() -> None:
    body = "\\begin{code}\n\\x % y\n\\end{code}"
    assert expanded("\\lstnewenvironment{code}{}{}\\newcommand{\\x}{X}", body) == body
    assert expanded("\\MakeShortVerb{\\|}\\newcommand{\\x}{X}", "a |\\x %| b") == "a |\\x %| b"
    assert expanded("\\excludecomment{solution}", "a\n\\begin{solution}\nb\n\\end{solution}\nc") == "a\nc"
    assert "kept" in expanded("\\newenvironment{comment}{}{}", "\\begin{comment} kept \\end{comment}")


@pytest.mark.parametrize(
    "source",
    [
        "\\if\\url{a%b}",
        "\\let\\x\\url{a%b}",
        "\\def\\x#1{<#1>}\\x\\verb|%|",
        "\\def\\x#1;{}\\def\\y{\\x a}\\y b",
        "\\newenvironment{e}{}{\\y}\\newcommand{\\y}[1]{#1#1}\\begin{e}\\end{e}",
    ],
)
def test_awkward_text_leaves_no_marks(source: str) -> None:
    result = expanded("", source)
    assert not {"\x00", "\x01"} & set(result)
    assert ("%" in result) == ("%" in source)


NAMES = ("xa", "xb", "xc", ",", "xA")
PIECES = st.lists(
    st.sampled_from(
        [*(f"\\{name}" for name in NAMES), "{", "}", "[", "]", "#1", " ", "y", "$", "\\\\", "\\ifx", "\\fi", "\\else"]
    ),
    max_size=10,
).map("".join)


def balanced(text: str) -> bool:
    depth = 0
    for brace in re.findall(r"\\.|[{}]", text):
        depth += {"{": 1, "}": -1}.get(brace, 0)
        if depth < 0:
            return False
    return depth == 0


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["\\newcommand{{\\{}}}[1]{{{}}}", "\\newcommand{{\\{}}}{{{}}}", "\\def\\{}#1{{{}}}"]),
            st.sampled_from(NAMES),
            PIECES.filter(balanced),
        ),
        max_size=5,
    ),
    PIECES,
)
def test_no_name_of_a_users_macro_is_left_unless_it_is_reported(
    definitions: list[tuple[str, str, str]], body: str
) -> None:
    result = cleaned("\n".join(form.format(name, text) for form, name, text in definitions), body)
    commands = set(re.findall(r"\\([A-Za-z]+|.)", result.text, re.DOTALL))
    left = commands & {name for _, name, _ in definitions}
    assert left == {name.removeprefix("\\") for name in result.macros_left}
