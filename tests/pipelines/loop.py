"""The loop that every runner must equal: a wave's functions with nothing between them, neither plans nor files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pipelines.stages.jobs import Job, Shuffle


def run(jobs: Sequence[Job | Shuffle]) -> None:
    """Execute jobs one after the other in this process."""
    for job in jobs:
        if isinstance(job, Job):
            for element in job.elements:
                job.process(element)
        else:
            _shuffle(job)


def _shuffle(job: Shuffle) -> None:
    wanted = set(job.buckets)
    groups: dict[int, list[Any]] = defaultdict(list)
    for element in job.elements:
        for bucket, found in job.split(element):
            if bucket in wanted:
                groups[bucket].append(found)
    for bucket in job.buckets:
        job.reduce(bucket, groups[bucket])
