"""The data card in the two formats that people publish, written into the corpus directory.

CORPUS/README.md       a Hugging Face dataset card: a YAML header (each source a configuration) and the text
CORPUS/croissant.json  Croissant 1.0 (JSON-LD): the document files of each source and the fields in them
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jinja2
import pyarrow as pa
from markupsafe import Markup

from pipelines.card import facts, markdown, overview
from pipelines.card.facts import Corpus, Json
from pipelines.files import ours, storage, tables
from pipelines.files.tables import DOCUMENT_SCHEMA
from pipelines.table1 import SOURCES

HUGGING_FACE, CROISSANT = "README.md", "croissant.json"
NAME: Final = "altiplano-corpus"
PAPER: Final = "https://arxiv.org/abs/2302.13971"
# What Hugging Face's size_categories are called, by the number of rows that they begin with.
_SIZES: Final = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B")
_LARGER: Final = ("10B<n<100B", "100B<n<1T", "n>1T")
DESCRIPTION: Final = (
    "LLaMA's pretraining corpus, rebuilt from raw dumps by the rules of its paper: each source's documents, with their "
    "provenance"
)
OWN_DESCRIPTION: Final = "Our own texts as documents with their provenance, filtered as the recipe of each source says"
# Croissant's names of the columns' types, and what is in them.
COLUMNS: Final = (
    ("id", "sc:Text", "stable id, made of the source, the dump and the record"),
    ("source", "sc:Text", "the source that it comes from"),
    ("text", "sc:Text", "the document"),
    ("url", "sc:Text", "where it was published"),
    ("title", "sc:Text", "its title"),
    ("license", "sc:Text", "its licence, as the source gives it"),
    ("language", "sc:Text", "its natural language"),
    ("timestamp", "sc:DateTime", "when it was crawled or published, in UTC"),
    ("timestamp_precision", "sc:Text", "how precisely that is known: year, month, day, minute, second or finer"),
    ("dump", "sc:Text", "digest of the dump file that holds the raw record"),
    ("offset", "sc:Integer", "position of the raw record in the dump"),
)


def write(corpus: Corpus) -> list[str]:
    """Write both data cards; return their paths."""
    contents = {HUGGING_FACE: dataset_card(corpus).encode(), CROISSANT: storage.as_json(croissant(corpus))}
    return [ours.write(str(corpus.path), name, content) for name, content in contents.items()]


def dataset_card(corpus: Corpus) -> str:
    """Return the Hugging Face dataset card."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        finalize=markdown.plain,
    )
    environment.filters["code"] = markdown.code
    mixed = facts.mixture(corpus)
    return environment.get_template("dataset_card.md.j2").render(
        header=Markup(_header(corpus)),
        widths=_widths(corpus),
        corpus=corpus,
        mixed=mixed,
        notes=facts.notes(corpus),
        titles=corpus.titles,
        columns=COLUMNS,
        format=tables.VERSION,
        folder=Markup(NAME),
        own_columns={name: _own_columns(corpus, name) for name in corpus.manifests},
        total=facts.total,
        description=_description(corpus),
        paper=Markup(PAPER),
        reasons=facts.reasons,
        splits=overview.splits(corpus),
        benchmarks=overview.benchmarks(corpus),
        personal=overview.personal(corpus),
        made=overview.made(corpus),
    )


def _widths(corpus: Corpus) -> str:
    """Return how a token is written, as the manifests say: one type of numbers, or that of each source."""
    found = {corpus.titles[name]: tokens["dtype"] for name, tokens in corpus.tokens.items()}
    if len(set(found.values())) <= 1:
        return "".join(set(found.values()))
    return ", ".join(f"{title} {dtype}" for title, dtype in found.items())


def _files(manifest: Json) -> list[str]:
    return [entry["path"] for entry in manifest["documents"]["files"]]


