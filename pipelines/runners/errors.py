"""What a worker's error says, of what Beam makes of it."""

from __future__ import annotations


def reason(error: BaseException) -> str:
    """Return the line of a worker's traceback that says what happened."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith((" ", "Traceback", "During"))]
    reasons = [line for line in lines if "Error: " in line or "Exception: " in line]
    kind = "" if isinstance(error, RuntimeError) else f"{type(error).__name__}: "
    text = reasons[-1] if reasons else kind + (lines[-1] if lines else repr(error))
    return text.partition(" [while running")[0].removeprefix("RuntimeError: ")
