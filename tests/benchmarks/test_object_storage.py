"""What is made of a server's access log: requests by operation."""

from __future__ import annotations

from benchmarks.object_storage import kinds

LINE = "altiplano corpus [29/November/2026:13:49:15 +0000] 127.0.0.1 altiplano 3HAHE s3_{} m/0 /corpus/m/0 200 - 0 4000"


def test_requests_are_counted_by_operation() -> None:
    lines = [LINE.format(kind) for kind in ("GetObject", "PutObject", "GetObject")]
    assert kinds(["log starts 2026-11-29 13:49:12 +0000 UTC", *lines]) == {"GetObject": 2, "PutObject": 1}
