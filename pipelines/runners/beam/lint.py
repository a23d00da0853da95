"""What a compiled graph must not do, looked up in the graph itself: every input of a GroupByKey, and the graph's size.

- Keys have a coder that gives equal keys equal bytes, on every engine: bytes, numbers, strings.
- Values are calls and pointers (`runners.beam.waves`) or chunks of a plan file. Text, lines and documents have other
  coders, so that one of them crossing a shuffle shows here. The three kinds of content that a corpus does bring
  together (tokens in their shard, answers with their question, code with its file's row) are no exceptions: they lie
  in run files, and it is pointers to them that are shuffled.
- The graph as it is submitted is under Dataflow's limit.
"""

from __future__ import annotations

from collections.abc import Iterator

import apache_beam as beam
from apache_beam.coders import Coder
from apache_beam.portability.api import beam_runner_api_pb2 as api
from apache_beam.runners.pipeline_context import PipelineContext

from pipelines.runners.beam.waves import ChunkCoder, ParcelCoder

GROUP_BY_KEY = "beam:transform:group_by_key:v1"
RESHUFFLE = "beam:transform:reshuffle:v1"
KEYED = "beam:coder:kv:v1"
DETERMINISTIC = frozenset({"beam:coder:bytes:v1", "beam:coder:varint:v1", "beam:coder:string_utf8:v1"})
SHUFFLED = (ParcelCoder, ChunkCoder)
LARGEST_GRAPH = 10 << 20  # Dataflow's limit of a job's request


def problems(pipeline: beam.Pipeline) -> Iterator[str]:
    """Yield what is wrong with a pipeline, each named by its transform; nothing if it is sound."""
    proto, context = pipeline.to_runner_api(return_context=True, use_fake_coders=False)
    yield from graph_problems(proto, context)


def graph_problems(proto: api.Pipeline, context: PipelineContext) -> Iterator[str]:
    """Yield what is wrong with a compiled graph."""
    components = proto.components
    for transform in components.transforms.values():
        if transform.spec.urn == GROUP_BY_KEY and not _is_inside_reshuffle(transform, components):
            for name in transform.inputs.values():
                yield from _shuffled(transform.unique_name, components.pcollections[name].coder_id, components, context)
        if transform.spec.urn == RESHUFFLE:
            for name in transform.inputs.values():
                yield from _value(transform.unique_name, components.pcollections[name].coder_id, components, context)
    if proto.ByteSize() >= LARGEST_GRAPH:
        yield f"the graph has {proto.ByteSize():,} bytes; an engine accepts {LARGEST_GRAPH:,}"


def _is_inside_reshuffle(transform: api.PTransform, components: api.Components) -> bool:
    """Tell whether a GroupByKey is the one that Beam makes of a Reshuffle, with random numbers for keys."""
    reshuffles = [found for found in components.transforms.values() if found.spec.urn == RESHUFFLE]
    return any(transform.unique_name.startswith(f"{found.unique_name}/") for found in reshuffles)


def _shuffled(name: str, coder: str, components: api.Components, context: PipelineContext) -> Iterator[str]:
    spec = components.coders[coder]
    if spec.spec.urn != KEYED:
        yield f"{name} groups elements without a key"
        return
    key, value = spec.component_coder_ids
    if (urn := components.coders[key].spec.urn) not in DETERMINISTIC:
        yield f"{name} has keys of the coder {_said(key, urn, context)}, which need not be deterministic"
    yield from _value(name, value, components, context)


def _value(name: str, coder: str, components: api.Components, context: PipelineContext) -> Iterator[str]:
    found: Coder = context.coders.get_by_id(coder)
    if not isinstance(found, SHUFFLED):
        urn = components.coders[coder].spec.urn
        yield f"{name} shuffles {_said(coder, urn, context)}, which is neither a pointer nor a call: text may cross it"


def _said(coder: str, urn: str, context: PipelineContext) -> str:
    return f"{type(context.coders.get_by_id(coder)).__name__} ({urn})"
