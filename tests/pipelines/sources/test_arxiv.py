"""arXiv through a whole build: what the manifest counts of the papers' macros."""

from __future__ import annotations

import json
from pathlib import Path

from filters.latex import cleaner
from pipelines import corpus
from pipelines.document import Document, Drop
from pipelines.files import tables
from pipelines.readers.arxiv import Submission
from pipelines.recipes import Papers
from pipelines.sources.arxiv import clean
from pipelines.stages.kinds import Context
from tests.pipelines.readers.test_arxiv import gz, tar

BODY = "\\begin{document}\\section{Rain}\nIt rained \\many days. \\odd{x}\n\\end{document}"
PLAIN = f"\\documentclass{{a}}\\newcommand{{\\many}}{{nine}}\\newcommand{{\\never}}{{no}}\\def\\odd#1{{#1}}{BODY}"
LEFT = f"\\documentclass{{a}}\\newcommand{{\\many}}{{ten}}\\def\\odd#1{{\\ifdim#1pt y\\fi}}{BODY}"


def test_macros_are_counted_over_all_papers(tmp_path: Path) -> None:
    for number, papers in enumerate(([PLAIN, LEFT], [PLAIN.replace("nine", "some")])):
        members = {f"2301/2301.{number}{i:04d}.gz": gz(paper.encode()) for i, paper in enumerate(papers)}
        (tmp_path / f"arXiv_src_2301_00{number}.tar").write_bytes(tar(members))
    output = tmp_path / "corpus"
    options = ["--source", "arxiv", "--input", f"arxiv={tmp_path}/*.tar", "--output", str(output), "--runner", "plain"]
    settings = ("tokenizer.vocabulary=300", "shards.validation=0.3", "buckets=2")
    assert corpus.main([*options, *(word for setting in settings for word in ("--set", setting))]) == 0
    (stage,) = json.loads((output / "arxiv/manifest.json").read_text())["stages"]
    assert stage["statistics"] == {
        "macros_defined": 8,
        "macros_expanded": 5,
        "macros_left": 1,
        "macro_uses": 5,
        "papers_with_macros_left": 1,
    }
    found = [d for path in output.glob("arxiv/documents/*") for d in tables.read_documents(str(path))]
    assert sorted(document.attributes["macros_left"] for document in found) == [[], [], ["\\odd"]]


def paper(mode: cleaner.Mode, **files: bytes) -> Document | Drop:
    found = Submission(
        id="arxiv/d/1", arxiv_id="1", files={f"{name}.tex": raw for name, raw in files.items()}, dump="d", offset=0
    )
    return clean(found, Context(Papers(mode=mode), {}))


def test_published_mode_cuts_every_file_and_loses_what_is_not_utf_8() -> None:
    main = b"\\documentclass{a}\\begin{document}\\section{A} a \\input{b}\\end{document}"
    files = {"a": b"\\section{C} draft", "b": b"words", "main": main}
    theirs, ours = paper("published", **files), paper("corrected", **files)
    assert isinstance(theirs, Document)
    assert isinstance(ours, Document)
    assert theirs.text == "\\section{C} draft\n\n\\section{A} a \\input{b}\\end{document}"
    assert ours.text == "\\section{A} a words"
    latin = main.replace(b" a ", b" \xe9 ")
    refused = paper("published", main=latin)
    assert isinstance(refused, Drop)
    assert refused.reason == "not_utf_8"
    assert isinstance(paper("corrected", main=latin), Document)
    none = paper("published", main=b"\\begin{document}words\\end{document}")
    assert isinstance(none, Drop)
    assert none.reason == "no_section"
