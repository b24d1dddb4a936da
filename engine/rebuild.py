"""JSON back into the dataclasses and tuples it was made from, by their type hints."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from typing import Any

LARGEST = 2**63
_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def rebuild(hint: Any, value: Any) -> Any:
    """`value` as the type hint says; fields that a dataclass does not know are left out. Raises ValueError.

    What is shown and counted with must be what it says it is: a text where a number belongs is refused here.
    """
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
        args = typing.get_args(hint)
        if value is None and type(None) in args:
            return None
        return rebuild(next(arg for arg in args if arg is not type(None)), value)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError("expected a list")
        args = typing.get_args(hint)
        if args[-1] is Ellipsis:
            return tuple(rebuild(args[0], v) for v in value)
        return tuple(rebuild(arg, v) for arg, v in zip(args, value, strict=True))
    if origin is typing.Literal:
        if not isinstance(value, str) or value not in typing.get_args(hint):
            raise ValueError(f"expected one of {', '.join(typing.get_args(hint))}")
        return value
    return _plain(hint, value)


def _plain(hint: Any, value: Any) -> Any:
    """A number, text or flag. A log probability may be -inf; nothing else is beyond counting."""
    if hint is float and type(value) is int and abs(value) < LARGEST:
        return value
    if type(value) is not hint:
        raise ValueError(f"expected {_NAMES.get(hint, hint)}")
    if not (abs(value) < LARGEST if hint is int else hint is not float or value < math.inf):
        raise ValueError("a number is too large")
    return value


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    """Of each field. Kept: a recording has thousands of the same few classes."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}
