"""GitHub reader for archives: licences by folder, links, escapes, bombs, damage."""

import gzip
import io
import stat
import tarfile
import zipfile
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.code.license import Reason, reason
from pipelines.document import Document, Drop
from pipelines.readers import Dump, github_archive
from pipelines.readers.github_archive import MAX_FILE_BYTES, read_archive

DUMP = Dump(name="herd-1.0.tar.gz", digest="d1")
MIT = (
    b"Permission is hereby granted, free of charge, to any person obtaining a copy.\n"
    b"Keep the above copyright notice and this permission notice.\n"
)
GPL = b"GNU GENERAL PUBLIC LICENSE Version 2, June 1991\n"


def tar(files: dict[str, bytes], *extra: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def read_all(data: bytes, dump: Dump = DUMP) -> tuple[list[Document | Drop], Counter[str]]:
    counts: Counter[str] = Counter()
    records = list(read_archive(io.BytesIO(data), dump, counts))
    assert counts["records"] == len(records)
    return records, counts


def licences(files: dict[str, bytes], dump: Dump = DUMP) -> dict[str, str | None]:
    records, _ = read_all(tar(files), dump)
    return {record.attributes["path"]: record.license for record in records if isinstance(record, Document)}


def outcomes(records: list[Document | Drop]) -> list[str]:
    return [str(record.reason) if isinstance(record, Drop) else "kept" for record in records]


@pytest.mark.parametrize("pack", [tar, zipped])
def test_a_file_is_a_document(pack: object) -> None:
    assert callable(pack)
    records, _ = read_all(pack({"herd-1.0/LICENSE": MIT, "herd-1.0/src/a b.py": b"x = 1\n"}))
    assert records[1] == Document(
        id="github/d1/1",
        source="github",
        text="x = 1\n",
        dump="d1",
        offset=1,
        url=None,  # only a repository has an address, no archive
        title="src/a b.py",
        license="MIT",
        attributes={
            "repository": "herd-1.0",
            "path": "src/a b.py",
            "code_language": "Python",
            "release": "herd-1.0",
        },
    )


def test_the_nearest_licence_wins() -> None:
    found = licences(
        {
            "r/a.py": b"1",
            "r/vendor/gpl/deep/b.py": b"2",
            "r/vendor/own/c.py": b"3",
            "r/vendor/gpl/COPYING": GPL,
            "r/vendor/own/LICENSE": b"Ask us first.",
            "r/LICENSE.txt": MIT,
        }
    )
    assert found["a.py"] == "MIT"
    assert found["vendor/gpl/deep/b.py"] == "GPL-2.0"
    assert found["vendor/own/c.py"] == "unknown"


def test_metadata_is_an_expression_and_wins_over_texts() -> None:
    crate = b'[package]\nname = "a"\nlicense = "MIT OR Apache-2.0"\n'
    assert licences({"r/Cargo.toml": crate, "r/LICENSE-MIT": MIT, "r/a.rs": b"1"})["a.rs"] == "MIT OR Apache-2.0"
    assert licences({"r/package.json": b'{"license": "ISC"}', "r/a.js": b"1"})["a.js"] == "ISC"
    assert licences({"r/PKG-INFO": b"Name: r\nLicense-Expression: MIT\n", "r/a.py": b"1"})["a.py"] == "MIT"
    for damaged in (b"[" * 100_000, b"{", b"[]", b'{"license": 3}', b"\xff"):
        assert licences({"r/package.json": damaged, "r/a.js": b"1"})["a.js"] == "unknown"


def test_several_texts_are_all_needed_unless_one_is_the_main_one() -> None:
    both = {"r/LICENSE-A": MIT, "r/LICENSE-B": GPL, "r/a.py": b"1"}
    assert licences(both)["a.py"] == "(GPL-2.0) AND (MIT)"
    assert licences({**both, "r/LICENSE": MIT})["a.py"] == "MIT"
    assert licences({"r/license.py": MIT, "r/a.py": b"1"})["a.py"] == "unknown"


@pytest.mark.parametrize(
    "name",
    ["license.go", "license.ts", "license.rs", "license.py", "license.c", "licenses.kt", "License.swift",
     "license.json", "license_test.go", "LICENSE.java", "copying.js",
     "license-checker.mjs", "LICENSE.sh", "license_plates.txt"],
)  # fmt: skip
def test_source_files_are_no_licence_texts(name: str) -> None:
    gpl = b"" if name.endswith(".txt") else GPL  # what a program says of licences
    found = licences({"r/LICENSE": MIT, f"r/cmd/{name}": b"x = 1\n" + gpl, "r/cmd/a.go": b"1", "r/cmd/deep/b.go": b"2"})
    assert set(found.values()) == {"MIT"}


def test_a_script_called_license_is_no_text() -> None:
    assert licences({"r/LICENSE": MIT, "r/bin/license": b"#!/bin/sh\necho " + GPL, "r/bin/a": b"1"})["bin/a"] == "MIT"


@pytest.mark.parametrize(
    "name",
    ["LICENSE", "LICENCE.md", "license.txt", "COPYING", "COPYING.LESSER", "LICENSE-2.0.txt", "LICENSE.apache",
     "UNLICENSE", "MIT-LICENSE.txt", "GPL-LICENSE", "LICENSE_GPL", "licenses.txt", "LICENSE.html"],
)  # fmt: skip
def test_the_names_of_licence_texts(name: str) -> None:
    assert licences({"r/LICENSE": MIT, f"r/sub/{name}": GPL, "r/sub/a.py": b"1"})["sub/a.py"] == "GPL-2.0"


def test_a_condition_beside_metadata_or_in_a_file_of_its_own_binds() -> None:
    clause = b'"Commons Clause" License Condition v1.0\n'
    for files in (
        {"r/LICENSE": clause + MIT},
        {"r/LICENSE": MIT + clause},
        {"r/LICENSE": MIT + clause, "r/package.json": b'{"license": "MIT"}'},
        {"r/LICENSE": MIT, "r/LICENSE-COMMONS-CLAUSE": clause},
        {"r/package.json": b'{"license": "MIT WITH Commons-Clause"}'},
    ):
        assert reason(licences({**files, "r/a.py": b"1"})["a.py"]) is Reason.NOT_PERMISSIVE


def test_a_text_that_points_to_the_licences_beside_it() -> None:
    either = b"This is made available under *either* of the licenses found in LICENSE.A or LICENSE.B."
    files = {"r/LICENSE.A": MIT, "r/LICENSE.B": GPL, "r/a.py": b"1"}
    assert licences({**files, "r/LICENSE": either})["a.py"] == "(GPL-2.0) OR (MIT)"
    assert licences({**files, "r/LICENSE": b"See LICENSE.A and LICENSE.B."})["a.py"] == "(GPL-2.0) AND (MIT)"
    assert licences({**files, "r/LICENSE": b"Ask us."})["a.py"] == "unknown"


def test_licences_in_a_folder_of_their_own_and_beside_a_file() -> None:
    reuse = {"r/LICENSES/MIT.txt": MIT, "r/a.py": b"1", "r/sub/b.py": b"1", "r/c.md": b"# C\n"}
    sidecar = {"r/c.md.license": b"SPDX-FileCopyrightText: X\nSPDX-License-Identifier: CC-BY-4.0\n"}
    found = licences(reuse | sidecar)
    assert (found["a.py"], found["sub/b.py"], found["c.md"]) == ("MIT", "MIT", "CC-BY-4.0")
    assert licences({**reuse, "r/LICENSES/GPL.txt": GPL})["a.py"] == "(GPL-2.0) AND (MIT)"
    assert licences({**reuse, "r/LICENSE": GPL})["a.py"] == "GPL-2.0"
    assert licences({"r/sub/LICENSES/MIT.txt": MIT, "r/a.py": b"1", "r/LICENSE": GPL})["a.py"] == "GPL-2.0"


def test_npm_says_that_a_file_has_the_licence() -> None:
    found = licences(
        {"r/package.json": b'{"license": "SEE LICENSE IN LICENSE.md"}', "r/LICENSE.md": MIT, "r/a.js": b"1"}
    )
    assert found["a.js"] == "MIT"


def paths(files: dict[str, bytes], pack: Any, **attributes: str) -> list[tuple[str, str, str]]:
    records, _ = read_all(pack(files), Dump(name="x", digest="0123456789abcdef", attributes=attributes))
    found = [record for record in records if isinstance(record, Document)]
    return [(str(one.attributes["repository"]), one.attributes["path"], str(one.license)) for one in found]


@pytest.mark.parametrize("pack", [tar, zipped])
def test_the_top_folder_is_what_all_members_share(pack: Any) -> None:
    flat = {"LICENSE": MIT, "src/a.py": b"1", "lib/a.py": b"2"}
    assert paths(flat, pack) == [("archive-0123456789ab", path, "MIT") for path in flat]
    assert paths(flat, pack, repository="a/b", license="ISC") == [("a/b", path, "ISC") for path in flat]
    dotted = {"./p-1.0/LICENSE": MIT, "./p-1.0/src/./c.py": b"1", "p-1.0//src/d.py": b"2"}
    assert paths(dotted, pack) == [("p-1.0", path, "MIT") for path in ("LICENSE", "src/c.py", "src/d.py")]
    assert paths({"./LICENSE": MIT, "./src/a.py": b"1"}, pack)[1][1:] == ("src/a.py", "MIT")
    tools = {"__MACOSX/._p": b"1", "pax_global_header": b"2", "p/LICENSE": MIT, "p/a.py": b"1"}
    assert ("p", "a.py", "MIT") in paths(tools, pack)
    assert paths({"a.py": b"1"}, pack) == [("archive-0123456789ab", "a.py", "unknown")]
    assert paths({"p/LICENSE": MIT, "q/a.py": b"1"}, pack)[1][1:] == ("q/a.py", "unknown")


def test_pax_headers_are_no_members() -> None:
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "0" * 40}
    ) as archive:
        for name, data in {"p-1.0/LICENSE": MIT, f"p-1.0/{'d' * 200}/é.py": b"1"}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert paths({}, lambda files: buffer.getvalue())[1] == ("p-1.0", f"{'d' * 200}/é.py", "MIT")


