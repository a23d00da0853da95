r"""A submission's files as one source: which file is the paper, and its inputs put in place.

    bytes by name -> `sources` (decoded, what is TeX) -> `find_main` -> `flatten` -> one source

Paths are looked up in the given mapping only; nothing touches a disk. What nothing includes (drafts, other papers'
leftovers) is never read. The authors' own packages and classes give their definitions, never their code.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from filters.latex import encodings, styles
from filters.latex.tokens import Environments, ends_with_word, environments, spans, words

# TeX's own limit on files open at once is 15; the others are own choices, in files and characters.
DEPTH_LIMIT = 15
INPUT_LIMIT = 2_000
FLAT_LIMIT = 32_000_000
STYLES_LIMIT = 100
STYLES_SIZE = 2_000_000
CANDIDATES = 20
BINARY_PREFIX = 65_536

# The file in which an author tells arXiv which files are papers, and which to ignore.
DIRECTIONS = "00README"

TEX_SUFFIXES = words(".tex .ltx .latex .TEX .txt .bbl .sty .cls .def .clo .cfg .inc .sec .macros")
NOT_A_PAPER = words(
    ".sty .cls .bbl .bst .bib .def .clo .cfg .fd .dtx .ins .ist .tikz .pgf .pdf_tex .eps_tex .tex~ .bak"
)
DRAWINGS = words(".pgf .tikz .pdf_tex .eps_tex .pstex_t .pspdftex .eepic .pdf .eps .ps .png .jpg .jpeg .gif .svg")
# What TeX itself never reads: BibTeX's and the sources of packages.
NEVER_READ = words(".bib .bst .dtx .ins .ist")

# Names of files that go with a paper rather than being it.
_SIDE_FILE = re.compile(
    r"old|draft|backup|copy|supp|response|reply|cover|letter|rebuttal|poster|slides|template|sample", re.I
)
_MAIN_FILE = re.compile(r"^(?:ms|main|paper|article|manuscript|arxiv|root|thesis|submission)", re.IGNORECASE)
_CLASS = re.compile(r"\\document(?:class|style)(?![A-Za-z])\s*(?:\[[^\[\]]{0,2000}\])?\s*\{\s*([^{}\n]*)\}")
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
_INPUT = re.compile(
    r"""\\(?:
      (?P<two>subimport|import|subincludefrom|includefrom|subinputfrom|inputfrom)\*?
      \s*\{(?P<folder>[^{}\n]*)\}\s*\{(?P<file>[^{}\n]*)\}
    | (?:input|include|subfile|subfileinclude|includestandalone(?:\s*\[[^\[\]\n]*\])?|@input|InputIfFileExists)
      (?![A-Za-z@])\s*(?:\{\s*(?P<braced>[^{}\n]*)\}|"(?P<quoted>[^"\n]*)"|(?P<bare>[A-Za-z0-9_./+:-]+)[ ]?)
    | (?P<load>usepackage|RequirePackage|RequirePackageWithOptions|documentclass|documentstyle|LoadClass
      |LoadClassWithOptions)\s*(?:\[(?P<options>[^\[\]]{0,2000})\])?\s*
      \{(?P<package>[^{}]{0,2000})\}
    | (?P<endinput>endinput)(?![A-Za-z@])
    )""",
    re.VERBOSE,
)
_REST_OF_LINE = re.compile(r"[ \t]*\n")
_DIRECTION = re.compile(r"^[ \t]*(?P<name>\S+)[ \t]+(?P<usage>toplevel|ignore)(?:file)?[ \t]*$", re.MULTILINE)
_JSON_DIRECTION = re.compile(
    r'"filename"\s*:\s*"(?P<name>[^"]+)"[^{}]{0,500}"usage"\s*:\s*"(?P<usage>toplevel|ignore)"'
)
_CLASS_COMMANDS = words("documentclass documentstyle LoadClass LoadClassWithOptions")


def sources(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the decoded files that can be TeX: no drawings, nothing binary, no resource forks of other systems."""
    kept = [name for name in sorted(files) if _can_be_tex(name, files[name])]
    # The main file says it for what it reads.
    declared = [found for name in kept if (found := encodings.declared(files[name]))]
    return {name: encodings.decode(files[name], declared[0] if declared else None) for name in kept}


def _can_be_tex(name: str, raw: bytes) -> bool:
    base = posixpath.basename(name)
    if base.startswith("._") or name.startswith("__MACOSX/") or _suffix(name) in DRAWINGS | NEVER_READ:
        return False
    if not encodings.is_text(raw):
        return False
    # A text without a single command may still be an input: numbers, words, a table's rows.
    if b"\\" not in raw and _suffix(name) not in TEX_SUFFIXES and not base.startswith(DIRECTIONS):
        return False
    return not raw.startswith((b"\xff\xd8\xff", b"%PDF", b"%!PS", b"\x89PNG", b"GIF8", b"PK\x03\x04", b"\x1f\x8b"))


