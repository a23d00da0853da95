r"""A main file's source with its inputs in place, in the order in which TeX reads them.

    main file -> `\input`, `\include`, `\import`, ... by name, by macro, in loops -> one source
              -> `\usepackage` of the authors' own files -> their definitions behind it

Paths are looked up in the given mapping only; nothing touches a disk. What has to be known of macros is found first:
which of them stand in a path, and which read files themselves.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence

from filters.latex import loops, macros, styles
from filters.latex.arguments import Incomplete
from filters.latex.macros import Macro
from filters.latex.tokens import Environments, ends_with_word, environments, group_end, spans, words

# TeX's own limit on files open at once is 15; the others are own choices, in files and characters.
DEPTH_LIMIT = 15
INPUT_LIMIT = 2_000
FLAT_LIMIT = 32_000_000
STYLES_LIMIT = 100
STYLES_SIZE = 2_000_000
# How long a path may become when the macros in it are expanded, and what one use of a macro may read.
PATH_LIMIT = 500
USE_LIMIT = 50_000
# How far before an input the definition begins that it stands in, and how often macros that read use each other.
LOOKBACK = 1_000
NESTING_LIMIT = 3

DRAWINGS = words(".pgf .tikz .pdf_tex .eps_tex .pstex_t .pspdftex .eepic .pdf .eps .ps .png .jpg .jpeg .gif .svg")
CLASS = re.compile(r"\\document(?:class|style)(?![A-Za-z])\s*(?:\[[^\[\]]{0,2000}\])?\s*\{\s*([^{}\n]*)\}")

_READS = (
    r"input|include|subfile|subfileinclude|@input|@@input|@iinput|InputIfFileExists"
    r"|(?:sub)?import|(?:sub)?includefrom|(?:sub)?inputfrom|includestandalone"
)
_GROUP = r"\{((?:[^{}\n]|\{[^{}\n]*\}){0,500})\}"
INPUT = re.compile(
    rf"""\\(?:
      (?P<two>subimport|import|subincludefrom|includefrom|subinputfrom|inputfrom)\*?
      \s*(?P<folder>{_GROUP})\s*(?P<file>{_GROUP})
    | (?P<one>input|include\*?|subfile|subfileinclude|includestandalone(?:\s*\[[^\[\]\n]*\])?|@input|@@input|@iinput
        |InputIfFileExists)
      (?![A-Za-z@])\s*(?:(?P<braced>{_GROUP})|"(?P<quoted>[^"\n]*)"
        |(?P<bare>(?:\\[A-Za-z]+[ ]?)?[A-Za-z0-9_./+:-]*)[ ]?)
    | (?P<load>usepackage|RequirePackage|RequirePackageWithOptions|documentclass|documentstyle|LoadClass
      |LoadClassWithOptions)\s*(?:\[(?P<options>[^\[\]]{{0,2000}})\])?\s*
      \{{(?P<package>[^{{}}]{{0,2000}})\}}
    | includeonly\s*\{{(?P<only>[^{{}}]{{0,5000}})\}}
    | input@path\s*\{{(?P<paths>(?:\s*\{{[^{{}}\n]*\}})*)\s*\}}
    | (?P<exists>IfFileExists)\s*(?P<wanted>{_GROUP})
    | (?P<loop>foreach|@for|@tfor)(?![A-Za-z@])
    | (?P<endinput>endinput)(?![A-Za-z@])
    )""",
    re.VERBOSE,
)
_DEFINES = (
    r"(?P<defines>newcommand|renewcommand|providecommand|DeclareRobustCommand|[gex]?def)(?![A-Za-z@])\s*\*?\s*\{?\s*"
)
_DEFINITION = re.compile(rf"\\{_DEFINES}\\(?P<name>[A-Za-z@]+)")
_READING = re.compile(rf"\\(?:{_READS})(?![A-Za-z@])")
_PATH = re.compile(
    rf"\\(?:{_READS}|IfFileExists)(?![A-Za-z@])\*?\s*(?:\[[^\[\]\n]{{0,500}}\]\s*)?(?:\{{[^{{}}\n]{{0,500}}\}}\s*)?"
    r"\{?[^{}\n\\]{0,500}\\[^\n]{0,500}"
)
_WORD = re.compile(r"\\([A-Za-z@]+)[ ]?(?:\{\})?")
_LITERAL = re.compile(r"\\(?:subfix|detokenize|string|expandafter)(?![A-Za-z@])\s*(?:\{([^{}]*)\})?")
_BRACED = re.compile(r"\{([^{}]*)\}")
_REST_OF_LINE = re.compile(r"[ \t]*\n")
_CLASS_COMMANDS = words("documentclass documentstyle LoadClass LoadClassWithOptions")


def suffix(name: str) -> str:
    """Return a file's suffix with its dot."""
    return posixpath.splitext(name)[1]


