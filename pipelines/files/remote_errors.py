"""Errors of the clients of object stores: the HTTP status that one stands for, and whether another attempt may help."""

from __future__ import annotations

_AGAIN = frozenset({408, 425, 429})
# A request that can never succeed, whatever the server's state.
_PERMANENT = (FileNotFoundError, PermissionError, ValueError, TypeError, ImportError, AttributeError)


def is_transient(error: Exception) -> bool:
    """Tell whether an error may be gone at the next attempt."""
    if isinstance(error, _PERMANENT):
        return False
    code = code_of(error)
    return code >= 500 or code in _AGAIN or code == 0


def code_of(error: BaseException | None) -> int:
    """Return the HTTP status that an error of any of the clients stands for, 0 if there is none."""
    details = getattr(error, "exception_details", None)  # Beam's, of several paths at once
    inner = [found for found in details.values() if found is not None] if isinstance(details, dict) else []
    response = getattr(error, "response", None)  # botocore's
    if isinstance(response, dict):
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    return next((found for found in map(code_of, inner) if found), 0)
