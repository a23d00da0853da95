"""Java, which Flink and Spark are written in: the one that is here, and what they look at inside of it."""

from __future__ import annotations

import re
import shutil
import subprocess

LEAST, MOST = 11, 17
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
# What Flink, Spark and Kryo look at inside Java 17.
_OPENS = (
    *("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "text", "time"),
    *("util", "util.concurrent", "util.concurrent.atomic"),
)
_SUN_OPENS = ("nio.ch", "nio.cs", "security.action", "util.calendar")
_EXPORTS = ("java.base/sun.net.util", "java.rmi/sun.rmi.registry", "java.security.jgss/sun.security.krb5")


def found(what: str, most: int | None = None) -> str:
    """Return the path of `java`, for a program; raise ValueError if there is none, or one of another version."""
    needed = f"{LEAST} or later" if most is None else f"{LEAST} to {most}"
    path = shutil.which("java")
    if path is None:
        raise ValueError(f"{what} needs Java {LEAST} or {MOST}, and there is no `java` on the PATH")
    said = subprocess.run([path, "-version"], capture_output=True, text=True, check=False)
    version = _VERSION.search(said.stderr + said.stdout)
    if version is None or not LEAST <= int(version[1]) <= (most or int(version[1])):
        which = f"Java {version[1]}" if version else "no Java that says its version"
        raise ValueError(f"{path} is {which}; {what} needs {needed}")
    return path


def opened() -> list[str]:
    """Return the options that let a program look inside."""
    inner = [*(f"java.{name}" for name in _OPENS), *(f"sun.{name}" for name in _SUN_OPENS)]
    opens = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in inner]
    return [*opens, *(f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTS)]
