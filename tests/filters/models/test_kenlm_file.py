import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from filters.models import kenlm_file, kneser_ney
from tests.filters.models.kenlm_files import BINARY, COMPRESSED, PROBING, QUANTISED, TRIE, scores

ORDER, FACTOR, KIND, VERSION, COUNTS = 88, 92, 96, 104, 108  # places in the header
VOCABULARY = 136


def put(content: bytes, place: int, layout: str, value: float) -> bytes:
    changed = bytearray(content)
    struct.pack_into(f"<{layout}", changed, place, value)
    return bytes(changed)


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    sentences = [[0, 1, 2], [0, 1, 3], [2, 1, 0, 4], [0, 1, 2, 4, 4]] * 3
    path = tmp_path / "model.arpa"
    kneser_ney.estimate(sentences, ["salt", "lake", "wind", "plain", "llama"], path, order=3)
    return path


@pytest.mark.parametrize("name", ["probing", "trie"])
def test_what_build_binary_wrote_is_read_and_says_what_its_arpa_file_says(
    tmp_path: Path, arpa: Path, name: str
) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(BINARY[name])
    kenlm_file.check(path)
    kenlm_file.check(arpa)
    assert scores(path) == pytest.approx(scores(arpa))


def test_values_may_be_quantised(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(QUANTISED)
    kenlm_file.check(path)
    assert len(set(scores(path))) > 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"some text\n", r"the beginning is b'some text'; must be \\data\\"),
        (b"\\data\\\nngram 1=9\n\n\\1-grams:\n", "the order is 1; must be 2 to 6"),
        (b"\\data\\\nngram 1=99999999999\nngram 2=1\n\n\\1-grams:\n", "the number of n-grams is 100000000000"),
        (PROBING[:90], "the size is 90; the header is cut short"),
        (PROBING[:120], "the size is 120; the counts are cut short"),
        (PROBING[:600], "the size is 600 bytes; the header says at least 880"),
        (put(PROBING, 40, "B", 0), "the format is another; build it again"),
        (put(PROBING, ORDER, "B", 1), "the order is 1"),
        (put(PROBING, ORDER, "B", 7), "the order is 7"),
        (put(PROBING, FACTOR, "f", float("nan")), "the factor of probing is nan"),
        (put(PROBING, FACTOR, "f", 0.5), "the factor of probing is 0.5"),
        (put(PROBING, FACTOR, "f", 1e30), "the factor of probing is 1.0"),
        (put(PROBING, KIND, "I", 1), "the kind is 1; must be probing"),
        (put(PROBING, VERSION, "I", 3), "the version of the search is 3"),
        (put(PROBING, COUNTS, "Q", 0), "the number of words is 0"),
        (put(PROBING, COUNTS + 8, "Q", 2**63), "a number of n-grams is 9223372036854775808"),
        (put(PROBING, COUNTS + 16, "Q", 400), "the header says at least"),
        (COMPRESSED, "the kind is 4; must be probing"),
        (put(TRIE, KIND, "I", 5), "the kind is 5; must be probing"),
        (put(TRIE, VOCABULARY, "Q", 2**60), "the number of sorted words is 1152921504606846976"),
        (put(QUANTISED, VOCABULARY + 72, "B", 9), "the version of the quantiser is 9"),
        (put(QUANTISED, VOCABULARY + 73, "B", 60), "the bits of a value is 60"),
    ],
)  # fmt: skip
def test_a_damaged_model_is_refused_by_name(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"model.bin is not a KenLM model.*{problem}"):
        kenlm_file.check(path)


def filled(content: bytes, table: range, width: int, number: Callable[[int], int]) -> bytes:
    """Return the same with the slots of a table full."""
    for slot in table:
        content = put(content, VOCABULARY + 8 + slot * width, "Q", number(slot))
    return content


def test_a_table_without_an_empty_slot_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    words = struct.unpack_from("<Q", PROBING, COUNTS)[0]
    slots = range(int(1.5 * words))
    path.write_bytes(filled(PROBING, slots, 12, lambda slot: slot + 1))
    with pytest.raises(ValueError, match="the empty slots of words is 0"):
        kenlm_file.check(path)


def test_a_word_outside_the_array_of_words_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(put(PROBING, VOCABULARY + 8 + 8, "I", 4_000_000_000))
    with pytest.raises(ValueError, match="a word's number is 4000000000; must be at most 8"):
        kenlm_file.check(path)


def test_a_long_run_of_full_slots_is_refused_across_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(PROBING)
    monkeypatch.setattr(kenlm_file, "LONGEST_RUN", 1)
    for chunk in (1, 2, 3, 1000):
        monkeypatch.setattr(kenlm_file, "_CHUNK", chunk)
        with pytest.raises(ValueError, match="a run of full slots of words is"):
            kenlm_file.check(path)


@pytest.mark.parametrize("chunk", [1, 3, 1000])
@pytest.mark.parametrize(("value", "problem"), [(2**40, "a pointer of 1-grams is"), (0, "before the last one")])
def test_a_pointer_that_leads_outside_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, value: int, problem: str
) -> None:
    words = struct.unpack_from("<Q", TRIE, COUNTS)[0]
    unigrams = VOCABULARY + 8 * (1 + words)
    path = tmp_path / "model.bin"
    path.write_bytes(put(TRIE, unigrams + 16 * words + 8, "Q", value))
    monkeypatch.setattr(kenlm_file, "_CHUNK", chunk)
    with pytest.raises(ValueError, match=problem):
        kenlm_file.check(path)


def test_kenlm_reads_inside_a_model_that_is_accepted_whatever_byte_was_changed(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.filters.models.kenlm_files", str(tmp_path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    refused, read = map(int, ended.stdout.split())
    assert refused > 1000
    assert read > 1000


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ("ngram 1=-5 ngram 9=1\nngram 2=1\n\n", "a line of the head is b'ngram 1=-5"),
        ("ngram  1=-5\nngram 2=1 ngram 7=2\n\n", "a line of the head is"),
        ("ngram 1=4\nngram 2=+2000000000 ngram 9=1\n\n", "a line of the head is"),
        ("ngram 1=4\nngram 2=1 \\\\1-grams:\nngram 3=9\n\n", "a line of the head is"),
        ("ngram 1=4\nngram 3=1\n\n", "is out of order"),
        ("ngram 1=4\nngram 2=1", "a line of the head is"),
    ],
)
def test_a_head_that_kenlm_would_read_otherwise_is_refused(tmp_path: Path, head: str, problem: str) -> None:
    path = tmp_path / "model.arpa"
    path.write_text(f"\\data\\\n{head}\\1-grams:\n-1\t<unk>\n")
    with pytest.raises(ValueError, match=problem):
        kenlm_file.check(path)
