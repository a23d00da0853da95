"""What preambles are made of beyond plain definitions: delimiters, look-ahead, specifications, names, tests."""

import re

import pytest

from tests.filters.latex.test_macros import cleaned, expanded

ONEDOT = r"""\makeatletter
\DeclareRobustCommand\onedot{\futurelet\@let@token\@onedot}
\def\@onedot{\ifx\@let@token.\else.\null\fi\xspace}
\def\eg{\emph{e.g}\onedot} \def\etal{\emph{et al}\onedot} \def\iid{i.i.d\onedot}
\makeatother"""
LOOP = r"""\def\each#1{\ifx\each#1\else\one{#1}\expandafter\each\fi}
\def\one#1{\expandafter\def\csname b#1\endcsname{\mathbf{#1}}} \each ABCDEFGHIJKLMNOPQRSTUVWXYZ\each"""
XPARSE = r"""\NewDocumentCommand{\x}{s O{d} +m t+ o e{^_}}{\IfBooleanTF{#1}{S}{N}#2#3\IfBooleanT{#4}{P}%
\IfValueTF{#5}{#5}{-}\IfValueT{#6}{u#6}\IfNoValueF{#7}{l#7}}"""
FUTURE = r"""\def\x{\futurelet\n\y} \def\y{\ifx\n[\let\z\u\else\let\z\v\fi\z}
\def\u[#1]{<#1>} \def\v{none}"""
MONTH = r"\newcommand{\x}[1]{\ifcase#1\or January\or February\else Later\fi}"
EXPL3 = r"""\usepackage{expl3}
\ExplSyntaxOn
\cs_new:Npn \my_bold:n #1 { \textbf { #1 ~ here } } % a comment
\NewDocumentCommand \x { m } { \my_bold:n { #1 } }
\cs_new_protected:Nn \my_two:nn { #2 , #1 }
\newcommand \y [ 2 ] { \my_two:nn { #1 } { #2 } }
\tl_new:N \l_my_tl
\tl_set:Nn \l_my_tl { snow~flake }
\newcommand \z { \tl_use:N \l_my_tl }
\NewDocumentCommand \q { o } { \tl_if_novalue:nTF { #1 } { none } { \str_if_eq:nnT {#1} {5} { five } } }
\newcommand \w [ 1 ] { \tl_if_empty:nTF { #1 } { empty } { not } }
\bool_new:N \g_my_bool
\bool_gset_true:N \g_my_bool
\newcommand \v { \bool_if:NTF \g_my_bool { set } { unset } }
\ExplSyntaxOff"""
GIVEN = r"\newcommand\given{\delimsize\vert}\DeclarePairedDelimiterX\x[1]\{\}{#1}"
FACTORY = r"""\makeatletter\@tfor\next:=abz\do{\def\command@factory#1{%
\expandafter\def\csname b#1\endcsname{\mathbf{#1}}}\expandafter\command@factory\next}\makeatother"""
PYGMENTS = r"""\makeatletter
\def\PY@reset{\let\PY@bf=\relax%
    \let\PY@tc=\relax}
\def\PY@tok#1{\csname PY@tok@#1\endcsname}
\def\PY@toks#1+{\ifx\relax#1\empty\else%
    \PY@tok{#1}\expandafter\PY@toks\fi}
\def\PY@do#1{\PY@tc{\PY@bf{#1}}}
\def\PY#1#2{\PY@reset\PY@toks#1+\relax+\PY@do{#2}}
\@namedef{PY@tok@k}{\let\PY@bf=\textbf}
\expandafter\def\csname PY@tok@nn\endcsname{\def\PY@tc##1{\emph{##1}}}
\makeatother"""
PAIRED_X = r"\DeclarePairedDelimiterX{\x}[2]{\langle}{\rangle}{#1\,\delimsize\vert\,#2}"


