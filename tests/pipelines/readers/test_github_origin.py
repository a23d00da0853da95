"""Where an archive's files come from: repository, tag and folder, by what its input says or a module's zip."""

import pytest

from filters.code.license import PERMISSIVE
from pipelines.document import Document
from pipelines.readers import Dump, github_origin
from tests.pipelines.readers.test_github_archive import MIT, read_all, zipped


@pytest.mark.parametrize(
    ("path", "top"),
    [
        ("a.py", ""),
        ("herd-1.0/a.py", "herd-1.0"),
        ("herd-1.0/src/x@v1.0.0/a.py", "herd-1.0/src/x@v1.0.0"),
        ("github.com/a/b@v1.2.3/c/d.go", "github.com/a/b@v1.2.3"),
        ("golang.org/x/net@v0.33.0/html/node.go", "golang.org/x/net@v0.33.0"),
        ("github.com/a/b@v1.2.3", "github.com"),
        ("github.com/a/b@v1.2/c.go", "github.com"),
        ("@v1.2.3/c.go", "@v1.2.3"),
    ],
)
def test_the_top_folder(path: str, top: str) -> None:
    assert github_origin.top_folder(path) == top


COMMIT = "v0.0.0-20241014173422-cfa47c3a1cc8"


@pytest.mark.parametrize(
    ("top", "attributes", "repository", "url", "release"),
    [
        ("herd-1.0", {}, "herd-1.0", None, "herd-1.0"),
        ("herd-1.0", {"repository": "a/b"}, "a/b", "a/b/blob/HEAD/c.py", "herd-1.0"),
        ("herd-1.0", {"repository": "a/b", "ref": "v1"}, "a/b", "a/b/blob/v1/c.py", "v1"),
        ("herd-1.0", {"ref": "v1"}, "herd-1.0", None, "v1"),
        ("", {}, "archive-d1", None, ""),
        ("", {"repository": "a/b"}, "a/b", "a/b/blob/HEAD/c.py", ""),
        ("package", {"repository": "a/b"}, "a/b", "a/b/blob/HEAD/c.py", ""),
        ("github.com/a/b@v1.2.3", {}, "a/b", "a/b/blob/v1.2.3/c.py", None),
        ("github.com/a/b@v2.0.1+incompatible", {}, "a/b", "a/b/blob/v2.0.1/c.py", None),
        ("github.com/a/b/sdk/core@v1.2.3", {}, "a/b", "a/b/blob/sdk/core/v1.2.3/sdk/core/c.py", None),
        (f"github.com/a/b@{COMMIT}", {}, "a/b", "a/b/blob/cfa47c3a1cc8/c.py", None),
        ("github.com/a/b/v4@v4.1.0", {}, "a/b", None, None),
        ("github.com/a/b/sdk/v4@v4.1.0", {"repository": "a/b"}, "a/b", None, None),
        ("github.com/a/b@v1.2.3", {"ref": "main"}, "a/b", "a/b/blob/main/c.py", "main"),
        ("github.com/a/b@v1.2.3", {"repository": "c/d"}, "c/d", "c/d/blob/HEAD/c.py", None),
        ("golang.org/x/net@v0.33.0", {}, "golang.org/x/net@v0.33.0", None, None),
        ("golang.org/x/net@v0.33.0", {"repository": "a/net"}, "a/net", "a/net/blob/HEAD/c.py", None),
    ],
)
def test_where_files_come_from(
    top: str, attributes: dict[str, str], repository: str, url: str | None, release: str | None
) -> None:
    found = github_origin.of(top, Dump(name="x.zip", digest="d1", attributes=attributes))
    assert (found.repository, found.url(f"{found.folder}c.py")) == (repository, url and f"https://github.com/{url}")
    assert found.release == (top if release is None else release)


def test_a_module_of_go_is_a_repository() -> None:
    folder = "github.com/a/b/sdk@v1.2.3"
    records, _ = read_all(zipped({f"{folder}/LICENSE": MIT, f"{folder}/deep/c.go": b"package c\n"}))
    file = records[1]
    assert isinstance(file, Document)
    assert file.title == file.attributes["path"] == "sdk/deep/c.go"
    assert (file.attributes["repository"], file.attributes["release"]) == ("a/b", folder)
    assert file.url == "https://github.com/a/b/blob/sdk/v1.2.3/sdk/deep/c.go"
    assert str(file.license).lower() in PERMISSIVE