def test_attributes_of_the_dump_come_first() -> None:
    dump = Dump(name="x", digest="d", attributes={"repository": "a/b", "ref": "v1", "license": "Apache-2.0"})
    (record,), _ = read_all(tar({"r/COPYING": GPL}), dump)
    assert isinstance(record, Document)
    assert (record.license, record.url) == ("Apache-2.0", "https://github.com/a/b/blob/v1/COPYING")


def test_links_and_folders_are_no_records() -> None:
    link, folder, pipe = tarfile.TarInfo("r/link"), tarfile.TarInfo("r/d"), tarfile.TarInfo("r/pipe")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    folder.type, pipe.type = tarfile.DIRTYPE, tarfile.FIFOTYPE
    records, counts = read_all(tar({"r/a.py": b"1"}, link, folder, pipe))
    assert outcomes(records) == ["kept"]
    assert counts == {"records": 1, "other:link": 1, "other:directory": 1, "other:device": 1}


@pytest.mark.parametrize("pack", [tar, zipped])
def test_files_that_cannot_be_read_are_dropped(pack: object) -> None:
    assert callable(pack)
    files = {
        "../../up.py": b"1",
        "/root.py": b"1",
        "r/a.py": b"\x7fELF\0",
        "r/b.py": b"x" * (MAX_FILE_BYTES + 1),
        "r/c.py": b"x" * MAX_FILE_BYTES,
        "r/é.py": b"caf\xe9",
    }
    records, _ = read_all(pack(files))
    assert outcomes(records) == ["unsafe_path", "unsafe_path", "binary", "too_large", "kept", "kept"]
    large = records[3]
    assert isinstance(large, Drop)
    assert large.scores == {"value": MAX_FILE_BYTES + 1, "limit": MAX_FILE_BYTES}


