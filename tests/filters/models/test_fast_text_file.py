"""A fastText model that is damaged or made to do harm is refused by name when it is read, in little time and memory."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import fasttext
import pytest

from filters.models import fast_text, fast_text_file
from filters.models.fast_text_model import Arrays, UnsupportedError
from filters.native import binding
from filters.web.language import LanguageIdentifier
from filters.web.reference import ReferenceClassifier
from tests.conftest import REPOSITORY
from tests.filters.models.fast_text_models import ARGUMENTS, PLAIN, PRUNED, SOFTMAX, Written, chain, many_labels
from tests.slowness import slowness

LARGEST = 2**31 - 1
SECONDS, BYTES = 5.0, 64 << 20

# A model that is made wrong, and what is said of it.
HOSTILE: dict[str, tuple[Written, str]] = {
    "a chain of labels": (chain(200_000), "a count of labels is 0; must be at least 1"),
    "a short chain of labels": (chain(150), "a count of labels is 0"),
    "counts below zero": (many_labels([5, 3, -1]), "the count of name 3 is -1; must be 0 to"),
    "counts past fastText's": (many_labels([10**15, 1]), "the count of name 1 is 1000000000000000; must be 0 to"),
    "counts that sum past it": (many_labels([9 * 10**14] * 2), "a count of labels is 1800000000000000"),
    "the largest count": (many_labels([2**63 - 1, 1]), "the count of name 1 is 9223372036854775807"),
    "a word's count": (replace(PLAIN, counts=(-5, 7, 5, 4, 3)), "the count of name 0 is -5"),
    **{
        f"{name}={value}": (model.but(**{name: value}), f"{name} is {value}; ")
        for model in (PLAIN, PRUNED, SOFTMAX)
        for name in ("wordNgrams", "maxn", "minn")
        for value in (LARGEST, 1_000, 33, -1, -LARGEST - 1)
    },
    **{
        f"bucket={value} of {kind}": (model.but(bucket=value), f"bucket is {value}; ")
        for kind, model in (("all", PLAIN), ("softmax", SOFTMAX), ("pruned", PRUNED))
        for value in (LARGEST, 2**30, 0, -1, -LARGEST - 1)
    },
    "bucket without n-grams": (
        PLAIN.but(maxn=0, bucket=LARGEST),
        f"bucket is {LARGEST}; the input matrix has 100 rows",
    ),
    "buckets of a pruned model": (PRUNED.but(bucket=2**26 + 1), "bucket is 67108865; must be at most 67,108,864"),
    "no dimension": (PLAIN.but(dim=0), "dim is 0; must be at least 1"),
    "a large dimension": (PLAIN.but(dim=LARGEST), "takes"),
    "another dimension": (replace(PLAIN, shape={"columns": 2}), r"columns of input is 2; must be dim \(4\)"),
    "unsupervised": (PLAIN.but(model=2), r"model is 2; must be 3 \(supervised\)"),
    "an unknown loss": (PLAIN.but(loss=5), "loss is 5; must be 1 to 4"),
    "another file": (replace(PLAIN, magic=7), "the first number is 7; must be 793712314"),
    "a new format": (replace(PLAIN, version=13), "the version is 13; must be 11 or 12"),
    "no labels": (replace(PLAIN, labels=(), counts=(1, 2, 3)), "nlabels is 0; must be at least 1"),
    "many names": (replace(PLAIN, sizes={"size": LARGEST, "nwords": LARGEST - 2}), f"size is {LARGEST}; takes"),
    "a size that is no sum": (replace(PLAIN, sizes={"size": 6}), r"nwords is 3; must be size \(6\) less nlabels"),
    "sizes below zero": (replace(PLAIN, sizes={"nwords": -2, "size": 0}), "nwords is -2"),
    "one name too many": (replace(PLAIN, sizes={"nwords": 4, "size": 6}), "the (count|kind) of name|is cut short"),
    "tokens below zero": (replace(PLAIN, sizes={"ntokens": -1}), "ntokens is -1"),
    "many n-grams kept": (
        replace(PRUNED, sizes={"pruneidx_size": 2**62}),
        "pruneidx_size is 4611686018427387904; takes",
    ),
    "n-grams below none": (replace(PRUNED, sizes={"pruneidx_size": -2}), "pruneidx_size is -2"),
    "pruned, not quantised": (replace(PLAIN, sizes={"pruneidx_size": 0}), "pruneidx_size is 0; must be -1"),
    "labels before words": (replace(PLAIN, kinds=(1, 0, 0, 0, 1)), "the kind of name 0 is 1; must be 0 for words"),
    "an unknown kind": (replace(PLAIN, kinds=(0, 0, 0, 1, 2)), "the kind of name 4 is 2"),
    "a name twice": (replace(PLAIN, words=(b"</s>", b"tal", b"tal")), "the number of different names is 4"),
    "a label that is no text": (replace(PLAIN, labels=(b"__label__a", b"\xff")), r"label 1 is b'\\xff'; must be UTF-8"),
    "an n-gram out of range": (replace(PRUNED, kept=((10, 0),)), "a kept n-gram is 10; must be 0 to 9"),
    "an n-gram below zero": (replace(PRUNED, kept=((-1, 0),)), "a kept n-gram is -1"),
    "a row out of range": (replace(PRUNED, kept=((1, 1),)), "a kept row is 1; must be 0 to 0"),
    "a row below zero": (replace(PRUNED, kept=((1, -4),)), "a kept row is -4"),
    "an n-gram twice": (replace(PRUNED, kept=((1, 0), (1, 1))), "the number of kept n-grams is 1; must be 2"),
    "a row twice": (replace(PRUNED, kept=((1, 0), (2, 0))), "the number of kept rows is 1; must be 2"),
    "few rows": (replace(PLAIN, shape={"rows": 2}), "must be|takes|is"),
    "rows past the file": (replace(PLAIN, shape={"rows": 2**61}), "rows of input is 2305843009213693952; takes"),
    "rows below zero": (replace(PLAIN, shape={"rows": -1}), "rows of input is -1; must not be negative"),
    "columns below one": (replace(PLAIN, shape={"columns": 0}), "columns of input is 0; must be dim"),
    "quantised rows": (replace(PRUNED, shape={"rows": 2**40}), "codesize of input is 12; must be rows"),
    "quantised columns": (replace(PRUNED, shape={"columns": 5}), "columns of input is 5; must be dim"),
    "codes past the file": (replace(PRUNED, shape={"codes": LARGEST}), f"codesize of input is {LARGEST}; takes"),
    "codes below none": (replace(PRUNED, shape={"codes": -1}), "codesize of input is -1"),
    "parts of a row": (replace(PRUNED, shape={"parts": LARGEST}), f"nsubq of input is {LARGEST}; must be 2"),
    "width of a part": (replace(PRUNED, shape={"width": 0}), "dsub of input is 0; must be 1 to 4"),
    "the last part": (replace(PRUNED, shape={"last": LARGEST}), f"lastdsub of input is {LARGEST}; must be 2"),
    "no number": (replace(PLAIN, value=math.nan), "a number of input is nan; must be at most 1e"),
    "infinite": (replace(SOFTMAX, value=-math.inf), "a number of input is inf"),
    "far too large": (replace(PLAIN, value=3e38), r"a number of input is 3\.0"),
    "no number in a code": (replace(PRUNED, value=math.nan), "a number of input is nan"),
    "bytes behind": (replace(PLAIN, behind=b"more"), "the number of bytes behind the model is 4; must be 0"),
    "a long name": (
        replace(PLAIN.but(maxn=32, minn=1), words=(b"</s>", b"x" * 100_000, b"tal")),
        "maxn is 32; makes up to 3,2",
    ),
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_a_hostile_model_is_refused_by_name(name: str, tmp_path: Path) -> None:
    model, said = HOSTILE[name]
    path = tmp_path / "hostile.ftz"
    path.write_bytes(model.content())
    if name == "a long name":
        assert path.stat().st_size < 110_000
    for load in (fast_text.load, fast_text.Labeller, LanguageIdentifier, ReferenceClassifier):
        start = time.process_time()
        with pytest.raises(ValueError, match=said) as told:
            load(path)
        assert time.process_time() - start < SECONDS * slowness()
        assert not isinstance(told.value, UnsupportedError), "fastText would have been asked"
        assert str(told.value).startswith(f"{path}: not a fastText model that can be used: ")
    if path.stat().st_size > 1 << 20:
        return  # measuring it takes far longer than reading it
    tracemalloc.start()
    with pytest.raises(ValueError, match=said):
        Arrays(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < BYTES + 20 * path.stat().st_size


@pytest.mark.parametrize(
    "name", ["a chain of labels", f"maxn={LARGEST}", f"bucket={LARGEST} of pruned", "a name twice"]
)
def test_it_is_refused_without_the_compiled_library_too(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, said = HOSTILE[name]
    path = tmp_path / "hostile.ftz"
    path.write_bytes(model.content())
    monkeypatch.setattr(binding, "library", lambda: None)
    monkeypatch.setattr(fast_text, "_loaded", lambda path: pytest.fail("fastText was asked"))
    for load in (fast_text.load, fast_text.Labeller, ReferenceClassifier):
        with pytest.raises(ValueError, match=said):
            load(path)


@pytest.mark.parametrize("model", [PLAIN, PRUNED, SOFTMAX, PLAIN.but(loss=2), PLAIN.but(loss=4), PLAIN.but(minn=9)])
def test_what_is_written_here_is_a_model(model: Written, tmp_path: Path) -> None:
    """Else what is refused above might be refused for another reason."""
    path = tmp_path / "model.bin"
    path.write_bytes(model.content())
    ours, slow = fast_text.Labeller(path), fasttext.load_model(str(path))
    for line in ("tal berg wald", "", "</s>", "ta be fluss"):
        label, probability = next(iter(fast_text.predict(slow, line).items()), ("", 0.0))
        found, our_probability = ours.best(line)
        # Of other losses than softmaxes the two engines of fastText round differently.
        assert (found, abs(our_probability - probability) <= (0 if ours._arrays else 1e-6)) == (label, True)
    assert ReferenceClassifier(path, "a").probability("tal berg") > 0


def test_bounds_are_far_from_real_models(tmp_path: Path) -> None:
    """At each bound a model is still read."""
    dim, longest = ARGUMENTS["dim"], fast_text_file.LONGEST_GRAM
    for model in (
        PLAIN.but(wordNgrams=longest, maxn=longest, minn=longest),
        PRUNED.but(bucket=fast_text_file.MOST_PRUNED_BUCKETS),
        many_labels([10**14, 10**14, 1], dim),
    ):
        path = tmp_path / "model.bin"
        path.write_bytes(model.content())
        slow = fasttext.load_model(str(path))
        assert fast_text.Labeller(path).best("tal berg tal") == next(
            iter(fast_text.predict(slow, "tal berg tal").items())
        )


def test_trees_are_as_deep_as_counts_make_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fibonacci's numbers make the deepest tree."""
    numbers = [1, 1]
    while sum(numbers) + numbers[-1] + numbers[-2] < fast_text_file.TREE_START:
        numbers.append(numbers[-1] + numbers[-2])
    tree = fast_text_file.huffman(numbers[::-1])
    assert len(tree) == len(numbers) - 1 < fast_text_file.DEEPEST
    assert fast_text_file.huffman([7]).shape == (0, 2)
    monkeypatch.setattr(fast_text_file, "DEEPEST", len(tree) - 1)
    with pytest.raises(
        ValueError, match=rf"the tree of labels has {len(tree)} levels; must have at most {len(tree) - 1}"
    ):
        fast_text_file.huffman(numbers[::-1])


