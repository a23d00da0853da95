"""Where in a repository a file stands: its own code, a copy for tests or of a build, or somebody else's project.

    src/six.py -> OWN; tests/fixtures/six.py -> AS_DATA; pip/_vendor/six.py -> FROM_ELSEWHERE;
    pipenv/patched/pip/_vendor/six.py -> CARRIED_TWICE

The folders are those that GitHub's Linguist leaves out of a repository's languages (its lib/linguist/vendor.yml), and
the customs of package managers. Names are compared whole, in lower case, with `_` and `-` left out.
"""

from __future__ import annotations

OWN, AS_DATA, FROM_ELSEWHERE, CARRIED_TWICE = 0, 1, 2, 3

_FROM_ELSEWHERE = frozenset(
    {"vendor", "vendors", "vendored", "thirdparty", "3rdparty", "external", "externals", "extern", "nodemodules"}
    | {"bowercomponents", "jspmpackages", "sitepackages", "distpackages", "godeps", "pods", "carthage", "bundled"}
    | {"deps", "dependencies", "subprojects", "gnulib", "patched"}
)
_AS_DATA = frozenset(
    {"testdata", "fixture", "fixtures", "snapshots", "goldens", "corpus", "corpora", "build", "dist", "target"}
    | {"cache", "generated", "backup", "backups", "old", "attic"}
)
_LEFT_OUT = str.maketrans("", "", "_-")


def standing(path: str) -> int:
    """Return what the folders of a path say of its file, the largest that any says."""
    folders = [folder.translate(_LEFT_OUT) for folder in path.lower().replace("\\", "/").split("/")[:-1]]
    if carried := sum(folder in _FROM_ELSEWHERE for folder in folders):
        return FROM_ELSEWHERE if carried == 1 else CARRIED_TWICE
    return OWN if _AS_DATA.isdisjoint(folders) else AS_DATA
