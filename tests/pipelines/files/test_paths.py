"""Every spelling of a path becomes one form; what names no place is refused in a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.files import paths


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("corpus", "corpus"),
        ("corpus/", "corpus"),
        ("corpus//", "corpus"),
        ("./corpus", "corpus"),
        ("././/corpus/.", "corpus"),
        ("a/../corpus", "corpus"),
        ("../x", "../x"),
        (".", "."),
        ("./", "."),
        ("/data//corpus/", "/data/corpus"),
        ("//data/corpus", "/data/corpus"),
        ("///data/corpus", "/data/corpus"),
        ("/data/./a/../corpus", "/data/corpus"),
        ("my out/corpus", "my out/corpus"),
        (" corpus ", " corpus "),
        ("données/コーパス/", "données/コーパス"),
        ("x[1]/corpus/", "x[1]/corpus"),
        ("file:///data/corpus/", "/data/corpus"),
        ("file:/data/corpus", "/data/corpus"),
        ("FILE://localhost/data/corpus", "/data/corpus"),
        ("file:///data/my%20out/d%C3%A9", "/data/my out/dé"),
        ("file:///data/what?#1", "/data/what?#1"),
        ("s3://b/c", "s3://b/c"),
        ("s3://b/c/", "s3://b/c"),
        ("S3://b//c///d/./", "s3://b/c/d"),
        ("gs://b//c", "gs://b/c"),
        ("gs://b/", "gs://b"),
        ("gs://b/my out/x[1]", "gs://b/my out/x[1]"),
        ("https://host/a//b?x=1", "https://host/a//b?x=1"),
        ("hdfs://host/a", "hdfs://host/a"),
        ("odd:name", "odd:name"),
        ("a://b c/d", "a://b c/d"),
    ],
)
def test_spellings(written: str, form: str) -> None:
    assert paths.form(written) == form
    assert paths.form(form) == form


def test_the_home_folder(here: Path) -> None:
    assert paths.form("~/corpus/") == f"{here}/home/corpus"
    assert paths.form("~") == f"{here}/home"
    (here / "~notes").touch()
    assert paths.form("~notes") == "./~notes"
    assert paths.form("./~else") == paths.form("././~else") == "./~else"
    assert paths.form("./s3:/x") == "./s3:/x"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", "a path is expected"),
        ("a\0b", "a path is expected"),
        ("s3://", "write it as s3://BUCKET/NAME"),
        ("gs:///c", "write it as gs://BUCKET/NAME"),
        ("s3://b/../c", "without '..'"),
        ("s3:/b/c", "write s3://, with two slashes"),
        ("gs:b/c", "write gs://, with two slashes"),
        ("https:/host", "write https://, with two slashes"),
        ("file://host/c", "this names another machine"),
        ("~nobody-of-this-name/x", "no such user"),
    ],
)
def test_what_names_no_place(written: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        paths.form(written)
    with pytest.raises(ValueError, match=problem):
        paths.pattern(written)


@pytest.mark.parametrize("root", ["/", "//", "/a/..", "file:///", "link", "~", "~/", "~/x/.."])
def test_the_root_is_no_folder_to_write_to(here: Path, root: str) -> None:
    (here / "link").symlink_to("/")
    with pytest.raises(ValueError, match="root of the disk and your home"):
        paths.folder(root)


def test_up_from_a_link_is_where_the_system_goes(here: Path) -> None:
    (here / "store/deep/corpus").mkdir(parents=True)
    (here / "link").symlink_to(here / "store/deep")
    assert paths.form("link/corpus") == "link/corpus"
    assert paths.form("link/../x") == f"{here}/store/x"
    assert paths.form("link/corpus/../../x") == f"{here}/store/x"
    assert paths.form("store/deep/../x") == "store/x"
    assert paths.form("link/corpus/../y") == "link/y"
    assert paths.form("none/../y") == "y"


def test_the_name_of_an_object_that_is_read_stays() -> None:
    assert paths.pattern("S3://b//c/*.gz") == "s3://b//c/*.gz"
    assert paths.pattern("dumps//*.gz") == "dumps/*.gz"
    assert paths.pattern("./dumps/**/[a-c]?.gz") == "dumps/**/[a-c]?.gz"


@given(st.text(st.sampled_from("ab./~ é"), min_size=1, max_size=30))
def test_a_form_is_the_same_place_and_its_own_form(written: str) -> None:
    try:
        found = paths.form(written)
    except ValueError:
        return
    assert paths.form(found) == found
    if not written.startswith("~"):
        assert os.path.realpath(found) == os.path.realpath(written)