def test_random_numbers_are_refused_or_read_in_little_memory(tmp_path: Path) -> None:
    """Whatever the numbers of the header are: in a process of its own, so that its memory can be measured."""
    if not Path("/proc/self/status").is_file():
        pytest.skip("memory is not measured here: there is no /proc")
    choose = random.Random(7)
    for trial in range(60):
        model = choose.choice([PLAIN, PRUNED, SOFTMAX, many_labels([3, 2, 2, 1])])
        for _ in range(choose.randrange(1, 3)):
            values = [0, -1, 1, 5, 33, 1_000, 2**20, 2**26, 2**30, LARGEST, -LARGEST - 1]
            if choose.random() < 0.7:
                model = model.but(**{choose.choice(list(ARGUMENTS)): choose.choice(values)})
            else:
                sizes = {
                    choose.choice(["size", "nwords", "nlabels", "ntokens", "pruneidx_size"]): choose.choice(values)
                }
                model = replace(model, sizes=sizes)
        (tmp_path / f"{trial}.bin").write_bytes(model.content() if trial % 5 else model.content()[: trial * 9])
    code = (
        "import pathlib, re, sys; from filters.models import fast_text; refused = 0\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try: fast_text.Labeller(path).best('tal berg wald ' * 50)\n"
        "    except ValueError as error: assert str(path) in str(error); refused += 1\n"
        "print(refused, re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])"
    )
    # A sanitizer's own memory is not what is asked for.
    plain = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "PYTHONMALLOC")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=REPOSITORY,
        env=plain,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    refused, kilobytes = map(int, done.stdout.split())
    assert 20 < refused < 60
    assert kilobytes < 500_000


