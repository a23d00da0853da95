"""Where an archive's files come from: repository, release and address, by what is said of the input and its top folder.

    requests-2.32.5/                           -> repository requests-2.32.5, no address
    requests-2.32.5/, repository=psf/requests  -> github.com/psf/requests/blob/HEAD/...
    github.com/aws/sdk/service/sqs@v1.37.4/    -> github.com/aws/sdk/blob/service/sqs/v1.37.4/service/sqs/...

All files of a Go module's zip lie under MODULE@VERSION, and a module's path on GitHub names its repository, its folder
there and, with the version, its tag (Go Modules Reference, "Module zip files" and "Mapping versions to commits").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from pipelines.readers import Dump

_GO_MODULE = re.compile(r"(?P<module>[^@]+)@(?P<version>v\d+\.\d+\.\d+[^/@]*)")
# A module of major version 2 or more lies in its folder, or in one of that name in it: nothing in the zip tells.
_ON_GITHUB = re.compile(
    r"github\.com/(?P<repository>[A-Za-z0-9-]+/[A-Za-z0-9._-]+?)(?:/(?P<folder>.+?))??(?P<major>/v\d+)?"
)
_NUMBER = re.compile(r"\d\.\d")
# A version that stands for a commit: v0.0.0-20241014173422-cfa47c3a1cc8.
_COMMIT = re.compile(r".*[-.]\d{14}-([0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the files of an archive come from: `folder` ends in "/" or is empty; `ref` is None if there is no address.

    `release` is the tag, branch or commit that is known, else the archive's top folder if a release's number is in it.
    """

    repository: str
    ref: str | None
    folder: str
    release: str

    def url(self, path: str) -> str | None:
        """Return the address of a file by its path in the repository; None where none is known."""
        if self.ref is None:
            return None
        return f"https://github.com/{quote(self.repository)}/blob/{quote(self.ref)}/{quote(path)}"


def top_folder(path: str) -> str:
    """Return the folder of a normalised path that may stand for the repository, "" if the file lies in none."""
    module = _GO_MODULE.match(path)
    if module and path[module.end() :].startswith("/"):
        return module[0]
    top, slash, _ = path.partition("/")
    return top if slash else ""


def of(top: str, dump: Dump) -> Origin:
    """Return where the files under a top folder come from; attributes of the input win over what the folder tells."""
    given, ref = dump.attributes.get("repository"), dump.attributes.get("ref")
    release = ref or (top if _NUMBER.search(top) else "")
    module = _GO_MODULE.fullmatch(top)
    place = _ON_GITHUB.fullmatch(module["module"]) if module else None
    if module and place and given in (None, place["repository"]):
        folder = f"{place['folder']}/" if place["folder"] else ""
        tag = _tag(folder, module["version"])
        return Origin(place["repository"], None if place["major"] else ref or tag, folder, release)
    # Of an archive without a top folder nothing in it tells the name.
    repository = given or top or f"archive-{dump.digest[:12]}"
    return Origin(repository, (ref or "HEAD") if given else None, "", release)


def _tag(folder: str, version: str) -> str:
    commit = _COMMIT.fullmatch(version)
    return commit[1] if commit else folder + version.partition("+")[0]