@pytest.mark.parametrize(
    ("definition", "use", "right"),
    [
        # Delimiters in pairs.
        (r"\DeclarePairedDelimiter{\x}{\lVert}{\rVert}", r"$\x[\Big]{a+b}$", r"$\Big\lVert a+b \Big\rVert$"),
        (
            r"\DeclarePairedDelimiter{\x}{\lVert}{\rVert}",
            r"$\x*{a}$ $\x a$",
            r"$\left\lVert a \right\rVert$ $\lVert a \rVert$",
        ),
        (r"\DeclarePairedDelimiter\x\lceil\rceil", r"$\x{a}$", r"$\lceil a \rceil$"),
        (r"\DeclarePairedDelimiter\x||\renewcommand{\x}[1]{#1}", r"$\x*$", r"$*$"),
        (PAIRED_X, r"$\x{a}{b}$", r"$\langle a\,\vert\,b \rangle$"),
        (PAIRED_X, r"$\x*{a}{b}$", r"$\left\langle a\,\middle\vert\,b \right\rangle$"),
        (PAIRED_X, r"$\x[\big]{a}{b}$", r"$\big\langle a\,\big\vert\,b \big\rangle$"),
        (r"\DeclarePairedDelimiterXPP{\x}[1]{E}{[}{]}{_0}{#1}", r"$\x{a}\x*{b}$", r"$E[ a ]_0E\left[ b \right]_0$"),
        (GIVEN, r"$\x*{a\given b}$ $\x{a}$", r"$\left\{ a\middle\vert b \right\}$ $\{ a \}$"),
        # Cases.
        (MONTH, r"\x1, \x{2}. \x{9}", "January, February. Later"),
        (r"\def\n{1}\def\x#1{\ifcase\n\relax a\or b\ifnum#1>2 \c\or\else d\fi e\or f\fi}", r"\x1", "bde"),
        (r"\def\n{1}", r"\ifcase\n a\or\ifcase0 b\or c\else d\fi e\or f\else g\fi h", "beh"),
        (r"\def\n{1}", r"\ifcase-1 a\or b\else c\fi\ifcase 7 a\or b\fi\ifcase0a\or b", "ca b"),
        (r"\newcounter{y}", r"\ifcase\value{y} a\or b\else c\fi", r"\ifcase\value{y} a\or b\else c\fi"),
        ("", r"\iftrue $a \or b$\fi", r"$a \or b$"),
        # LaTeX3.
        (EXPL3, r"\x{a} b", r"\textbf{a here} b"),
        (EXPL3, r"\y{1}{2}, \z.", "2,1, snow flake."),
        (EXPL3, r"\q \q[5]$a_1:b$", "none five$a_1:b$"),
        (EXPL3, r"\w{} \w{~}", "empty not"),
        (EXPL3, r"\v", "set"),
        # Look-ahead.
        (ONEDOT, r"\eg this", r"\emph{e.g.} this"),
        (ONEDOT, r"\etal, \etal. (\iid) \iid{} a", r"\emph{et al.}, \emph{et al}. (i.i.d.) i.i.d. a"),
        (ONEDOT, r"\eg \cite{a} \etal", r"\emph{e.g.} \cite{a} \emph{et al.}"),
        (r"\makeatletter\def\x{\@ifnextchar.{etc}{etc.\@\xspace}}\makeatother", r"\x. \x, b", r"etc. etc.\@, b"),
        (
            r"\makeatletter\newcommand{\x}{\@ifstar\@y\@@y}\newcommand{\@y}[1]{S#1}\newcommand{\@@y}[1]{N#1}\makeatother",
            r"\x*{a} \x{b}",
            "Sa Nb",
        ),
        (FUTURE, r"\x[a] \x b", "<a> none b"),
        # Specifications of arguments.
        (XPARSE, r"\x{a}! \x*[k]{b}+[o]^2_3!", "Nda-! SkbPou2l3!"),
        (r"\NewDocumentCommand\x{d() D<>{e} r||m}{#1#2#3#4}", r"\x(a)<b>|c|{d}", "abcd"),
        (
            r"\NewDocumentCommand\x{>{\TrimSpaces}m g G{z}}{#1/#2/#3}",
            r"\x{a}{b} \x{a}\relax",
            r"a/b/z a/-NoValue-/z\relax",
        ),
        (r"\NewExpandableDocumentCommand\x{m}{<#1>}\ProvideDocumentCommand\x{m}{no}", r"\x{a}", "<a>"),
        (r"\NewDocumentEnvironment{q}{O{d} m}{(#1#2}{)}", r"\begin{q}{e} a\end{q}", "(de a)"),
        (
            r"\newcommandx{\x}[3][1=a, 3={b,c}]{(#1|#2|#3)}",
            r"\x{m} \x[p]{m}[q] \x[p]{m}",
            "(a|m|b,c) (p|m|q) (p|m|b,c)",
        ),
        (r"\newcommandx*\x[2][2=,usedefault]{#1#2}", r"\x{m} \x{m}[q]", "m mq"),
        (r"\newenvironmentx{q}[2][2=z]{(#1#2}{)}", r"\begin{q}{a}b\end{q}", "(azb)"),
        (r"\DeclareTextFontCommand{\x}{\bfseries}", r"\x{a}", r"{\bfseries a}"),
        (r"\NewCommandCopy\x\alpha", r"$\x$", r"$\alpha$"),
        (r"\newrobustcmd*{\x}[1]{<#1>}\providerobustcmd\x{no}", r"\x{a}", "<a>"),
        (r"\define\x#1{<#1>}", r"\x{a}", "<a>"),
        (r"\def\x{a}\appto\x{b}\preto{\x}{c}", r"\x", "cab"),
        # Names put together.
        (r"\expandafter\newcommand\csname x\endcsname{BAR}", r"\x a", "BARa"),
        (r"\expandafter\newcommand\expandafter{\csname x\endcsname}[1]{<#1>}", r"\x a", "<a>"),
        (r"\expandafter\gdef\csname x\endcsname#1.{<#1>}", r"\x a.", "<a>"),
        (r"\global\expandafter\def\csname x\endcsname{X}", r"\x.", "X."),
        (r"\expandafter\let\csname x\expandafter\endcsname\csname alpha\endcsname", r"$\x$", r"$\alpha$"),
        (r"\def\n{x}\expandafter\def\csname \n\endcsname{X}", r"\x.", "X."),
        (r"\makeatletter\@namedef{x}#1{<#1>}\makeatother", r"\x a", "<a>"),
        (r"\makeatletter\@namedef{v1}{one}\newcommand{\x}[1]{\@nameuse{v#1}}\makeatother", r"\x 1 \x{1}", "one one"),
        (r"\csdef{x}{X}\cslet{y}\x\letcs\z{x}", r"\x\y\z\csuse{x}", "XXXX"),
        (r"\newcommand{\x}[1]{\csname #1\endcsname}", r"$\x{alpha}b$", r"$\alpha b$"),
        (
            r"\newcommand{\mk}[1]{\expandafter\newcommand\csname b#1\endcsname{\mathbf{#1}}}\mk{x}",
            r"\bx",
            r"\mathbf{x}",
        ),
        (LOOP, r"$\bA\bZ$", r"$\mathbf{A}\mathbf{Z}$"),
        (
            r"\makeatletter\@for\i:=x,y\do{\expandafter\edef\csname v\i\endcsname{\noexpand\vec{\i}}}\makeatother",
            r"\vx\vy",
            r"\vec{x}\vec{y}",
        ),
        (r"\makeatletter\@tfor\i:=xy\do{\@namedef{v\i}{\vec{\i}}}\makeatother", r"\vx\vy", r"\vec{x}\vec{y}"),
        (
            r"\foreach \i in {A,...,Z}{\expandafter\xdef\csname v\i\endcsname{\noexpand\vec{\i}}}",
            r"\vA\vZ",
            r"\vec{A}\vec{Z}",
        ),
        (r"\foreach \i/\j in {a/b,c/d}{\expandafter\gdef\csname v\i\endcsname{\j}}", r"\va\vc", "bd"),
        (r"\def\do#1{\csdef{v#1}{<#1>}}\docsvlist{a,b}\forcsvlist{\do}{c}", r"\va\vb\vc", "<a><b><c>"),
        (FACTORY, r"\ba\bz", r"\mathbf{a}\mathbf{z}"),
        (PYGMENTS, r"\PY{k}{if} \PY{nn}{os}", r"{\textbf{if}} \emph{{os}}"),
        # Switches and tests.
        (r"\makeatletter\newif\if@y\@ytrue\newcommand{\x}{\if@y A\else B\fi}\makeatother", r"\x", "A"),
        (r"\newboolean{full}\setboolean{full}{false}", r"\ifthenelse{\boolean{full}}{HIDDEN}{SHOWN}", "SHOWN"),
        (r"\newboolean{full}", r"\ifthenelse{\NOT\boolean{full}}{SHOWN}{HIDDEN}", "SHOWN"),
        (
            r"\newboolean{full}\fulltrue",
            r"\ifthenelse{\boolean{full} \and \( 1 > 2 \or \isodd{3} \)}{SHOWN}{HIDDEN}",
            "SHOWN",
        ),
        (r"\newcommand{\v}{short}", r"\ifthenelse{\equal{\v}{short}}{SHOWN}{HIDDEN}", "SHOWN"),
        (r"\newcommand{\v}{short}", r"\ifthenelse{\isundefined{\v}}{HIDDEN}{SHOWN}", "SHOWN"),
        (r"\newcommand{\x}[1]{\ifthenelse{\equal{#1}{}}{none}{<#1>}}", r"\x{} \x{a}", "none <a>"),
        (r"\newbool{b}\booltrue{b}", r"\ifbool{b}{A}{B}\notbool{b}{C}{D}\ifb E\else F\fi", "ADE"),
        (r"\newtoggle{t}\settoggle{t}{true}", r"\iftoggle{t}{A}{B}\nottoggle{t}{C}{D}", "AD"),
        (
            r"\newbool{b}\newtoggle{t}",
            r"\ifboolexpr{not bool {b} and (togl {t} or test {\ifstrequal{a}{a}})}{A}{B}",
            "A",
        ),
        (r"\def\v{}", r"\ifdefempty{\v}{A}{B}\ifdef{\v}{C}{D}\ifdefstring{\v}{x}{E}{F}\ifcsundef{v}{G}{H}", "ACFH"),
        (r"\newcommand{\x}[1]{\ifstrempty{#1}{A}{B}\ifblank{#1}{C}{D}}", r"\x{} \x{ } \x{a}", "AC BC BD"),
        (r"\def\n{3}", r"\ifnumcomp{\n}{>}{2}{A}{B}\ifnumodd{\n}{C}{D}", "AC"),
        (r"\makeatletter\def\x{\@ifundefined{y}{A}{B}}\def\y{}\makeatother", r"\x", "B"),
        (r"\newif\ifa", r"\unless\ifa A\else B\fi", "A"),
        (r"\def\a{1}\def\b{1}\def\c{2}", r"\ifx\a\b A\else B\fi\ifx\a\c C\else D\fi", "AD"),
        (r"\let\a\undefined", r"\ifx\a\undefined A\else B\fi\ifdefined\a C\else D\fi", "AD"),
        (r"\def\x#1{\ifx\\#1\\none\else<#1>\fi}", r"\x{} \x{ab}", "none <ab>"),
        (r"\makeatletter\def\x#1{\def\y{#1}\ifx\y\@empty none\else<#1>\fi}\makeatother", r"\x{} \x{ab}", "none <ab>"),
        (r"\AtBeginDocument{\renewcommand{\x}{late}}\newcommand{\x}{early}", r"\x", "late"),
    ],
)
def test_idioms(definition: str, use: str, right: str) -> None:
    result = cleaned(definition, use)
    assert result.text.removeprefix("\\section{S}").strip() == right
    assert not {name for name in result.macros_left if name in {"\\x", "\\eg", "\\etal", "\\onedot"}}


