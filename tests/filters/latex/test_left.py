"""What is left of a paper's own names is reported: checked by a reader of its own (`tests.oracles.latex_names`)."""

from __future__ import annotations

import hashlib
import io
import posixpath
import re
import shutil
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from filters.latex.cleaner import Cleaned, clean, merged, sources
from filters.latex.project import papers
from filters.latex.styles import is_known
from pipelines.readers import Dump, arxiv
from tests.conftest import REPOSITORY
from tests.oracles import latex_names

PINNED = Path(__file__).with_name("debian_vignettes.txt")
PAPERS = 30
# What Sweave and knitr take out of a vignette before TeX sees it.
CODE = re.compile(r"^<<.*?>>=.*?^@[^\n]*\n", re.MULTILINE | re.DOTALL)
OWN_FILES = {".tex": False, ".ltx": False, ".sty": True, ".cls": True}


def cleaned(files: Mapping[str, str]) -> Cleaned | None:
    parts = [clean(source) for _, source in papers(files)]
    return merged(parts) if parts else None


def unreported(files: Mapping[str, str], paper: Cleaned) -> set[str]:
    """Return the names left in a paper that its own files define and that it does not report."""
    own = [
        (text, OWN_FILES[suffix])
        for name, text in files.items()
        if (suffix := posixpath.splitext(name)[1]) in OWN_FILES and not is_known(Path(name).stem)
    ]
    return latex_names.left(paper.text, own) - set(paper.macros_left)


def submissions(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    for path in sorted([*folder.glob("*.tar"), *folder.glob("*.tar.gz")]):
        with path.open("rb") as stream:
            for found in arxiv.read(stream, Dump(name=path.name, digest=path.stem), Counter()):
                if isinstance(found, arxiv.Submission):
                    yield found.id, sources(found.files)


def check(folder: Path) -> None:
    found = {name: (files, cleaned(files)) for name, files in submissions(folder)}
    assert found
    for name, (files, paper) in found.items():
        assert paper is not None, name
        assert unreported(files, paper) == set(), name


def test_nothing_unreported_is_left_in_real_submissions(dumps: Path) -> None:
    check(dumps / "arxiv")


def test_nothing_unreported_is_left_in_the_sample() -> None:
    folder = REPOSITORY / "data/raw/arxiv"
    if not folder.is_dir():
        pytest.skip("data/raw is not there: `make corpus` lays the sample out")
    check(folder)


def vignettes(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the vignettes of the pinned packages, which Debian's own client fetches."""
    for line in PINNED.read_text(encoding="utf-8").splitlines()[1:]:
        digest, package, version = line.split()
        got = subprocess.run(
            ["apt-get", "download", f"{package}={version}"], cwd=folder, capture_output=True, text=True, check=False
        )
        archive = next(folder.glob(f"{package}_*.deb"), None)
        if archive is None:
            pytest.skip(f"apt-get download {package}={version}: {got.stderr.strip()[-200:]}")
        assert hashlib.sha256(archive.read_bytes()).hexdigest() == digest, package
        unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(unpacked)) as members:
            for member in members:
                if re.search(r"/doc/.*\.(?:[rRsS]nw|tex)$", member.name) and (content := members.extractfile(member)):
                    yield member.name, CODE.sub("", content.read().decode("utf-8", "replace"))


@pytest.mark.full
def test_nothing_unreported_is_left_in_debians_vignettes(tmp_path: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip("apt-get and dpkg-deb are not there: the vignettes are those of Debian's packages")
    checked, with_macros = 0, 0
    for name, text in vignettes(tmp_path):
        paper = cleaned({"paper.tex": text})
        if paper is None or not paper.has_section:
            continue
        assert unreported({"paper.tex": text}, paper) == set(), name
        assert not paper.bounded, name
        checked += 1
        with_macros += paper.macros_defined > 0
    assert checked >= with_macros >= PAPERS


@pytest.mark.parametrize(
    "definition",
    [
        r"\newcommand{\x}[1]{a}",
        r"\newcommand\x a",
        r"\renewcommand * { \x } {a}",
        r"\providecommand\x{}",
        r"\DeclareRobustCommand\x{}",
        r"\NewDocumentCommand{\x}{m}{#1}",
        r"\DeclarePairedDelimiterXPP{\x}{a}{b}{c}{d}{e}",
        r"\def\x#1.{a}",
        r"\long\gdef\x{a}",
        r"\protected\edef\x{a}",
        r"\let\x=\y",
        r"\expandafter\let\csname x\endcsname\y",
        r"\expandafter\newcommand\expandafter{\csname x\endcsname}{a}",
        r"\newlength\x",
        r"\newfontface\x{a}",
        r"\newcommandtwoopt{\x}[2][a][b]{c}",
        r"\DeclareMathOperator*{\x}{a}",
        r"\DeclareFontShape\x",
        r"\font\x=cmr10",
        r"\mathchardef\x=1",
        r"\newtcbox[a]{\x}{b}",
        r"\makeatletter\@namedef{x}{a}\makeatother",
    ],
)
def test_the_check_finds_names_by_any_means(definition: str) -> None:
    source = f"\\documentclass{{a}}{definition}\\begin{{document}}\\section{{S}} Words.\\end{{document}}"
    assert latex_names.left(r"a \x b", [(source, False)]) == {r"\x"}
    assert latex_names.left(r"a \verb|\x| \xy \\x b", [(source, False)]) == set()
    assert latex_names.left(r"a \x b", [(f"%{definition}", False)]) == set()
    # However it is defined, where it stays in the text it is reported.
    paper = clean(source.replace("Words.", r"\begin{itemize}\iffalse\else\unheard{\x}\fi\end{itemize}"))
    assert latex_names.left(paper.text, [(source, False)]) <= set(paper.macros_left)


def test_the_check_reads_at_signs_and_verbatim_as_tex_does() -> None:
    assert latex_names.defined(r"\def\x@y{}", at_letter=True) == {"x@y"}
    assert latex_names.defined(r"\def\x@y{}") == {"x"}
    assert latex_names.defined("\\begin{verbatim}\n\\def\\x{}\n\\end{verbatim}\\def\\y{}") == {"y"}
    assert latex_names.defined(r"\verb|\def\x| \newline\textbf{a} \newcounter{c}") == {"thec"}