def test_a_file_without_text_says_where_it_is_from() -> None:
    files = {"r/LICENSE": MIT, "r/lib/a.so": b"\x7fELF\0", "r/b.bin": b"x" * (MAX_FILE_BYTES + 1)}
    records, _ = read_all(tar(files), Dump("r.tar", "d1", {"repository": "a/b", "ref": "v1"}))
    binary, large = (record for record in records if isinstance(record, Drop))
    assert (binary.reason, binary.url, binary.title, binary.license, binary.excerpt, binary.size) == (
        *("binary", "https://github.com/a/b/blob/v1/lib/a.so", "lib/a.so", "MIT", "r/lib/a.so", 5),
    )
    assert (large.reason, large.url, large.title, large.license) == (
        *("too_large", "https://github.com/a/b/blob/v1/b.bin", "b.bin", "MIT"),
    )
    unknown, _ = read_all(tar({"r/a.so": b"\0", "r/b.py": b"1"}))
    assert isinstance(unknown[0], Drop)
    assert (unknown[0].url, unknown[0].title, unknown[0].license) == (None, "a.so", "unknown")


@pytest.mark.parametrize("pack", [tar, zipped])
def test_source_in_other_encodings_and_binaries_that_look_like_source(pack: Any) -> None:
    files = {
        "r/marked.py": "x = 'naïve'\n".encode("utf-16"),
        "r/latin.py": "x = 'naïve'\n".encode("latin-1"),
        "r/unmarked.py": "x = 1\n".encode("utf-16-le"),
        "r/object.c": b"\x7fELF\x02\x01\x01" + bytes(64),
    }
    records, _ = read_all(pack(files))
    assert outcomes(records) == ["kept", "kept", "binary", "binary"]
    assert [record.text for record in records if isinstance(record, Document)] == ["x = 'naïve'\n"] * 2


