"""The one private call to CPython (`_forkserver._stop`) does what it is made for, on the Pythons that are admitted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import resource, time
from pipelines.runners.beam import fork_server

def burn():
    while time.process_time() < 0.5:
        pass

if __name__ == "__main__":
    fork_server.PRELOADED.clear()
    process = fork_server.context().Process(target=burn)
    process.start()
    process.join()
    fork_server.end()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert used.ru_utime + used.ru_stime >= 0.5, used
"""


def test_what_workers_used_counts_as_used_by_this_process_children(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


BLOCKED = """
import multiprocessing.forkserver, signal
from pathlib import Path
from pipelines.runners.beam import fork_server

if __name__ == "__main__":
    fork_server.PRELOADED.clear()
    fork_server.start()
    server = multiprocessing.forkserver._forkserver._forkserver_pid
    status = Path(f"/proc/{server}/status").read_text()
    blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
    assert blocked >> (signal.SIGINT - 1) & 1, status
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    fork_server.end()
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="masks of signals are listed as Linux does")
def test_ctrl_c_is_the_driver_s_alone_also_while_the_server_still_imports(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(BLOCKED)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