def test_a_matrix_that_would_unpack_without_end_is_left_to_fasttext(tmp_path: Path) -> None:
    """One code for a whole row: 400 bytes of each byte in the file."""
    kept: Any = tuple((number, number) for number in range(9))
    model = replace(PRUNED.but(dim=100), kept=kept)
    wide = {"parts": 1, "width": 100, "last": 100, "codes": 12}
    content = replace(model, shape=wide).content()
    codes = bytes(number % 256 for number in range(24))
    assert content.count(codes) == 1
    path = tmp_path / "wide.ftz"
    path.write_bytes(content.replace(codes, codes[:12]))
    with pytest.raises(UnsupportedError, match="far larger than its file"):
        Arrays(path)
    slow = fasttext.load_model(str(path))
    assert fast_text.Labeller(path).best("tal") == next(iter(fast_text.predict(slow, "tal").items()))


def test_an_old_format_is_left_to_fasttext(tmp_path: Path) -> None:
    path = tmp_path / "old.bin"
    path.write_bytes(replace(PLAIN, version=11).content())
    slow, ours = fasttext.load_model(str(path)), fast_text.Labeller(path)
    assert ours._arrays is None
    assert ours.best("tal berg") == next(iter(fast_text.predict(slow, "tal berg").items()))


def test_finite_numbers_have_finite_answers(tmp_path: Path) -> None:
    """The largest that are read; fastText raises an error where a sum is no number."""
    for model in (PLAIN, SOFTMAX, PRUNED):
        path = tmp_path / "large.bin"
        path.write_bytes(replace(model, value=fast_text_file.LARGEST_VALUE / 1.1).content())
        label, probability = fast_text.Labeller(path).best("</s> tal berg")
        assert label
        assert 0 <= probability <= 1.1
