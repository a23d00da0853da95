"""Errors of the clients of object stores: the HTTP status of one, whether another attempt may help, and why it came."""

from __future__ import annotations

_AGAIN = frozenset({408, 425, 429})
# A request that can never succeed, whatever the server's state.
_PERMANENT = (FileNotFoundError, PermissionError, ValueError, TypeError, ImportError, AttributeError)
# What S3's errors mean, by the names that its documentation gives them.
_REASONS = {
    "AccessDenied": "these credentials do not allow it",
    "ExpiredToken": "the credentials have expired",
    "InvalidAccessKeyId": "the store does not know the access key (AWS_ACCESS_KEY_ID, or a profile's)",
    "InvalidToken": "the session token is wrong (AWS_SESSION_TOKEN)",
    "NoSuchBucket": "there is no such bucket",
    "RequestTimeTooSkewed": "this machine's clock is not the store's: set it right",
    "SignatureDoesNotMatch": "the secret key is wrong (AWS_SECRET_ACCESS_KEY, or a profile's)",
}


class StoreError(OSError):
    """What no further attempt mends, and what is no missing file: a bucket that is not there, a key that is wrong."""


def is_transient(error: Exception) -> bool:
    """Tell whether an error may be gone at the next attempt."""
    if isinstance(error, (*_PERMANENT, StoreError)):
        return False
    code = code_of(error)
    return code >= 500 or code in _AGAIN or code == 0 or _name(error) == "RequestTimeout"


def code_of(error: BaseException | None) -> int:
    """Return the HTTP status that an error of any of the clients stands for, 0 if there is none."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    status = getattr(response, "status_code", 0)  # of requests, which Google's client passes on
    return status if isinstance(status, int) else 0


def _name(error: BaseException) -> str:
    """Return what S3 calls an error, "" for errors of others."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def is_told(error: BaseException) -> bool:
    """Tell whether an error has the store's own reason: the answer to a HEAD has no body to say it in."""
    return not _name(error).isdigit()


def no_bucket(error: BaseException) -> str:
    """Return what a 404 says where no object is missing: S3's stores have a name for it, Google's have none."""
    return reason(error) if _name(error) and is_told(error) else _REASONS["NoSuchBucket"]


def reason(error: BaseException) -> str:
    """Return why a request failed, in a line."""
    name = _name(error)
    if name in _REASONS:
        return f"{_REASONS[name]} ({name})"
    response, status = getattr(error, "response", None), code_of(error)
    told = response.get("Error", {}).get("Message") if isinstance(response, dict) else None
    text = " ".join(str(told or error).split())
    if name and not name.isdigit():
        text = f"{name}: {text}"
    return f"the store answered {status}: {text}" if status else f"{type(error).__name__}: {text}"