def _own_columns(corpus: Corpus, name: str) -> list[pa.Field[Any]]:
    """Return the columns that a source has besides those of all."""
    for path in _files(corpus.manifests[name])[:1]:
        with tables.opened(f"{corpus.path}/{path}") as file:
            return [column for column in file.schema_arrow if column.name not in DOCUMENT_SCHEMA.names]
    return []


def _description(corpus: Corpus) -> str:
    return DESCRIPTION if corpus.of_the_paper else OWN_DESCRIPTION


def _header(corpus: Corpus) -> str:
    """Return the YAML header's fields, a line each, their values as JSON (which YAML contains)."""
    rows = sum(manifest["documents"]["count"] for manifest in corpus.manifests.values())
    paths = {name: f"{name}/documents/*.parquet" for name, manifest in corpus.manifests.items() if _files(manifest)}
    configurations: list[dict[str, Any]] = [
        {"config_name": name, "data_files": [{"split": "train", "path": path}]} for name, path in paths.items()
    ]
    everything = {"config_name": "all", "data_files": [{"split": "train", "path": list(paths.values())}]}
    configurations.append({**everything, "columns": DOCUMENT_SCHEMA.names})
    fields: dict[str, Any] = {
        "pretty_name": f"Altiplano ({corpus.recipe})",
        "license": "other",
        "license_name": "each-document-its-own",
        "license_link": "README.md#licences",
        "language": languages(corpus),
        "task_categories": ["text-generation"],
        "size_categories": [size_category(rows)],
        "tags": ["pretraining", *(["llama"] if corpus.of_the_paper else []), "deduplicated"],
        "configs": configurations,
    }
    return "\n".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())


def size_category(rows: int) -> str:
    """Return Hugging Face's name for a number of rows."""
    names = (*_SIZES, *_LARGER)
    return names[min(len(names) - 1, max(0, len(str(rows)) - 3))] if rows >= 1_000 else names[0]


def languages(corpus: Corpus) -> list[str]:
    """Return the languages that the corpus was built for, as the manifests say; code and papers have none."""
    found = set()
    for name, manifest in corpus.manifests.items():
        if name == "wikipedia":
            found |= {dict(entry["attributes"]).get("language") for entry in manifest["inputs"]}
        elif name == "common_crawl":
            found |= set(manifest["recipe"]["quality"]["languages"])
        elif name in ("c4", "arxiv", "stack_exchange"):
            found.add("en")
        elif name not in SOURCES:
            found |= set(manifest["recipe"].get("filters", {}).get("language", {}).get("languages", ()))
            found |= {row for split in corpus.tokens.get(name, {}).get("languages", {}).values() for row in split}
    return sorted(language for language in found if language)


def croissant(corpus: Corpus) -> dict[str, Any]:
    """Return the Croissant metadata; a file set for each source, and a record set of its documents' columns."""
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": NAME,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "description": f"{_description(corpus)}. Recipe {corpus.recipe}.",
        "url": PAPER,
        "license": "Each document has its own licence, in its field license",
        "citeAs": f"LLaMA: Open and Efficient Foundation Language Models, {PAPER}",
        "version": "1.0.0",
        "creator": {"@type": "sc:Organization", "name": NAME},
        "distribution": list(_distribution(corpus)),
        "recordSet": [_record_set(corpus, name) for name in corpus.manifests],
    }


def _distribution(corpus: Corpus) -> Iterator[dict[str, Any]]:
    for name in corpus.manifests:
        yield {
            "@type": "cr:FileSet",
            "@id": f"{name}-files",
            "name": f"{name}-files",
            "description": f"The documents of {corpus.titles[name]}",
            "encodingFormat": "application/x-parquet",
            "includes": f"{name}/documents/*.parquet",
        }


def _record_set(corpus: Corpus, name: str) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"Documents of {corpus.titles[name]}",
        "key": {"@id": f"{name}/id"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "description": what,
                "dataType": kind,
                "source": {"fileSet": {"@id": f"{name}-files"}, "extract": {"column": column}},
            }
            for column, kind, what in COLUMNS
        ],
    }


# Croissant 1.0's own context.
_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