def test_links_in_zips_are_no_records() -> None:
    buffer = io.BytesIO(zipped({"r/a.py": b"1"}))
    with zipfile.ZipFile(buffer, "a") as archive:
        link = zipfile.ZipInfo("r/link.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    records, counts = read_all(buffer.getvalue())
    assert outcomes(records) == ["kept"]
    assert counts["other:link"] == 1


def test_a_link_and_what_hides_behind_it_stay_inside_the_archive() -> None:
    link = tarfile.TarInfo("r/up")
    link.type, link.linkname = tarfile.SYMTYPE, "../.."
    hard = tarfile.TarInfo("r/hard.py")
    hard.type, hard.linkname = tarfile.LNKTYPE, "r/../../secret"
    records, counts = read_all(tar({"r/up/a.py": b"1", "r/../b.py": b"2", "r\\..\\c.py": b"3"}, link, hard))
    assert outcomes(records) == ["kept", "unsafe_path", "unsafe_path"]
    assert counts["other:link"] == 2


def test_a_zip_bomb_costs_no_more_than_the_limit_of_a_file() -> None:
    records, _ = read_all(zipped({f"r/{number}.py": bytes(64 << 20) for number in range(2)} | {"r/a.py": b"1"}))
    assert outcomes(records) == ["too_large", "too_large", "kept"]
    assert all(record.size == MAX_FILE_BYTES + 1 for record in records if isinstance(record, Drop))


def test_names_that_are_no_utf8() -> None:
    records, _ = read_all(tar({"r/caf\udce9.py": b"1"}))
    assert isinstance(records[0], Document)
    assert records[0].title == "caf\ufffd.py"


def test_a_truncated_archive_keeps_what_came_before() -> None:
    data = tar({f"r/{i}.py": bytes(f"x = {i}\n" * 50, "ascii") for i in range(500)})
    records, _ = read_all(data[: len(data) // 2])
    assert outcomes(records)[-1] == "truncated"
    assert outcomes(records)[0] == "kept"


def test_a_damaged_zip_member_is_dropped_alone() -> None:
    data = bytearray(zipped({"r/a.py": b"abc" * 100, "r/b.py": b"2"}))
    data[data.index(b"r/a.py") + 8] ^= 0xFF
    assert outcomes(read_all(bytes(data))[0]) == ["damaged", "kept"]


def test_bombs_end_the_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    huge = tarfile.TarInfo("r/huge.py")
    huge.size = 1 << 50
    data = gzip.compress(huge.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 22))
    assert outcomes(read_all(data)[0]) == ["too_large", "bomb"]
    monkeypatch.setattr(github_archive, "MAX_MEMBERS", 3)
    for pack in (tar, zipped):
        assert outcomes(read_all(pack({f"r/{i}.py": b"1" for i in range(9)}))[0])[-1] == "bomb"
    monkeypatch.setattr(github_archive, "MAX_MEMBERS", 100)
    monkeypatch.setattr(github_archive, "MAX_ARCHIVE_BYTES", 3_000)
    for pack in (tar, zipped):
        assert outcomes(read_all(pack({f"r/{i}.py": b"1" * 1_000 for i in range(9)}))[0])[-1] == "bomb"


def test_a_huge_extended_header_is_a_bomb() -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 40
    assert outcomes(read_all(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(4096)))[0]) == ["bomb"]


@settings(deadline=None)
@given(st.binary(max_size=600), st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\x00"]))
def test_any_bytes_are_at_worst_damage(data: bytes, magic: bytes) -> None:
    read_all(magic + data)


def test_a_zip_member_without_a_name_costs_only_itself() -> None:
    found, _ = read_all(zipped({"b/a": b"text", "Q": b"more"}).replace(b"Q", b"\0"))
    assert outcomes(found) == ["kept", "unsafe_path"]


@pytest.mark.parametrize("declared", ["MI\\ud800T", "MIT OR " * 1_000 + "MIT"])
def test_a_licence_that_is_no_expression_is_unknown(declared: str) -> None:
    files = {"a/package.json": f'{{"license": "{declared}"}}'.encode(), "a/LICENSE": MIT}
    assert set(licences(files).values()) == {"unknown"}