@pytest.mark.parametrize(
    "text",
    [
        r"\ifx\version\short A\else B\fi",
        r"\ifthenelse{\equal{\version}{\short}}{A}{B}",
        r"\ifdef{\short}{A}{B}",
        r"\ifdefined\short A\else B\fi",
        r"\ifthenelse{\value{page}>1 \and \boolean{unheard}}{A}{B}",
        r"\ifboolexpr{bool {unheard}}{A}{B}",
    ],
)
def test_what_is_undecided_is_untouched(text: str) -> None:
    result = cleaned(r"\newcommand{\version}{1}", text)
    assert result.text.endswith(text)
    assert result.macros_left == (("\\version",) if "version" in text else ())


def test_definitions_are_never_verbatim() -> None:
    assert expanded(
        r"\def\bv{\begin{verbatim}}\newcommand{\R}{X}", "$\\R$\n\\begin{verbatim}\n\\R\n\\end{verbatim}"
    ) == ("$X$\n\\begin{verbatim}\n\\R\n\\end{verbatim}")
    code = r"\newenvironment{code}{\begin{alltt}}{\end{alltt}}\newcommand{\R}{X}"
    assert (
        expanded(code, "\\R\n\\begin{code}\n\\R{} % y\n\\end{code} \\R") == "X\n\\begin{alltt}\nX % y\n\\end{alltt} X"
    )
    for form in (r"\newcommand{\c}[1]{\verb|#1|}", r"\def\c{\lstinline}", r"\NewDocumentCommand\c{}{\verb}"):
        assert expanded(form + r"\newcommand{\R}{X}", r"a | b \R") == "a | b X"
    assert expanded(r"\newenvironment{v}{\verbatim}{\endverbatim}\def\R{X}", "\\begin{v}\n\\R %\n\\end{v}") == (
        "\\begin{v}\n\\R %\n\\end{v}"
    )
    assert expanded(r"\newenvironment{hide}{\comment}{\endcomment}", "a\n\\begin{hide}\nb\n\\end{hide}\nc") == "a\nc"


