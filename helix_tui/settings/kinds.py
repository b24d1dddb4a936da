"""What a setting may be: checked when it comes from the file, read from text when it comes from the environment."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from typing import Any, NamedTuple

from engine import EngineConfig, HelixError, InvalidRequest, Request, Sampling, Speculation
from engine.errors import shown

YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


class Kind(NamedTuple):
    """`check` returns the value or raises InvalidRequest with a sentence; `read` makes it from text, unchecked."""

    check: Callable[[str, object], Any]
    """(name, value)"""
    read: Callable[[str], object] = str


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f'{name} must be a text in quotes, such as {name} = "...", not {shown(value)}.')
    return value


def _some_text(name: str, value: object) -> str:
    if not _text(name, value).strip():
        raise InvalidRequest(f"{name} is empty; give it a value, or leave it out for the default.")
    return str(value)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} must be true or false, not {shown(value)}.")
    return value


def _read_flag(text: str) -> object:
    word = text.strip().lower()
    return True if word in YES else False if word in NO else text


def _folders(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item for item in value):
        raise InvalidRequest(
            f'{name} must be a list of folders, such as ["/models/one", "/models/two"], not {shown(value)}.'
        )
    return tuple(value)


def _depth(name: str, value: object) -> Any:
    Speculation(depth=value)  # type: ignore[arg-type]
    return value


def _request(name: str, value: object) -> Any:
    Request(prompt="?", **{name: value})  # type: ignore[arg-type]
    return value


def _sampling(name: str, value: object) -> Any:
    return getattr(Sampling(**{name: value}), name)  # type: ignore[arg-type]


def _drafter(name: str, value: object) -> str:
    return EngineConfig(drafter=_text(name, value).lower()).drafter  # type: ignore[arg-type]


def bytes_of(value: object) -> int:
    """From a number of bytes, or a text such as `2GB` or `500 MB`. Raises InvalidRequest."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmMgG]?)i?[bB]?", str(value).strip())
    if isinstance(value, bool) or found is None:
        raise InvalidRequest(f"kv_memory is {value!r}, but it must be a size, such as 2GB or 500MB.")
    return EngineConfig(kv_memory=round(float(found[1]) * 1000 ** " kmg".index(found[2].lower() or " "))).kv_memory or 0


def _size(name: str, value: object) -> Any:
    bytes_of(value)
    return value


def _context(name: str, value: object) -> Any:
    return EngineConfig(max_context=value).max_context  # type: ignore[arg-type]


def _read_number(text: str) -> object:
    try:
        return tomllib.loads(f"it = {text.strip()}")["it"]
    except (ValueError, RecursionError):
        return text.strip()


def one_of(*names: str) -> Kind:
    """A text out of these, in any case."""

    def check(name: str, value: object) -> str:
        if _text(name, value).lower() not in names:
            raise InvalidRequest(f'{name} is "{value}", but it must be {", ".join(names[:-1])} or {names[-1]}.')
        return str(value).lower()

    return Kind(check)


TEXT = Kind(_text)
NAME = Kind(_some_text)
FLAG = Kind(_flag, _read_flag)
FOLDERS = Kind(_folders, lambda text: [part for part in text.split(os.pathsep) if part])
DEPTH = Kind(_depth, _read_number)
WHOLE = Kind(_request, _read_number)
"""`max_tokens` and `seed`: what a Request says of them."""
NUMBER = Kind(_sampling, _read_number)
DRAFTER = Kind(_drafter)
SIZE = Kind(_size)
CONTEXT = Kind(_context, _read_number)


def refusal(kind: Kind, name: str, value: object) -> tuple[Any, str | None]:
    """(the checked value, None), or (None, the sentence that says what is wrong)."""
    try:
        return kind.check(name, value), None
    except HelixError as error:
        return None, str(error)
