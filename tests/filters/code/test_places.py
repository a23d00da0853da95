"""Folders that say whose a file is."""

import pytest

from filters.code.places import AS_DATA, CARRIED_TWICE, FROM_ELSEWHERE, OWN, standing


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("six.py", OWN),
        ("src/six.py", OWN),
        ("vendor", OWN),
        ("src/vendor.py", OWN),
        ("src/inventory/vendors.py", OWN),
        ("tests/fixtures/six.py", AS_DATA),
        ("dist/six.js", AS_DATA),
        ("pip/_vendor/six.py", FROM_ELSEWHERE),
        ("third-party/a/b.c", FROM_ELSEWHERE),
        ("Third_Party/b.c", FROM_ELSEWHERE),
        ("web\\node_modules\\left-pad\\index.js", FROM_ELSEWHERE),
        ("tests/fixtures/venv/lib/python3.11/site-packages/six.py", FROM_ELSEWHERE),
        ("pipenv/patched/pip/_vendor/six.py", CARRIED_TWICE),
        ("vendor/a/vendor/b/vendor/c.go", CARRIED_TWICE),
        ("", OWN),
    ],
)
def test_a_folder_counts_by_its_whole_name(path: str, wanted: int) -> None:
    assert standing(path) == wanted
