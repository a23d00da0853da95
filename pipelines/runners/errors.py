"""What a worker's error says, of what Beam and its connections make of it."""

from __future__ import annotations

import grpc

# What Beam says of a job of Dataflow that ended without an error, because somebody cancelled it.
_NOTHING = ", Error:\nNone"
_NO_PACKAGE = "No module named 'pipelines'"


def reason(error: BaseException) -> str:
    """Return the line of a worker's traceback that says what happened."""
    if isinstance(error, grpc.Call):
        return f"the connection to the engine failed: {error.details() or error.code()}"
    told = str(error).removesuffix(_NOTHING)
    lines = [line for line in told.splitlines() if line and not line.startswith((" ", "Traceback", "During"))]
    reasons = [line for line in lines if "Error: " in line or "Exception: " in line]
    kind = "" if isinstance(error, RuntimeError) else f"{type(error).__name__}: "
    text = reasons[-1] if reasons else kind + (lines[-1] if lines else repr(error))
    if _NO_PACKAGE in text:
        return f"workers do not have the package altiplano-corpus: install it where they run ({text})"
    return text.partition(" [while running")[0].removeprefix("RuntimeError: ")