class Project:
    """The files, and what reading them needs to know of all of them."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.names = environments("\n".join(files[name] for name in sorted(files)))
        self._readable: dict[str, list[tuple[int, int]]] = {}
        self.pattern = _with_macros(_of_paths(files), _reading(files))

    def flatten(self, main: str) -> str:
        """Return a main file's source with its inputs in place."""
        return _Flattener(self, main).run()

    def readable(self, text: str) -> list[tuple[int, int]]:
        """Return the stretches of a text outside of comments and verbatim spans."""
        if text not in self._readable:
            self._readable[text] = _readable(text, self.names)
        return self._readable[text]

    def uncommented(self, text: str) -> str:
        """Return a text without comments and verbatim spans."""
        return "".join(text[start:end] for start, end in self.readable(text))

    def find(self, target: str, folders: Sequence[str]) -> str | None:
        """Return the file that an input means, looked for in these folders in this order."""
        for folder in folders:
            wanted = posixpath.normpath(posixpath.join(folder, target))
            # TeX tries the name with its suffix first, and "a.b" is a name like any other.
            for candidate in (f"{wanted}.tex", wanted, f"{wanted}.ltx", f"{wanted}.latex"):
                if candidate in self.files:
                    return candidate
        return None

    def included(self, bare: Mapping[str, str]) -> frozenset[str]:
        """Return the files that another file reads by their names."""
        found: set[str] = set()
        for name, text in bare.items():
            folder = posixpath.dirname(name)
            for match in INPUT.finditer(text):
                target = target_of(match)
                inner = posixpath.join(folder, (match["folder"] or "{}")[1:-1])
                file = self.find(target.replace('"', "").strip(), (inner, folder, "")) if target else None
                if file and file != name:
                    found.add(file)
        return frozenset(found)


def target_of(match: re.Match[str]) -> str:
    """Return what an input is given, without its braces."""
    if braced := match["file"] or match["braced"]:
        return braced[1:-1]
    return match["quoted"] or match["bare"] or ""


def _of_paths(files: Mapping[str, str]) -> set[str]:
    """Return the names of the macros that stand in the paths of inputs, and in what those stand for."""
    found: set[str] = set()
    for text in filter(_may_read, files.values()):
        for match in _PATH.finditer(text):
            found.update(_WORD.findall(match[0][1:]))
    for text in files.values() if found else ():
        for match in _DEFINITION.finditer(text):
            if match["name"] in found:
                found.update(_WORD.findall(text[match.end() : match.end() + PATH_LIMIT].partition("\n")[0]))
    return found - {"jobname", "currfiledir", "subfix", "detokenize", "string", "expandafter", "endcsname"}


def _may_read(text: str) -> bool:
    """Look for the words of which every command that reads a file has one: much faster than a pattern."""
    return any(word in text for word in ("input", "\\inc", "\\sub", "import", "File"))


def _reading(files: Mapping[str, str]) -> set[str]:
    """Return the names of the macros whose bodies read files, or use a macro that does."""
    found: set[str] = set()
    pattern = _READING
    if not any(map(_may_read, files.values())):
        return found
    for _ in range(NESTING_LIMIT):
        new = {name for text in files.values() for name in _defined_around(text, pattern)} - found
        if not new:
            break
        found |= new
        pattern = re.compile(rf"\\(?:{'|'.join(map(re.escape, sorted(new)))})(?![A-Za-z@])")
    return found


def _defined_around(text: str, pattern: re.Pattern[str]) -> Iterator[str]:
    """Yield the names of the definitions in whose bodies the pattern is found."""
    for match in pattern.finditer(text):
        for definition in _DEFINITION.finditer(text, max(0, match.start() - LOOKBACK), match.start()):
            brace = text.find("{", definition.end() + text.startswith("}", definition.end()), match.start())
            if brace > 0 and group_end(text, brace) > match.start():
                yield definition["name"]


