"""lm-evaluation-harness' own configurations of tasks, with local files as their rows; read where it is installed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_SPLITS = (("training_split", "train"), ("validation_split", "validation"), ("test_split", "test"))


def local_tasks(tasks: Iterable[Mapping[str, Any]], known: Mapping[str, Any], folder: Path) -> None:
    """Write FOLDER/TASK.yaml for each task: `local_TASK` is what is `known` of the task, with its own `files` by split.

    A split that has no file is left out: of one, the harness would say that it is missing.
    """
    folder.mkdir(exist_ok=True)
    for task in tasks:
        theirs = known[task["name"]]
        config = {
            "include": str(theirs.yaml_path),
            "task": f"local_{task['name']}",
            "tag": None,
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": task["files"]},
        }
        for key, usual in _SPLITS:
            split = theirs.cfg.get(key, usual)
            config[key] = split if split in task["files"] else None
        (folder / f"{task['name']}.yaml").write_text(json.dumps(config))  # JSON is YAML
