r"""A submission's files as papers: which of them are TeX, which are the main ones, and their inputs put in place.

    bytes by name -> `sources` (decoded, what is TeX) -> `papers`: each top-level file, with its inputs (`inputs`)

What nothing includes (drafts, other papers' leftovers, a conference's template) is never read.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping, Sequence

from filters.latex import encodings
from filters.latex.inputs import CLASS, DRAWINGS, Project, suffix
from filters.latex.tokens import words

# How many files are put together to see which is the largest, in files.
CANDIDATES = 20
BINARY_PREFIX = 65_536

# The file in which an author tells arXiv which files are papers, and which to ignore.
DIRECTIONS = "00README"

TEX_SUFFIXES = words(".tex .ltx .latex .TEX .txt .bbl .sty .cls .def .clo .cfg .inc .sec .macros")
NOT_A_PAPER = words(
    """.sty .cls .bbl .bst .bib .def .clo .cfg .fd .dtx .ins .ist .tikz .pgf .pdf_tex .eps_tex .tex~ .tex# .bak .old
    .orig .sav .save .log .aux"""
)
# What TeX itself never reads: BibTeX's and the sources of packages.
NEVER_READ = words(".bib .bst .dtx .ins .ist")

# Names of files that go with a paper, and of those that are left from writing it.
_SUPPLEMENT = re.compile(r"supp|(?:^|[^a-z])(?:si|sm|esm|appendix|app)(?![a-z])", re.IGNORECASE)
_SIDE_FILE = re.compile(
    r"(?:^|[^a-z])(?:old|drafts?|backup|copy|responses?|reply|referees?|cover|rebuttal|poster|slides|talk|templates?"
    r"|samples?|examples?|diff)(?![a-z])",
    re.IGNORECASE,
)
_MAIN_FILE = re.compile(r"^(?:ms|main|paper|article|manuscript|arxiv|root|thesis|submission)", re.IGNORECASE)
_FRAGMENT_CLASSES = words("standalone subfiles subfile beamer letter")
_BEGIN = re.compile(r"\\begin\s*\{document\}|\\document(?![A-Za-z])")
_PLAIN = re.compile(
    r"\\(?:bye|magnification|input\s+amstex|input\s+(?:plain|harvmac|mssymb|epsf)|end\s*\Z)(?![A-Za-z])"
)
_HEADING = re.compile(
    r"\\(?:part|chapter|section|subsection|subsubsection|paragraph|beginsection|head|heading)(?![A-Za-z])"
)
_WHOLE_PAPER = re.compile(
    r"\\(?:begin\{(?:abstract|thebibliography)\}|abstract|bibliography|printbibliography|maketitle)"
)

# What a venue's own template says, in its title and in its text, which an author replaces first of all.
TEMPLATE_WITHIN = 20_000
TEMPLATE_SIGNS = 3
_TITLE = re.compile(r"\\(?:ic\w{2}title|title|Title)\*?\s*(?:\[[^\[\]]{0,500}\])?\s*\{([^{}]{0,500})")
_TEMPLATE_TITLE = re.compile(
    r"formatting instructions|instructions for|guidelines?|paper title|title (?:here|of)|your title|template|sample"
    r"|how to (?:use|prepare)|bare demo|preparation of|preparing|author'?s? (?:guide|kit)|class file|style file",
    re.IGNORECASE,
)
_TEMPLATE_TEXT = re.compile(
    r"abstract paragraph should be|camera[- ]ready|lorem ipsum|\\lipsum|\\blindtext|style files?|class file|typeface"
    r"|margins|point type|should be (?:centered|indented|submitted)|page limit"
    r"|your (?:paper|manuscript|abstract) (?:here|must|should)"
    r"|this (?:document|file|template) (?:is|serves|provides|describes)|do not (?:change|alter|modify)|formatting"
    r"|insert (?:your|the|abstract)|text goes here|flush left|submitted papers|sample (?:article|manuscript|paper)",
    re.IGNORECASE,
)
_TEMPLATE_NAME = re.compile(
    r"conference|(?:^|[^a-z])(?:bare|template|sample|example|guide|instructions)|egpaper"
    r"|(?:neurips|nips|icml|iclr|acl|cvpr|iccv|eccv|aaai|ijcai|corl)\D{0,3}\d{2,4}",
    re.IGNORECASE,
)

_DIRECTION = re.compile(r"^[ \t]*(?P<name>\S+)[ \t]+(?P<usage>toplevel|ignore)(?:file)?[ \t]*$", re.MULTILINE)
_LISTED_DIRECTION = re.compile(
    r"""filename["']?\s*[:=]\s*["']?(?P<name>[^"'\n,}]+?)["']?\s*[,\n]\s*["']?usage["']?\s*[:=]\s*["']?(?P<usage>toplevel|ignore)"""
)
_WORDS = re.compile(r"\\[A-Za-z]+|[^\W\d_]+")
# Two files that share this much of the shorter one's runs of words are versions of one paper.
SAME_SHARE = 0.5
RUN = 4