def _with_macros(values: set[str], commands: set[str]) -> re.Pattern[str]:
    """Return the pattern of inputs, with the definitions and uses of these macros."""
    if not values | commands:
        return INPUT
    named = "|".join(map(re.escape, sorted(values | commands)))
    uses = "|".join(map(re.escape, sorted(commands))) or "(?!)"
    return re.compile(
        rf"{INPUT.pattern}|\\{_DEFINES}\\(?P<name>{named})(?![A-Za-z@])|\\(?P<use>{uses})(?![A-Za-z@])", re.VERBOSE
    )


class _Flattener:
    def __init__(self, project: Project, main: str) -> None:
        self.project = project
        self.files = project.files
        self.main = main
        self.root = posixpath.dirname(main)
        self.inputs = 0
        self.size = 0
        self.styles: set[str] = set()
        self.style_size = 0
        self.macros: dict[str, Macro] = {}
        self.folders: tuple[str, ...] = ()
        self.only: frozenset[str] | None = None

    def run(self) -> str:
        return self._file(self.main, (self.main,), self.root)

    def _file(self, name: str, path: tuple[str, ...], folder: str) -> str:
        text = _endinput(self.files[name], self.project.names)
        if len(path) > 1 and CLASS.search(text):
            text = _document(text)
        return self._text(text, path, folder)

    def _text(self, text: str, path: tuple[str, ...], folder: str) -> str:
        self.size += len(text)
        pieces: list[str] = []
        position = 0
        for start, end in self.project.readable(text):
            for match in self.project.pattern.finditer(text, start, end):
                if match.start() < position:
                    continue
                found = self._replacement(match, path, folder)
                if found is None:
                    continue
                replacement, after = found
                if replacement is None:
                    pieces.append(text[position:after])
                    position = after
                    continue
                before = text[position : match.start()]
                content = _joined(before, replacement)
                pieces += (before, content)
                position = _resume(text, after, content, before)
        pieces.append(text[position:])
        return "".join(pieces)

    def _replacement(self, match: re.Match[str], path: tuple[str, ...], folder: str) -> tuple[str | None, int] | None:
        """Return what stands for a command (None: itself) and where it ends, or None to leave it."""
        groups = match.groupdict()
        if groups.get("defines"):
            return self._definition(match)
        if groups.get("use"):
            return self._use(match, path, folder)
        if match["loop"]:
            return self._loop(match, path, folder)
        if match["package"] is not None:
            # The options of LaTeX 2.09's classes are packages.
            options = match["options"] or "" if match["load"] == "documentstyle" else ""
            return match[0] + self._packages(match["load"], f"{match['package']},{options}"), match.end()
        if match["only"] is not None:
            self.only = frozenset(name.strip() for name in match["only"].split(","))
        elif match["paths"] is not None:
            self.folders = tuple(posixpath.join(self.root, inner.strip()) for inner in _BRACED.findall(match["paths"]))
        elif match["exists"]:
            return self._if_exists(match, path, folder)
        elif match["two"] or match["one"]:
            return self._named(match, path, folder)
        return None

    def _named(self, match: re.Match[str], path: tuple[str, ...], folder: str) -> tuple[str | None, int] | None:
        target = self._path(target_of(match), path)
        if not target:
            return None
        if match["two"]:
            inner = self._path(match["folder"][1:-1], path)
            if inner is None:
                return None
            inner = posixpath.join(folder if match["two"].startswith("sub") else self.root, inner)
            return self._input(target, path, inner, (inner,)) or "", match.end()
        if match["one"] == "include" and self.only is not None and target not in self.only:
            return "", match.end()
        found = self._input(target, path, folder, self._folders(path, folder))
        if match["bare"] and found is None:
            return None
        if match["one"] == "InputIfFileExists":
            return self._branch(match, path, folder, found)
        return found or "", match.end()

    def _folders(self, path: tuple[str, ...], folder: str) -> tuple[str, ...]:
        return (folder, self.root, "", posixpath.dirname(path[-1]), *self.folders)

    def _if_exists(self, match: re.Match[str], path: tuple[str, ...], folder: str) -> tuple[str | None, int] | None:
        r"""Choose a branch of `\IfFileExists` that reads a file."""
        target = self._path(match["wanted"][1:-1], path)
        found = "" if target and self.project.find(target, self._folders(path, folder)) else None
        return self._branch(match, path, folder, found) if target else None

    def _branch(
        self, match: re.Match[str], path: tuple[str, ...], folder: str, found: str | None
    ) -> tuple[str | None, int] | None:
        """Return a file's text and the branch that goes with it, or the other branch where there is no file."""
        yes = macros.read_body(match.string, match.end())
        no = macros.read_body(match.string, yes[1]) if yes else None
        if yes is None or no is None:
            return (found or "", match.end()) if match["one"] else None
        chosen = no[0] if found is None else yes[0]
        return (found or "") + self._text(chosen, path, folder), no[1]

    def _path(self, written: str, path: tuple[str, ...]) -> str | None:
        """Return a path with its macros expanded, or None if one is not known."""
        known = {
            "jobname": posixpath.splitext(posixpath.basename(self.main))[0],
            "currfiledir": posixpath.relpath(posixpath.dirname(path[-1]) or ".", self.root or ".") + "/",
            "space": " ",
        }

        def value(match: re.Match[str]) -> str:
            macro = self.macros.get(match[1])
            return macro.body if macro and macro.stands_alone else known.get(match[1], match[0])

        for _ in range(9):
            if "\\" not in written or len(written) > PATH_LIMIT:
                break
            written = _WORD.sub(value, _LITERAL.sub(lambda match: match[1] or "", written))
        written = written.replace('"', "").strip()
        return None if "\\" in written or "#" in written else written

    def _definition(self, match: re.Match[str]) -> tuple[None, int] | None:
        read = macros.read_def if match["defines"].endswith("def") else macros.read_new
        found = read(match.string, match.start("defines") + len(match["defines"]))
        if found is None:
            return None
        if match["defines"] != "providecommand" or match["name"] not in self.macros:
            self.macros[match["name"]] = found[0]
        # What its body reads is read where it is used.
        return None, found[1]

    def _use(self, match: re.Match[str], path: tuple[str, ...], folder: str) -> tuple[str, int] | None:
        macro = self.macros.get(match["use"])
        self.inputs += 1
        if macro is None or self.inputs > INPUT_LIMIT or len(path) > DEPTH_LIMIT:
            return None
        try:
            found = macros.match_arguments(macro, match.string, match.end())
        except Incomplete:
            return None
        if found is None:
            return None
        body = macros.substitute(macro, found[0], USE_LIMIT)
        return self._text(body, (*path, path[-1]), folder), found[1]

    def _loop(self, match: re.Match[str], path: tuple[str, ...], folder: str) -> tuple[str, int] | None:
        found = loops.unrolled(match["loop"], match.string, match.end(), lambda listed: self._path(listed, path))
        if found is None or not self.project.pattern.search(found[0]) or len(path) > DEPTH_LIMIT:
            return None
        return self._text(found[0], (*path, path[-1]), folder), found[1]

    def _input(self, target: str, path: tuple[str, ...], folder: str, folders: tuple[str, ...]) -> str | None:
        """Return a file's text with its own inputs, "" if it is not to be read, None if there is none."""
        name = self.project.find(target, folders)
        self.inputs += 1
        if name is None:
            return None
        if name in path or suffix(name) in DRAWINGS:
            return ""
        if len(path) > DEPTH_LIMIT or self.inputs > INPUT_LIMIT or self.size > FLAT_LIMIT:
            return ""
        return self._file(name, (*path, name), folder)

    def _packages(self, command: str, listed: str) -> str:
        """Return what the submission's own packages and classes of a list define, those that they load included."""
        suffixes = (".cls", ".sty") if command in _CLASS_COMMANDS else (".sty",)
        found = [text for name in listed.split(",") if (text := self._style(name.strip(), suffixes))]
        for text in found:
            self._learn(text)
        return "".join(f"\n{text}" for text in found)

    def _learn(self, text: str) -> None:
        """Take in the macros of paths and inputs that a package defines."""
        for match in self.project.pattern.finditer(text) if self.project.pattern is not INPUT else ():
            if match.groupdict().get("defines"):
                self._definition(match)

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
            for match in INPUT.finditer(text, start, end)
            if match["load"]
        ]
        return "".join(loaded) + styles.definitions(text)


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
        match = next((match for match in INPUT.finditer(text, start, end) if match["endinput"]), None)
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
