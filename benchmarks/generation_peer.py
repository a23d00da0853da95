"""lm-evaluation-harness on tasks that generate: its prompts, what it generates, and what it makes of given texts.

    python benchmarks/generation_peer.py ASKED.json ANSWERED.json        (by the Python of evaluation_data.environment)

ASKED is {"model": a folder in Hugging Face's format, "context": 1024, "tasks": [{"name", "files": {split: file},
"shots", "texts": lists of texts for each row, or nothing; "length": tokens to generate, or 0}]}. ANSWERED has of each
task the prompts, the texts that were generated, of each given text its scores by each of the task's filters, and the
examples and the description that its configuration holds. Programs are not run: what runs them is replaced by nothing.
"""

from __future__ import annotations

import copy
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness_tasks import local_tasks

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false", HF_ALLOW_CODE_EVAL="1")


class Nothing:
    """What stands for a metric that would be fetched from a server."""

    def compute(self, **arguments: Any) -> tuple[dict[str, float], dict[str, float]]:
        return {"pass@1": 0.0}, {}


def main(asked_path: str, answered_path: str) -> None:
    import evaluate
    import torch
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager, get_task_dict
    from lm_eval.tasks.squadv2.task import SQuAD2

    evaluate.load = lambda *names, **more: Nothing()
    torch.set_num_threads(1)
    asked = json.loads(Path(asked_path).read_text())
    folder = Path(answered_path).parent / "tasks"
    # SQuAD's is a class of its own, which reads no other rows than its server's.
    asked_here = [task for task in asked["tasks"] if task["name"] != "squadv2"]
    local_tasks(asked_here, TaskManager().task_index, folder)
    manager = TaskManager(include_path=str(folder))
    model = HFLM(pretrained=asked["model"], device="cpu", dtype="float32", batch_size=8, max_length=asked["context"])
    answered: dict[str, Any] = {}
    for task in asked["tasks"]:
        if task["name"] == "squadv2":
            rows = map(json.loads, Path(task["files"]["validation"]).read_text().splitlines())
            answered["squadv2"] = {"prompts": [SQuAD2.doc_to_text(None, row) for row in rows]}
            continue
        name = f"local_{task['name']}"
        loaded = get_task_dict([name], manager)[name]
        loaded.set_config("num_fewshot", task["shots"])
        loaded.set_fewshot_seed(1234)
        answered[task["name"]] = _answers(loaded, task, model)
    Path(answered_path).write_text(json.dumps(answered))


def _answers(loaded: Any, task: dict[str, Any], model: Any) -> dict[str, Any]:
    loaded.build_all_requests(rank=0, world_size=1)
    instances = sorted(
        (one for one in loaded.instances if one.request_type == "generate_until"), key=lambda one: one.doc_id
    )
    prompts = [instance.args[0] for instance in instances]
    generated = []
    if task.get("length"):
        wanted = copy.deepcopy(instances)
        for instance in wanted:
            instance.arguments = (instance.args[0], {**instance.args[1], "max_gen_toks": task["length"]})
        generated = model.generate_until(wanted, disable_tqdm=True)
    samples = getattr(loaded.config.fewshot_config, "samples", None)
    return {
        "prompts": prompts,
        "generated": generated,
        "scores": _scores(loaded, instances, task["texts"]) if task.get("texts") else [],
        "samples": samples() if callable(samples) else samples,
        "description": loaded.config.description,
    }


def _scores(loaded: Any, instances: list[Any], texts: list[list[str]]) -> list[list[dict[str, dict[str, float]]]]:
    """Return of each row and each of its texts the scores by filter."""
    found: list[list[dict[str, dict[str, float]]]] = [[] for _ in instances]
    for place in range(max(map(len, texts))):
        for instance, some in zip(instances, texts, strict=True):
            instance.resps, instance.filtered_resps = [some[min(place, len(some) - 1)]], {}
        loaded._instances = instances
        loaded.apply_filters()
        for row, instance in enumerate(instances):
            if place < len(texts[row]):
                found[row].append(
                    {
                        name: {
                            key: float(value)
                            for key, value in loaded.process_results(instance.doc, [answer]).items()
                            if isinstance(value, int | float)
                        }
                        for name, answer in instance.filtered_resps.items()
                    }
                )
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
