"""What is done once before there are items: inputs that cannot be read from the middle are cut into parts.

inputs ─> Unpacking each ─ the source's `unpack` ─> parts and a manifest that names them ─> items
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelines.files import storage
from pipelines.hashing import digest_of
from pipelines.recipes import Recipe
from pipelines.stages.jobs import Job, pending
from pipelines.stages.kinds import Item, Part, Paths
from pipelines.stages.source import Input, Source, Unpacking


def tasks(source: Source, inputs: Sequence[Input], recipe: Recipe, paths: Paths) -> list[Unpacking]:
    """Return a task for each input, in the order of their digests."""
    assert source.unpack_part is not None
    part = source.unpack_part(recipe)
    directory = paths.work("unpack", "")[:-1]
    version = [source.unpack_version] if source.unpack_version > 1 else []  # the first was made before there were any
    return [
        Unpacking(
            path=one.path,
            part=Part(one.path, one.digest, one.attributes),
            directory=directory,
            manifest=f"{directory}/{one.digest}.json",
            identity=digest_of("unpack", one.digest, one.attributes, part, *version),
            recipe=part,
        )
        for one in sorted(inputs, key=lambda one: one.digest)
    ]


def plan(source: Source, wanted: Sequence[Unpacking]) -> list[Job]:
    """Return the job of what is not unpacked yet."""
    assert source.unpack is not None
    return pending(f"{source.name}/unpack", source.unpack, wanted)


def items(done: Sequence[Unpacking]) -> Iterator[Item]:
    """Yield an item for each part."""
    for task in done:
        for name, offset in storage.read_json(task.manifest)["parts"]:
            attributes = (*task.part.attributes, ("base_offset", str(offset)))
            yield Item(
                f"{task.part.digest}-{offset:012d}",
                (Part(f"{task.directory}/{name}", task.part.digest, attributes),),
            )
