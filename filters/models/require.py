"""What a model's file must be, said in one form: the field, its value, and what would be right."""

from __future__ import annotations


def require(condition: bool, field: str, value: object, right: str) -> None:
    """Raise a ValueError that names a field and its value unless a condition holds."""
    if not condition:
        raise ValueError(f"{field} is {value}; {right}")
