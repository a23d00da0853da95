"""The languages of the GitHub source: which file names belong to them, and how they write comments.

The names are facts of RedPajama-Data v1, `data_prep/github/github_run_filter.py` (`extensions_whitelist`, at
f54b86f): a file is kept if its path *ends* with one of them, in that case. The languages' names and comment marks are
ours.
"""

from __future__ import annotations

from dataclasses import dataclass

_EXTENSIONS: dict[str, tuple[str, ...]] = {
    "Assembly": (".asm",),
    "Batchfile": (".bat", ".cmd"),
    "C": (".c", ".h"),
    "C#": (".cs",),
    "C++": (".cpp", ".hpp", ".c++", ".h++", ".cc", ".hh", ".C", ".H"),
    "CMake": (".cmake",),
    "CSS": (".css",),
    "Dockerfile": (".dockerfile", "Dockerfile"),
    "Fortran": (".f90", ".f", ".f03", ".f08", ".f77", ".f95", ".for", ".fpp"),
    "Go": (".go",),
    "Haskell": (".hs",),
    "HTML": (".html",),
    "Java": (".java",),
    "JavaScript": (".js",),
    "Julia": (".jl",),
    "Lua": (".lua",),
    "Makefile": ("Makefile",),
    "Markdown": (".md", ".markdown"),
    "Objective-C or MATLAB": (".m",),
    "PHP": (".php", ".php3", ".php4", ".php5", ".phps", ".phpt"),
    "Perl": (".pl", ".pm", ".pod", ".perl"),
    "PowerShell": (".ps1", ".psd1", ".psm1"),
    "Python": (".py",),
    "Ruby": (".rb",),
    "Rust": (".rs",),
    "SQL": (".sql",),
    "Scala": (".scala",),
    "Shell": (".sh", ".bash", ".command", ".zsh"),
    "Smali": (".smali",),
    "TeX": (".tex",),
    "TypeScript": (".ts", ".tsx"),
    "Visual Basic": (".vb",),
    "XML": (".xml",),
    "reStructuredText": (".rst",),
}
# RedPajama's list, flat: 66 endings of a path.
EXTENSIONS: tuple[str, ...] = tuple(ending for endings in _EXTENSIONS.values() for ending in endings)

_BY_ENDING = {ending: language for language, endings in _EXTENSIONS.items() for ending in endings}
_WHOLE_NAMES = tuple(ending for ending in EXTENSIONS if not ending.startswith("."))


def language_of(path: str) -> str | None:
    """Return the language of a path by RedPajama's list of endings, or None where the path ends with none of them."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    language = _BY_ENDING.get(name[dot:]) if dot >= 0 else None
    if language is None:
        language = next((_BY_ENDING[whole] for whole in _WHOLE_NAMES if name.endswith(whole)), None)
    return language


def ending_of(path: str) -> str:
    """Return the ending of a file's name with its dot, the whole name of one that has none, ".gitignore" among them."""
    name = path.rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    return f"{dot}{ending}" if stem and ending else name


@dataclass(frozen=True, slots=True)
class Comments:
    """How a language writes comments at the head of a file.

    `line` is a regular expression of the mark that makes the rest of a line a comment, tried at the line's first
    character that is no blank (`columns` is tried in column 1 only); `blocks` are the literal marks around a block.
    `prelude` is a regular expression of what may stand before or between the head's comments and is never touched:
    directives, declarations, a module's docstring. It is tried before the comments and matches whole lines. `indented`
    says that a comment also holds the lines indented under it.
    """

    line: str = ""
    blocks: tuple[tuple[str, str], ...] = ()
    prelude: str = ""
    columns: str = ""
    indented: bool = False


