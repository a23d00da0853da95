"""CCNet's quality models as files: each language's SentencePiece and 5-gram model, and the cut-offs of perplexity.

Models come in two forms, told apart by their names: ours, LANG/pieces.model with LANG/model.arpa (or model.bin, KenLM's
binary form), and CCNet's, LANG.sp.model with LANG.arpa.bin. Cut-offs are a folder with cutoffs.json, or CCNet's table
of percentiles, a row for each percentile and a column for each language (cutoff.csv).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator
from pathlib import Path

from filters.web import perplexity

PIECES, ARPA, BINARY = "pieces.model", "model.arpa", "model.bin"
CCNET_PIECES, CCNET_BINARY = ".sp.model", ".arpa.bin"


def files_of(directory: str, language: str) -> tuple[Path, Path] | None:
    """Return a language's two files, pieces and n-grams, or None if there is no model; ValueError if one is missing."""
    for pieces, ngrams in _forms(Path(directory), language):
        found = next(filter(Path.exists, ngrams), None)
        if pieces.exists() and found:
            return pieces, found
        if pieces.exists() or found:
            missing = ngrams[0] if pieces.exists() else pieces
            raise ValueError(f"{missing} is missing, without which {found or pieces} is of no use")
    return None


def _forms(folder: Path, language: str) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    yield folder / language / PIECES, (folder / language / BINARY, folder / language / ARPA)
    yield folder / f"{language}{CCNET_PIECES}", (folder / f"{language}{CCNET_BINARY}", folder / f"{language}.arpa")


def languages_of(directory: str) -> list[str]:
    """Return the languages of which a folder has a model."""
    folder = Path(directory)
    names = {path.parent.name for path in folder.glob(f"*/{PIECES}")}
    names |= {path.name.removesuffix(CCNET_PIECES) for path in folder.glob(f"*{CCNET_PIECES}")}
    return sorted(names)


def given_files(directory: str, languages: Collection[str]) -> list[Path]:
    """Return the files that a folder of models has for these languages (none given: for all); ValueError for none."""
    there = languages_of(directory)
    wanted = [language for language in there if not languages or language in languages]
    if not wanted:
        names = f"{', '.join(sorted(languages))}; available: {', '.join(there)}" if there else "any language"
        raise ValueError(
            f"a directory with LANG/{PIECES} and LANG/{ARPA}, or CCNet's LANG{CCNET_PIECES} and LANG{CCNET_BINARY}, "
            f"is expected; there is no model for {names}"
        )
    return [path for language in wanted for path in files_of(directory, language) or ()]


def load_language_model(directory: str, language: str) -> perplexity.PerplexityModel | None:
    """Load one language's model, or None if there is none."""
    found = files_of(directory, language) if language else None
    return perplexity.PerplexityModel(*found) if found else None


def load_cutoffs(path: str) -> dict[str, perplexity.Cutoffs]:
    """Return the cut-offs of each language from a folder with cutoffs.json or a table like CCNet's.

    Raises ValueError naming the file and what is wrong with it.
    """
    if Path(path).is_file():
        return _ccnet_cutoffs(Path(path))
    file = Path(path, "cutoffs.json")
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
        return {language: perplexity.Cutoffs(row["head"], row["middle"]) for language, row in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: no cut-offs by language ({error!r})") from None


def _ccnet_cutoffs(file: Path) -> dict[str, perplexity.Cutoffs]:
    expected = "a row for each percentile and a column for each language is expected (CCNet's cutoff.csv)"
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            header, *rows = list(csv.reader(lines, strict=True))
        table = {int(row[0]): dict(zip(header[1:], map(float, row[1:]), strict=True)) for row in rows if row}
        head, middle = table[perplexity.HEAD_PERCENTILE], table[perplexity.MIDDLE_PERCENTILE]
    except (ValueError, KeyError, IndexError, csv.Error) as error:
        raise ValueError(f"{file}: {expected} ({error!r})") from None
    try:
        return {language: perplexity.Cutoffs(head[language], middle[language]) for language in header[1:]}
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
