"""Licence texts: what the sentences of a LICENSE file say it is; what is easily confused is told apart."""

import time
from importlib import metadata

import pytest

from filters.code.license import Reason, reason
from filters.code.license_text import NOTICE_WORDS, RESTRICTED, identify, notice
from tests.slowness import slowness

MIT = """Copyright (c) 2020 Someone

Permission is hereby granted, free of charge, to any person obtaining a copy of it, to do anything{notice}.
"""
NOTICE = ", if the above copyright notice and this permission notice stay in all copies"
BSD = """Redistribution and use in source and binary forms, with or without modification, are permitted if:
* Redistributions of source code must retain the notice.
* Redistributions in binary form must reproduce the notice.
"""


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        (MIT.format(notice=NOTICE), "MIT"),
        (MIT.format(notice=NOTICE).replace(" ", "\n * "), "MIT"),
        (MIT.format(notice=""), "MIT-0"),
        (MIT.format(notice=NOTICE) + "Except as contained in this notice, no name shall be used.", "X11"),
        (BSD, "BSD-2-Clause"),
        (BSD + "Neither the name of X nor of its contributors may be used.", "BSD-3-Clause"),
        (BSD + "All advertising materials mentioning this must say so.", "BSD-4-Clause"),
        (BSD + "No license to any party's patent rights are granted by this license.", "BSD-3-Clause-Clear"),
        ("Apache License\n Version 2.0, January 2004\n", "Apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007", "GPL-3.0"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\n   Version 2.1, February 1999", "LGPL-2.1"),
        ("Mozilla Public License Version 2.0 ... GNU General Public License, Version 2.0", "MPL-2.0"),
        ("Permission to use, copy, modify, and/or distribute this software for any purpose", "ISC"),
        (MIT.format(notice=NOTICE) + BSD, "MIT AND BSD-2-Clause"),
        ("All rights reserved. Ask us.", None),
        ("", None),
    ],
)
def test_texts_are_named(text: str, expression: str | None) -> None:
    assert identify(text) == expression


def test_the_names_are_expressions_that_the_filter_reads() -> None:
    assert reason(identify(MIT.format(notice=NOTICE) + BSD)) is None
    assert reason(identify(MIT.format(notice=NOTICE) + "GNU General Public License version 2")) is not None


@pytest.mark.parametrize(
    ("package", "expression"),
    [
        ("jinja2", "BSD-3-Clause"),
        ("hypothesis", "MPL-2.0"),
        ("py7zr", "LGPL-2.1"),
        ("pytest", "MIT"),
        ("warcio", "Apache-2.0"),
        ("mypy", "MIT AND Python-2.0.1 AND BSD-2-Clause"),  # its own, and those of what it took over
    ],
)
def test_the_texts_of_installed_packages(package: str, expression: str) -> None:
    files = [file for file in metadata.files(package) or () if file.name in ("LICENSE", "LICENSE.txt")]
    own = min(files, key=lambda file: len(file.parts))
    assert identify(own.read_text(encoding="utf-8")) == expression
    assert (reason(expression) is None) == (package in ("jinja2", "pytest", "warcio"))


@pytest.mark.parametrize("piece", ["redistribution and use in source and binary forms ", "(c) ", "http://a.b/ ", "* "])
def test_a_huge_text_costs_bounded_time(piece: str) -> None:
    before = time.process_time()
    identify(piece * (1 << 20))
    assert time.process_time() - before < 5 * slowness()


COMMONS = (
    '"Commons Clause" License Condition v1.0\n\nThe Software is provided to you by the Licensor under the License, as '
    "defined below, subject to the following condition.\n\n"
)


@pytest.mark.parametrize(
    "text",
    [
        COMMONS + "{}",
        "{}\n\n" + COMMONS,
        "MIT License with Commons Clause\n\n{}",
        "{}\nThe Software shall be used for Good, not Evil.\n",
        "{}\nThis software may not be used for military purposes.\n",
        "For non-commercial use only.\n\n{}",
        "{}\nUse in production requires a commercial license, or: commercial use is prohibited.\n",
        "{}\nYou must not train models on it.\n",
        "For academic purposes only.\n{}",
        "{}\nRedistribution without prior written consent of the author is forbidden.\n",
        "Parts of this library are under the GNU General Public License.\n\n{}",
        "Additional restrictions apply, see below.\n\n{}",
    ],
)
@pytest.mark.parametrize("package", ["pytest", "warcio", "jinja2"])
def test_the_text_around_a_licence_is_read(text: str, package: str) -> None:
    files = [file for file in metadata.files(package) or () if file.name in ("LICENSE", "LICENSE.txt")]
    whole = min(files, key=lambda file: len(file.parts)).read_text(encoding="utf-8")
    assert reason(identify(whole)) is None
    assert reason(identify(text.format(whole))) is Reason.NOT_PERMISSIVE