def find_main(files: Mapping[str, str]) -> str | None:
    r"""Return the name of the file that is the paper, or None.

    A main file has `\documentclass` (or `\documentstyle`) and, in itself or its inputs, the document's begin, outside
    of comments. Among several the first of: not included by another one, no fragment or talk, not named as a side file,
    named as a main file, with abstract and bibliography, nearer to the root, longer, first by name. Without any, a
    plain TeX file, or the only file with headings, is taken.
    """
    return _main_of(_Project(files))


def paper(files: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the name of the main file and its source with the inputs in place, or None if no file is the paper."""
    project = _Project(files)
    main = _main_of(project)
    return (main, project.flatten(main)) if main is not None else None


def flatten(files: Mapping[str, str], main: str) -> str:
    r"""Return the main file's source with its inputs in place, in the order in which TeX reads them.

    Comments and verbatim text are honoured, a file is never put into itself, and depth, number and size are bounded.
    Raises ValueError if `main` is not among the files.
    """
    if main not in files:
        raise ValueError(f"main file {main!r} is not among the submission's files: {sorted(files)[:10]}")
    return _Project(files).flatten(main)


def _main_of(project: _Project) -> str | None:
    files = project.files
    bare = {name: project.uncommented(files[name]) for name in sorted(files) if _suffix(name) not in NOT_A_PAPER}
    included = project.included(bare)
    directions = _directions(files)
    classes = [name for name, text in bare.items() if _CLASS.search(text)]
    whole = [name for name in classes if _BEGIN.search(bare[name])]
    if not whole:
        whole = [name for name in classes[:CANDIDATES] if _BEGIN.search(project.uncommented(project.flatten(name)))]
    if not whole:
        whole = [name for name, text in bare.items() if _PLAIN.search(text) and name not in included]
    if not whole:
        headed = [name for name, text in bare.items() if _HEADING.search(text) and name not in included]
        return headed[0] if len(headed) == 1 else None
    stated = [name for name in whole if directions.get(name) == "toplevel"]
    whole = stated or [name for name in whole if directions.get(name) != "ignore"] or whole
    ranks = {name: _rank(name, bare[name], name in included) for name in whole}
    best = [name for name in whole if ranks[name] == min(ranks.values())][:CANDIDATES]
    if len(best) == 1:
        return best[0]
    return min(best, key=lambda name: (-len(project.uncommented(project.flatten(name))), name))


class _Project:
    """The files, and what reading them needs to know of all of them."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.names = environments("\n".join(files[name] for name in sorted(files)))
        self._readable: dict[str, list[tuple[int, int]]] = {}

    def flatten(self, main: str) -> str:
        return _Flattener(self, main).run()

    def readable(self, text: str) -> list[tuple[int, int]]:
        """Return the stretches of a text outside of comments and verbatim spans."""
        if text not in self._readable:
            self._readable[text] = _readable(text, self.names)
        return self._readable[text]

    def uncommented(self, text: str) -> str:
        return "".join(text[start:end] for start, end in self.readable(text))

    def find(self, target: str, folders: tuple[str, ...]) -> str | None:
        """Return the file that an input means, looked for in these folders in this order."""
        for folder in folders:
            wanted = posixpath.normpath(posixpath.join(folder, target))
            # TeX tries the name with its suffix first, and "a.b" is a name like any other.
            for candidate in (f"{wanted}.tex", wanted, f"{wanted}.ltx", f"{wanted}.latex"):
                if candidate in self.files:
                    return candidate
        return None

    def included(self, bare: Mapping[str, str]) -> frozenset[str]:
        """Return the files that another file reads."""
        names: set[str] = set()
        for name, text in bare.items():
            folder = posixpath.dirname(name)
            for match in _INPUT.finditer(text):
                target = match["file"] or match["braced"] or match["quoted"] or match["bare"]
                inner = posixpath.join(folder, match["folder"] or "")
                found = self.find(target.strip(), (inner, folder, "")) if target else None
                if found and found != name:
                    names.add(found)
        return frozenset(names)


class _Flattener:
    def __init__(self, project: _Project, main: str) -> None:
        self.project = project
        self.files = project.files
        self.names = project.names
        self.main = main
        self.root = posixpath.dirname(main)
        self.inputs = 0
        self.size = 0
        self.styles: set[str] = set()
        self.style_size = 0

    def run(self) -> str:
        return self._file(self.main, (self.main,), self.root)

    def _file(self, name: str, path: tuple[str, ...], folder: str) -> str:
        text = _endinput(self.files[name], self.names)
        if len(path) > 1 and _CLASS.search(text):
            text = _document(text)
        self.size += len(text)
        pieces: list[str] = []
        position = 0
        for start, end in self.project.readable(text):
            for match in _INPUT.finditer(text, start, end):
                if match.start() < position:
                    continue
                replacement = self._replacement(match, path, folder)
                if replacement is not None:
                    before = text[position : match.start()]
                    content = _joined(before, replacement)
                    pieces += (before, content)
                    position = _resume(text, match.end(), content, before)
        pieces.append(text[position:])
        return "".join(pieces)

    def _replacement(self, match: re.Match[str], path: tuple[str, ...], folder: str) -> str | None:
        """Return what stands for an input, or None to leave the command."""
        if match["package"] is not None:
            # The options of LaTeX 2.09's classes are packages.
            options = match["options"] or "" if match["load"] == "documentstyle" else ""
            return match[0] + self._packages(match["load"], f"{match['package']},{options}")
        if match["two"]:
            base = folder if match["two"].startswith("sub") else self.root
            inner = posixpath.join(base, match["folder"].strip())
            return self._input(match["file"], path, inner, (inner,))
        target = match["braced"] or match["quoted"] or match["bare"]
        if not target or "#" in target:
            return None
        if match["bare"] and not self.project.find(target, (folder, self.root, "")):
            return None
        return self._input(target, path, folder, (folder, self.root, "", posixpath.dirname(path[-1])))

    def _input(self, target: str, path: tuple[str, ...], folder: str, folders: tuple[str, ...]) -> str:
        name = self.project.find(target.strip().strip('"'), folders)
        self.inputs += 1
        if name is None or name in path or _suffix(name) in DRAWINGS:
            return ""
        if len(path) > DEPTH_LIMIT or self.inputs > INPUT_LIMIT or self.size > FLAT_LIMIT:
            return ""
        return self._file(name, (*path, name), folder)

    def _packages(self, command: str, listed: str) -> str:
        """Return what the submission's own packages and classes of a list define, those that they load included."""
        suffixes = (".cls", ".sty") if command in _CLASS_COMMANDS else (".sty",)
        found = (self._style(name.strip(), suffixes) for name in listed.split(","))
        return "".join(f"\n{text}" for text in found if text)

    def _style(self, package: str, suffixes: Sequence[str]) -> str:
        if not package or styles.is_known(posixpath.basename(package)):
            return ""
        wanted = (f"{folder}{package}{suffix}" for suffix in suffixes for folder in (f"{self.root}/", ""))
        name = next((name for name in map(posixpath.normpath, wanted) if name in self.files), None)
        if name is None or name in self.styles or len(self.styles) >= STYLES_LIMIT:
            return ""
        text = self.files[name]
        if len(text) > min(styles.STYLE_LIMIT, STYLES_SIZE - self.style_size):
            return ""
        self.styles.add(name)
        self.style_size += len(text)
        loaded = [
            self._packages(match["load"], match["package"])
            for start, end in self.project.readable(text)
            for match in _INPUT.finditer(text, start, end)
            if match["load"]
        ]
        return "".join(loaded) + styles.definitions(text)


def _directions(files: Mapping[str, str]) -> dict[str, str]:
    """Return what the author says of files: "toplevel" or "ignore"."""
    said: dict[str, str] = {}
    for name in sorted(name for name in files if posixpath.basename(name).startswith(DIRECTIONS)):
        for pattern in (_DIRECTION, _JSON_DIRECTION):
            said.update((match["name"], match["usage"]) for match in pattern.finditer(files[name][:BINARY_PREFIX]))
    return said


def _rank(name: str, text: str, included: bool) -> tuple[bool, bool, bool, bool, int, int]:
    kind = _CLASS.search(text)
    base = posixpath.basename(name)
    stem = posixpath.splitext(base)[0]
    return (
        included,
        bool(kind and kind[1].strip() in _FRAGMENT_CLASSES),
        bool(_SIDE_FILE.search(stem)) or base.startswith(("_", ".")),
        not _MAIN_FILE.match(stem),
        -len(set(_WHOLE_PAPER.findall(text))),
        name.count("/"),
    )


def _readable(text: str, names: Environments) -> list[tuple[int, int]]:
    """Return the stretches of the text outside of comments and verbatim spans."""
    stretches: list[tuple[int, int]] = []
    position = 0
    for _, start, end in spans(text, names):
        stretches.append((position, start))
        position = end
    return [*stretches, (position, len(text))]


def _endinput(text: str, names: Environments) -> str:
    if "\\endinput" not in text:
        return text
    for start, end in _readable(text, names):
        match = next((match for match in _INPUT.finditer(text, start, end) if match["endinput"]), None)
        if match:
            return text[: match.start()]
    return text


def _document(text: str) -> str:
    """Return what stands between the begin and the end of a subfile's own document."""
    begin = re.search(r"\\begin\s*\{document\}", text)
    end = text.rfind("\\end{document}")
    return text[begin.end() : end if end > begin.end() else len(text)] if begin else text


def _joined(before: str, content: str) -> str:
    """Return an input's content, so that the command before it and its own last comment stay what they are."""
    glue = " " if content[:1].isalpha() and ends_with_word(before) else ""
    last = content[content.rfind("\n") + 1 :]
    return glue + content + ("\n" if "%" in last else "")


def _resume(text: str, position: int, content: str, before: str) -> int:
    """Return where the text goes on after an input; the rest of its line must not become an empty one, a paragraph."""
    alone = not content and before.rpartition("\n")[2].strip() == ""
    rest = _REST_OF_LINE.match(text, position)
    return rest.end() if rest and (alone or content.endswith("\n")) else position


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1]