def sources(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the decoded files that can be TeX: no drawings, nothing binary, no resource forks of other systems."""
    kept = [name for name in sorted(files) if _can_be_tex(name, files[name])]
    declared = None
    if not all(encodings.is_utf_8(files[name]) for name in kept):
        # The main file says it for what it reads.
        declared = next(filter(None, (encodings.declared(files[name]) for name in kept)), None)
    return {name: encodings.decode(files[name], declared) for name in kept}


def _can_be_tex(name: str, raw: bytes) -> bool:
    base = posixpath.basename(name)
    if base.startswith("._") or name.startswith("__MACOSX/") or suffix(name) in DRAWINGS | NEVER_READ:
        return False
    if not encodings.is_text(raw):
        return False
    # A text without a single command may still be an input: numbers, words, a table's rows.
    if b"\\" not in raw and suffix(name) not in TEX_SUFFIXES and not base.startswith(DIRECTIONS):
        return False
    return not raw.startswith((b"\xff\xd8\xff", b"%PDF", b"%!PS", b"\x89PNG", b"GIF8", b"PK\x03\x04", b"\x1f\x8b"))


def find_main(files: Mapping[str, str]) -> str | None:
    r"""Return the name of the first file that is a paper, or None.

    A main file has `\documentclass` (or `\documentstyle`) and, in itself or its inputs, the document's begin, outside
    of comments. The author's word comes first (`00README`). Among several the first of: not included by another one,
    no fragment or talk, no venue's own template, not named as a side file or a supplement, the longest with its inputs,
    named as a main file, with abstract and bibliography, nearer to the root, first by name. Without any, a plain TeX
    file, or the only file with headings, is taken.
    """
    found = _top_level(Project(files))
    return found[0] if found else None


def papers(files: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return all top-level files, the main one first, each with its source with the inputs in place.

    Besides the main file those in its folder that are whole papers of their own, as arXiv compiles them: a supplement,
    or what the author names. Drafts, replies, templates and other versions of what is there already are none.
    """
    project = Project(files)
    return [(name, project.flatten(name)) for name in _top_level(project)]


def flatten(files: Mapping[str, str], main: str) -> str:
    r"""Return the main file's source with its inputs in place, in the order in which TeX reads them.

    Comments and verbatim text are honoured, a file is never put into itself, and depth, number and size are bounded.
    Raises ValueError if `main` is not among the files.
    """
    if main not in files:
        raise ValueError(f"main file {main!r} is not among the submission's files: {sorted(files)[:10]}")
    return Project(files).flatten(main)


def _top_level(project: Project) -> list[str]:
    files = project.files
    bare = {name: project.uncommented(files[name]) for name in sorted(files) if suffix(name) not in NOT_A_PAPER}
    directions = _directions(files)
    stated = [name for name, usage in directions.items() if usage == "toplevel" and name in bare]
    if stated:
        return stated[:CANDIDATES]
    included = project.included(bare)
    whole = _whole(project, bare, included)
    whole = [name for name in whole if directions.get(name) != "ignore"] or whole
    if len(whole) < 2:
        return whole
    quick = sorted(whole, key=lambda name: (*_rank(name, bare[name], name in included), -len(bare[name]), name))
    flat = {name: project.uncommented(project.flatten(name)) for name in quick[:CANDIDATES]}
    ranks = {name: _rank(name, text, name in included) for name, text in flat.items()}
    ranked = sorted(flat, key=lambda name: (*ranks[name], -len(flat[name]), *_likeness(name, flat[name]), name))
    return [ranked[0], *_others(ranked, flat, included)]


def _whole(project: Project, bare: Mapping[str, str], included: frozenset[str]) -> list[str]:
    """Return the files that are documents, by what says it most clearly."""
    classes = [name for name, text in bare.items() if CLASS.search(text)]
    whole = [name for name in classes if _BEGIN.search(bare[name])]
    unfinished = [name for name in classes if name not in whole and name not in included][:CANDIDATES]
    whole += [name for name in unfinished if _BEGIN.search(project.uncommented(project.flatten(name)))]
    if not whole:
        whole = [name for name, text in bare.items() if _PLAIN.search(text) and name not in included]
    if not whole:
        headed = [name for name, text in bare.items() if _HEADING.search(text) and name not in included]
        whole = headed if len(headed) == 1 else []
    return whole


def _others(ranked: Sequence[str], flat: Mapping[str, str], included: frozenset[str]) -> list[str]:
    """Return the further top-level files, by name."""
    folder = posixpath.dirname(ranked[0])
    found: list[str] = []
    runs = [_runs(flat[ranked[0]])]
    for name in ranked[1:]:
        fragment, template, side, _ = _rank(name, flat[name], name in included)[1:5]
        if posixpath.dirname(name) != folder or name in included or fragment or template or side:
            continue
        own = _runs(flat[name])
        if own and all(len(own & other) < SAME_SHARE * min(len(own), len(other)) for other in runs):
            found.append(name)
            runs.append(own)
    return sorted(found)


def _rank(name: str, text: str, included: bool) -> tuple[bool, bool, bool, bool, bool]:
    kind = CLASS.search(text)
    base = posixpath.basename(name)
    stem = posixpath.splitext(base)[0]
    return (
        included,
        bool(kind and kind[1].strip() in _FRAGMENT_CLASSES),
        _is_template(stem, text),
        bool(_SIDE_FILE.search(stem)) or base.startswith(("_", ".", "#")),
        bool(_SUPPLEMENT.search(stem)),
    )


def _likeness(name: str, text: str) -> tuple[bool, int, int]:
    """Return what tells files of one size apart: a main file's name, a paper's parts, the depth of the folder."""
    stem = posixpath.splitext(posixpath.basename(name))[0]
    return not _MAIN_FILE.match(stem), -len(set(_WHOLE_PAPER.findall(text))), name.count("/")


def _is_template(stem: str, text: str) -> bool:
    r"""Tell whether a file is a venue's own, which nobody has edited: by its title, its advice, and its name."""
    start = text[:TEMPLATE_WITHIN]
    title = _TITLE.search(start)
    signs = 2 * bool(title and _TEMPLATE_TITLE.search(title[1])) + bool(_TEMPLATE_NAME.search(stem))
    return signs + len({match[0].lower() for match in _TEMPLATE_TEXT.finditer(start)}) >= TEMPLATE_SIGNS


def _runs(text: str) -> set[tuple[str, ...]]:
    """Return the runs of words of a document's body."""
    begin = _BEGIN.search(text)
    found = _WORDS.findall(text, begin.end() if begin else 0)[: CANDIDATES * 1_000]
    return {tuple(found[start : start + RUN]) for start in range(max(1, len(found) - RUN + 1))} if found else set()


def _directions(files: Mapping[str, str]) -> dict[str, str]:
    """Return what the author says of files, in that order: "toplevel" or "ignore"."""
    said: dict[str, str] = {}
    for readme in sorted(name for name in files if posixpath.basename(name).startswith(DIRECTIONS)):
        folder, text = posixpath.dirname(readme), files[readme][:BINARY_PREFIX]
        found = _json_directions(text)
        if found is None:
            found = [
                (match["name"], match["usage"])
                for pattern in (_DIRECTION, _LISTED_DIRECTION)
                for match in pattern.finditer(text)
            ]
        for name, usage in found:
            said[posixpath.normpath(posixpath.join(folder, name))] = usage
    return said


def _json_directions(text: str) -> list[tuple[str, str]] | None:
    """Return what a `00README.json` lists, or None if the text is no JSON."""
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    listed = listed.get("sources") if isinstance(listed, dict) and "sources" in listed else listed
    entries = [listed] if isinstance(listed, dict) else listed if isinstance(listed, list) else []
    return [
        (entry["filename"], entry["usage"])
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("filename"), str) and isinstance(entry.get("usage"), str)
    ]