def test_commands_in_verbatim_text_that_allows_them() -> None:
    listing = "\\begin{Verbatim}[commandchars=\\\\\\{\\}]\n%s{from} x % y\n\\end{Verbatim}"
    assert expanded(r"\def\K#1{<#1>}", listing.replace("%s", "\\K")) == listing.replace("%s{from}", "<from>")
    pygments = r"\def\PY#1#2{\catcode1=1\PY@do{#2}}"
    assert cleaned(pygments, listing.replace("%s", "\\PY{k}")).macros_left == ("\\PY",)
    pandoc = r"\DefineVerbatimEnvironment{Highlighting}{Verbatim}{commandchars=\\\{\}}\newcommand{\KeywordTok}[1]{#1}"
    assert expanded(pandoc, "\\begin{Highlighting}[]\n\\KeywordTok{if} x % y\n\\end{Highlighting}") == (
        "\\begin{Highlighting}[]\nif x % y\n\\end{Highlighting}"
    )


def test_only_the_code_of_a_listing_is_verbatim() -> None:
    body = (
        "\\begin{listing}\n\\begin{minted}{c}\n\\R % y\n\\end{minted}\n\\caption{Uses $\\R$. % TODO\n}\n\\end{listing}"
    )
    assert expanded(r"\newcommand{\R}{X}", body) == body.replace("$\\R$. % TODO\n", "$X$. ")
    moreverb = "\\begin{listing}{1}\n\\R % y\n\\end{listing}"
    assert expanded(r"\usepackage{moreverb}\newcommand{\R}{X}", moreverb) == moreverb


