"""What Dataflow's workers should be, of what a build holds in memory and on disk: flags of Beam, where none is given.

    reducer's keys, models ─> memory of a process ─> machine type      inputs, models ─> disk      items ─> workers

A process runs one item at a time, and each core has a process of its own, in a container: containers share no files, so
that each has its own copy of the models. The sizes are our own estimates, and were not run on Dataflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.runners.needs import GIB, KEY_BYTES, PROCESS_BYTES

CORES = 4  # of a machine: small ones lose little when one is lost
# Memory for each core of Google's machines of the type n2, in GiB; what Dataflow itself takes is left out.
_TYPES: Mapping[str, float] = {"n2-standard": 3.5, "n2-highmem": 7.5}
BOOT_BYTES = 30 * GIB  # the system, and the workers' image
COPIES = 3  # of an item's input on disk: fetched, being written, and what was there before
ITEMS_OF_A_CORE = 8  # at least, so that none waits long for the last one
MOST_WORKERS = 1_000


@dataclass(frozen=True)
class Machines:
    """What a build needs: the most keys of a reducer, the bytes of all models read, inputs by size in bytes."""

    reducer_keys: int
    model_bytes: int
    input_bytes: Sequence[int]

    @property
    def memory(self) -> int:
        """Bytes of memory of a process: models are read beside documents, keys of a reducer without them."""
        return PROCESS_BYTES + max(self.reducer_keys * KEY_BYTES, self.model_bytes)

    @property
    def disk(self) -> int:
        """Bytes of disk of a machine."""
        return BOOT_BYTES + CORES * (COPIES * max(self.input_bytes, default=0) + self.model_bytes)

    @property
    def workers(self) -> int:
        """The number of machines that have enough to do."""
        return max(1, min(MOST_WORKERS, len(self.input_bytes) // (CORES * ITEMS_OF_A_CORE)))

    def flags(self, given: Sequence[str] = ()) -> list[str]:
        """Return the flags that are not among those given.

        Where a core's memory is not enough, a machine has one process alone, and as much memory as that needs.
        """
        roomy = [name for name, memory in _TYPES.items() if self.memory <= memory * GIB]
        alone = [] if roomy else ["--experiments=no_use_multiple_sdk_containers"]
        cores = CORES if roomy else max(CORES, _power_of_two(self.memory / (_TYPES["n2-highmem"] * GIB)))
        wanted = [
            f"--worker_machine_type={(roomy or ['n2-highmem'])[0]}-{cores}",
            f"--disk_size_gb={-(-self.disk // 10**9)}",
            f"--max_num_workers={self.workers}",
            "--number_of_worker_harness_threads=1",
            *alone,
        ]
        names = {flag.partition("=")[0] for flag in given} - {"--experiments"}
        return [flag for flag in wanted if flag.partition("=")[0] not in names]


def _power_of_two(number: float) -> int:
    """Return the smallest power of two that is at least a number, as machines have cores."""
    return 1 << max(0, -(-int(number * 1000) // 1000) - 1).bit_length()