_C_BLOCK = (("/*", "*/"),)
# Boost comments its macros by directives without a name.
_C_BLOCKS = (*_C_BLOCK, ("# /*", "*/"), ("#/*", "*/"))
# How many backslashes and quotes a directive or a docstring may hold: each costs about 140 bytes while it is matched,
# and what has more ends the head, as code does. Every turn begins with what nothing else takes, so that turns are given
# back in vain, in linear time; "." is any character in a prelude.
_TURNS = "{0,100000}"
# A preprocessor directive with its continuation lines; what follows `extern "C"` is still the head of a header file.
_DIRECTIVE = (
    rf"[ \t]*#(?! ?/\*)[^\n\\]*+(?:\\.[^\n\\]*+){_TURNS}(?:\n|\Z)"
    r"|[ \t]*extern[ \t]+\"C\"[ \t]*\{?[ \t]*(?:\n|\Z)|[ \t]*\{[ \t]*\n"
)
_STATEMENT = r"[ \t]*(?:package|using|import|namespace|open)\b[^\n\"'`/]*(?:\n|\Z)"
_USE_STRICT = r"[ \t]*(?:'use strict'|\"use strict\");?[ \t]*(?:\n|\Z)"
_DOCSTRING = (
    rf"[ \t]*[rRuU]?(?:\"\"\"[^\"\\]*+(?:(?:\\.|\"(?!\"\"))[^\"\\]*+){_TURNS}\"\"\""
    rf"|'''[^'\\]*+(?:(?:\\.|'(?!''))[^'\\]*+){_TURNS}'''"
    r"|\"[^\"\\\n]*+\"|'[^'\\\n]*+')[ \t]*;?[ \t]*(?:\n|\Z)"
)
# Elements whose content is no markup end the head.
_TAG = r"[ \t]*<(?!(?:script|style|pre|textarea|title|xmp|code)\b)(?:[?!](?!--)|[A-Za-z])[^<>]*>[ \t]*(?:\n|\Z)?"
_C_LIKE = Comments(line="//", blocks=_C_BLOCK, prelude=_STATEMENT)
_C = Comments(line="//", blocks=_C_BLOCKS, prelude=f"{_DIRECTIVE}|{_STATEMENT}")
_SCRIPT = Comments(line="//", blocks=_C_BLOCK, prelude=_USE_STRICT)
_HASH = Comments(line="#")
_MARKUP = Comments(blocks=(("<!--", "-->"),), prelude=_TAG)

COMMENTS: dict[str, Comments] = {
    "Assembly": Comments(line=";|//", blocks=_C_BLOCK),
    "Batchfile": Comments(line=r"::|@?(?:[Rr][Ee][Mm])\b", prelude=r"[ \t]*@?(?i:echo off|setlocal)\b[^\n]*(?:\n|\Z)"),
    "C": _C,
    "C#": _C,
    "C++": _C,
    "CMake": Comments(line="#", blocks=(("#[[", "]]"), ("#[=[", "]=]"), ("#[==[", "]==]"))),
    "CSS": Comments(blocks=_C_BLOCK, prelude=r"[ \t]*@charset[^\n;]*;[ \t]*(?:\n|\Z)"),
    "Dockerfile": _HASH,
    "Fortran": Comments(line="!", columns=r"[Cc*](?![A-Za-z0-9_=(])", prelude=_DIRECTIVE),
    "Go": _C_LIKE,
    "Haskell": Comments(line=r"--+", blocks=(("{-", "-}"),), prelude=r"[ \t]*\{-#[^#]*#-\}[ \t]*(?:\n|\Z)"),
    "HTML": _MARKUP,
    "Java": _C_LIKE,
    "JavaScript": _SCRIPT,
    "Julia": Comments(line="#", blocks=(("#=", "=#"),), prelude=_DOCSTRING),
    "Lua": Comments(line="--", blocks=(("--[[", "]]"), ("--[=[", "]=]"), ("--[==[", "]==]"))),
    "Makefile": _HASH,
    "Markdown": Comments(blocks=(("<!--", "-->"),)),
    "Objective-C or MATLAB": Comments(
        line=r"//|%|##|#(?=[ \t\n])", blocks=_C_BLOCK, prelude=r"[ \t]*(?:#[A-Za-z]|@import\b)[^\n]*(?:\n|\Z)"
    ),
    "PHP": Comments(
        # "?>" ends a line comment, and PHP with it.
        line=r"(?://|#(?!\[))(?![^\n\r]*\?>)",
        blocks=_C_BLOCK,
        prelude=r"[ \t]*<\?(?:php\b|hh\b)?[ \t]*\n?|[ \t]*(?:declare|namespace|use)\b[^\n\"'`/]*(?:\n|\Z)",
    ),
    "Perl": Comments(line="#", prelude=r"[ \t]*(?:use|package)\b[^\n#;\"'/]*;[ \t]*(?:\n|\Z)"),
    "PowerShell": Comments(line="#", blocks=(("<#", "#>"),)),
    "Python": Comments(line="#", prelude=_DOCSTRING),
    "Ruby": Comments(line="#", blocks=(("=begin", "\n=end"),)),
    "Rust": Comments(line="//", blocks=_C_BLOCK, prelude=r"[ \t]*#!\[[^\n\"]*\][ \t]*(?:\n|\Z)"),
    "SQL": Comments(line="--", blocks=_C_BLOCK),
    "Scala": _C_LIKE,
    "Shell": _HASH,
    "Smali": _HASH,
    "TeX": Comments(line="%"),
    "TypeScript": _SCRIPT,
    "Visual Basic": Comments(line=r"'|[Rr][Ee][Mm]\b"),
    "XML": _MARKUP,
    # A comment is ".." and what is indented under it; "name::", "_target:", "[1]" and "|name|" make it something else.
    "reStructuredText": Comments(
        columns=r"\.\.(?:[ \t](?![ \t]*(?:\S+::|_|\[|\|))|(?=[ \t]*\n[ \t]+\S))", indented=True
    ),
}