@pytest.mark.parametrize(
    ("definition", "use"),
    [
        (r"\newlength{\x}", r"\x"),
        (r"\newsavebox\x", r"\usebox\x"),
        (r"\newcounter{x}", r"\thex"),
        (r"\font\x=cmr10", r"{\x a}"),
        (r"\newcount\x", r"\advance\x by 1"),
        (r"\chardef\x=1", r"\x"),
        (r"\DeclareMathSymbol{\x}{\mathord}{letters}{1}", r"$\x$"),
        (r"\DeclareMathAlphabet{\x}{OT1}{pzc}{m}{it}", r"$\x{a}$"),
        (r"\DeclareSIUnit\x{ly}", r"\SI{1}{\x}"),
        (r"\pgfmathsetmacro{\x}{1+1}", r"\x"),
        (r"\SetKwFunction{x}{run}", r"\x{a}"),
        (r"\SetKwInOut{x}{run}", r"\x{a}"),
        (r"\newcommandtwoopt{\x}[2][a][b]{#1#2}", r"\x"),
        (r"\makeatletter\@namedef{x}{\the\year}\makeatother", r"\x"),
        (r"\expandafter\chardef\csname x\endcsname=1", r"\x"),
        (r"\begingroup\lccode`~=1\lowercase{\endgroup\def\x}{y}", r"\x"),
        (r"\renewcommand{\section}{\@startsection}", r"\section{a}"),
        (r"\iffalse\def\x{a}\fi", r"\x"),
        ("", r"\foreach \x in {1,2} {\draw (\x,0);}"),
        (r"\NewDocumentCommand{\x}{>{\SplitArgument{1}{,}}m}{\y#1}", r"\x{a,b}"),
        (r"\ExplSyntaxOn\NewDocumentCommand{\x}{m}{\my_f:n{#1}}\ExplSyntaxOff", r"\x{a}"),
        (r"\ExplSyntaxOn\cs_new:Npn\f:n#1{\seq_use:Nn\s{#1}}\newcommand\x[1]{\f:n{#1}}\ExplSyntaxOff", r"\x{a}"),
        (r"\newcommand\x[1]{\my_f:n{#1}}", r"\x{a}"),
        (r"\def\x{\ifcase\month\or January\or February\fi}", r"\x"),
    ],
)
def test_every_name_that_is_left_is_reported(definition: str, use: str) -> None:
    result = cleaned(definition, use)
    expected = {r"\section"} if "section" in definition else {r"\x", r"\thex"}
    left = expected & set(re.findall(r"\\[A-Za-z]+", result.text))
    assert left
    assert set(result.macros_left) == left


@pytest.mark.parametrize(
    ("definition", "use", "left"),
    [
        (
            r"\forLoop{1}{26}{n}{\edef\y{\Alph{n}}\expandafter\edef\csname cl\y\endcsname{z}}",
            r"\clA \clB \clear \cl",
            "AB",
        ),
        (r"\unheard{\makeatletter\@namedef{cl#1}{z}\makeatother}", r"\clA \clalpha", ["A", "alpha"]),
        (r"\unheard{\expandafter\def\csname b#1\endcsname{z}}", r"$\beta \bar x \bf \bigl \cA$", ""),
    ],
)
def test_families_of_names_that_only_tex_can_put_together_are_reported(
    definition: str, use: str, left: list[str] | str
) -> None:
    assert cleaned(definition, use).macros_left == tuple(f"\\cl{name}" for name in left)