def test_a_condition_inside_a_licence_is_read() -> None:
    changed = MIT.format(notice=NOTICE).replace(", to do anything", ", who shall not sell it, to do anything")
    assert reason(identify(MIT.format(notice=NOTICE))) is None
    assert reason(identify(changed)) is Reason.NOT_PERMISSIVE
    assert identify("Not for commercial use.") == RESTRICTED


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("Dual licensed: you may choose between the MIT and the GPL licence.\n\n{}", "MIT"),
        ("Licensed under either of the MIT license or the GPL, at your option.\n\n{}", "MIT"),
        ("Some files are under the GPL. Both, or either of them.\n\n{}", "MIT AND LicenseRef-GNU"),
        ("GPL-compatible.\n\n{}", "MIT"),
        ("Copyright (c) 2020 X and others.\nhttps://example.org\n\n{}", "MIT"),
    ],
)
def test_a_choice_is_one(text: str, expression: str) -> None:
    files = [file for file in metadata.files("pytest") or () if file.name == "LICENSE"]
    assert identify(text.format(files[0].read_text(encoding="utf-8"))) == expression


def test_apache_with_llvms_exceptions() -> None:
    whole = next(file for file in metadata.files("warcio") or () if file.name == "LICENSE").read_text(encoding="utf-8")
    text = (
        whole
        + "\n---- LLVM Exceptions to the Apache 2.0 License ----\n\nCombined with GPLv2 software, you may drop it.\n"
    )
    assert identify(text) == "Apache-2.0 WITH LLVM-exception"


GNU = """/*
 * This program is free software; you can redistribute it and/or modify
 * it under the terms of the GNU {name}General Public License as published by
 * the Free Software Foundation; either version {version} of the License, or
 * (at your option) any later version.
 *
 * This program is distributed in the hope that it will be useful,
 * but WITHOUT ANY WARRANTY.  See the GNU {name}General Public License for more details.
 */"""


@pytest.mark.parametrize(
    ("comments", "expression"),
    [
        (GNU.format(name="", version=2), "GPL-2.0"),
        (GNU.format(name="Lesser ", version="2.1"), "LGPL-2.1"),
        (GNU.format(name="Affero ", version=3), "AGPL-3.0"),
        ("# Licensed under the GNU General Public License v3", "GPL-3.0"),
        ("# Licensed under the GPL.", "LicenseRef-GNU"),
        ("// Distributed under the LGPLv3", "LGPL-3.0"),
        ("# This file may be distributed under the terms of the GNU Public License.", "LicenseRef-GNU"),
        (
            "// This Source Code Form is subject to the terms of the Mozilla\n// Public License v. 2.0. If a copy",
            "MPL-2.0",
        ),
        ("# The contents of this file are subject to the Mozilla Public License Version 1.1", "MPL-1.1"),
        ("* are made available under the terms of the Eclipse Public License v1.0", "EPL-1.0"),
        ("* under the terms of the Common Development and Distribution License", "CDDL-1.0"),
        # What is offered beside another, compared, or only named.
        ("# Dual licensed under the MIT or GPL Version 2 licenses.", None),
        ("# Alternatively, this may be distributed under the terms of the GPL, version 2.", None),
        ("# BSD licence; parts that are under the GPL are elsewhere", None),
        ("# Checks whether a package is GPL.", None),
        ("# Compatible with code that is under the GPL.", None),
        ("# It is not under the GPL.", None),
        ("# Licensed under the Apache License, Version 2.0", None),
        ("", None),
    ],
)
def test_a_notice_names_its_licence(comments: str, expression: str | None) -> None:
    assert notice(comments) == expression
    if expression:
        assert any(word in comments for word in NOTICE_WORDS)
        assert reason(expression) is Reason.NOT_PERMISSIVE
