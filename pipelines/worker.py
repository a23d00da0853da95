"""The process of a local worker: Beam's own, quiet, and never left behind.

Beam's local runner starts it with `python -m pipelines.worker` and the process id of the driver in the environment. If
the driver is gone (killed, say), the worker ends too; Beam's own worker would finish what it had begun first.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time

DRIVER = "ALTIPLANO_DRIVER_PID"


def main() -> None:
    """Run Beam's worker with its logs silenced: what a task raises reaches the driver by itself."""
    logging.basicConfig(level=logging.CRITICAL, handlers=[logging.NullHandler()])
    driver = int(os.environ.get(DRIVER, "0"))
    if driver:
        threading.Thread(target=_end_with, args=(driver,), daemon=True).start()
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)


def _end_with(driver: int) -> None:
    while True:
        try:
            os.kill(driver, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(1)


if __name__ == "__main__":
    main()
