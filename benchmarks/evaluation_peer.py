"""lm-evaluation-harness on local files: run by the Python of an environment that has it (evaluation_data.py makes one).

    python benchmarks/evaluation_peer.py ASKED.json ANSWERED.json

ASKED is {"model": a folder in Hugging Face's format, "context": 2048, "batch": 8, "tasks": [{"name": its name of the
task, "files": {split: file of JSON lines}, "shots": 0}]}; ANSWERED has of each task the log-likelihoods of every
question's choices or what it generated, its prompts, its scores, and the CPU seconds that all of it took. Its own
configuration of a task is read as it is when this runs; only where the rows are is replaced.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.harness_tasks import local_tasks

# Before anything of it is imported: no file is asked of any server.
os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")


def main(asked_path: str, answered_path: str) -> None:
    import torch
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    asked = json.loads(Path(asked_path).read_text())
    torch.set_num_threads(1)
    folder = Path(answered_path).parent / "tasks"
    local_tasks(asked["tasks"], TaskManager().task_index, folder)
    model = HFLM(
        pretrained=asked["model"], device="cpu", dtype="float32", batch_size=asked["batch"], max_length=asked["context"]
    )
    manager = TaskManager(include_path=str(folder))
    answered: dict[str, Any] = {}
    for task in asked["tasks"]:
        start = time.process_time()
        name = f"local_{task['name']}"
        found = simple_evaluate(
            model, tasks=[name], num_fewshot=task["shots"], task_manager=manager, bootstrap_iters=0, log_samples=True
        )
        samples = sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
        answered[task["name"]] = {
            "seconds": time.process_time() - start,
            "answers": [[answer[0] for answer in sample["resps"]] for sample in samples],
            "prompts": [list(sample["arguments"].values()) for sample in samples]
            if isinstance(samples[0]["arguments"], dict)
            else [sample["arguments"] for sample in samples],
            "scores": {key: value for key, value in found["results"][name].items() if isinstance(value, float)},
        }
    Path(answered_path).write_text(json.dumps(answered))


if __name__ == "__main__":
    main(*sys.argv[1:])
