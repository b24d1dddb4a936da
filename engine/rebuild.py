"""JSON back into the dataclasses and tuples it was made from, by their type hints."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from typing import Any


def rebuild(hint: Any, value: Any) -> Any:
    """`value` as the type hint says; fields that a dataclass does not know are left out. Raises ValueError."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ValueError(f"expected an object for {getattr(hint, '__name__', hint)}")
        hints = _hints(hint)
        try:
            return hint(**{k: rebuild(hints[k], v) for k, v in value.items() if k in hints})
        except TypeError as error:
            raise ValueError(str(error)) from None
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return rebuild(next(arg for arg in typing.get_args(hint) if arg is not type(None)), value)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError("expected a list")
        args = typing.get_args(hint)
        if args[-1] is Ellipsis:
            return tuple(rebuild(args[0], v) for v in value)
        return tuple(rebuild(arg, v) for arg, v in zip(args, value, strict=True))
    return value


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    """Of each field. Kept: a recording has thousands of the same few classes."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}
