"""datatrove's C4 chain on documents, in the environment that `peers` makes for it.

    JSONL -> LanguageFilter -> C4QualityFilter -> JSONL

Run by the benchmark as `python web_peer_datatrove.py SETTINGS.json`. The language identifier is the file that ours is
compared with (datatrove would fetch the unquantised one); constants are set to C4's own.
"""

import importlib
import json
import os
import resource
import sys
import tempfile
from pathlib import Path


def cpu_seconds() -> float:
    """Return the CPU seconds, user and system, of this process and of its children that ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    """Run what the settings say and print CPU seconds."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.environ["DATATROVE_COLORIZE_LOGS"] = "0"
    loguru = importlib.import_module("loguru")
    executor = importlib.import_module("datatrove.executor.local")
    filters = importlib.import_module("datatrove.pipeline.filters")
    readers = importlib.import_module("datatrove.pipeline.readers")
    writers = importlib.import_module("datatrove.pipeline.writers.jsonl")
    text = importlib.import_module("datatrove.utils.text")
    identifier = importlib.import_module("datatrove.utils.lid")
    loguru.logger.remove()
    language = filters.LanguageFilter(languages=["en"], language_threshold=0.65)
    # The pipeline is copied before it runs, and a loaded model cannot be.
    vars(identifier)["cached_asset_path_or_download"] = lambda *_, **__: settings["lid"]
    quality = filters.C4QualityFilter(min_num_sentences=3, min_words_per_line=5)
    text.split_into_sentences("This loads the model. It is not timed.", quality.language)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        chain = [
            readers.JsonlReader(settings["documents"]),
            language,
            quality,
            writers.JsonlWriter(str(output / "kept")),
        ]
        before = cpu_seconds()
        stats = executor.LocalPipelineExecutor(chain, tasks=1, workers=1, logging_dir=str(output / "logs")).run()
        spent = cpu_seconds() - before
    counts = {step["name"]: step["stats"] for step in json.loads(stats.to_json())}
    kept = next(found["total"] for name, found in counts.items() if "WRITER" in name)
    print(json.dumps({"cpu_seconds": spent, "kept": kept}))


if __name__ == "__main__":
    main()
