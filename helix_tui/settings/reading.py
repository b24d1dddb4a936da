"""The settings file: what it says, and one sentence for each thing in it that cannot be used."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import HelixError, Sampling

from .kinds import refusal
from .table import BY_ID, NUMBERS, SECTIONS

LARGEST = 1_000_000
"""Bytes; a larger file is something else."""


@dataclass(slots=True)
class Found:
    """What a file says. What is not good is in `problems` and nowhere else."""

    values: dict[str, Any] = field(default_factory=dict)
    """By id, such as "model.target"."""
    lines: dict[str, int] = field(default_factory=dict)
    sampling: dict[str, Sampling] = field(default_factory=dict)
    system: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read(path: Path) -> Found:
    """Read and check a settings file. Never raises."""
    found = Found()
    try:
        # A pipe that nobody writes to would be waited for for ever, and a device may never end.
        if path.is_fifo():
            found.problems.append(f"{path} is a pipe; the settings must be a file.")
            return found
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            found.problems.append(f"{path} is too large for a settings file; choose another, or empty it.")
            return found
        text = data.decode("utf-8-sig")
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        found.problems.append(f"{path} cannot be read ({why}); the defaults hold until it can.")
        return found
    except UnicodeDecodeError:
        found.problems.append(f"{path} is not in UTF-8; save it as UTF-8 text.")
        return found
    try:
        said = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        found.problems.append(f"{path} is not TOML: {_syntax(error)}; correct that line, or move the file away.")
        return found
    Reader(path, text, found).take(said)
    return found


def _syntax(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "its values are nested too deep"
    if not isinstance(error, tomllib.TOMLDecodeError):
        # Python's own limit on the digits of a number, in words that are not for a person.
        return "one of its numbers is too long"
    said = re.sub(r"\s*\((at [^)]*)\)$", r" \1", str(error))
    return said[:1].lower() + said[1:]


class Reader:
    """Sorts parsed TOML into a Found."""

    def __init__(self, path: Path, text: str, found: Found) -> None:
        self._path = path
        self._lines = _lines(text)
        self._found = found

    def take(self, data: Mapping[str, Any]) -> None:
        for section, content in data.items():
            if section not in (*SECTIONS, "presets", "keys"):
                self._problem(
                    (section,), f"there is no section {section}{_near(section, [*SECTIONS, 'presets', 'keys'])}."
                )
            elif not isinstance(content, dict):
                self._problem((section,), f"{section} must be a section, [{section}] on a line of its own.")
            elif section == "presets":
                self._presets(content)
            elif section == "keys":
                self._keys(content)
            else:
                self._section(section, content)

    def _section(self, section: str, content: Mapping[str, Any]) -> None:
        for name, value in content.items():
            id = f"{section}.{name}"
            if id not in BY_ID:
                near = _near(name, [s.name for s in BY_ID.values()])
                self._problem((section, name), f"there is no setting {name} in [{section}]{near}.")
                continue
            checked, wrong = refusal(BY_ID[id].kind, name, value)
            if wrong is not None:
                self._problem((section, name), wrong)
                continue
            self._found.values[id] = checked
            if (line := self._lines.get((section, name))) is not None:
                self._found.lines[id] = line

    def _presets(self, content: Mapping[str, Any]) -> None:
        for kind, presets in content.items():
            where = ("presets", kind)
            if kind not in ("sampling", "system") or not isinstance(presets, dict):
                self._problem(where, "presets are [presets.sampling.NAME] or lines of [presets.system].")
                continue
            for name, value in presets.items():
                if kind == "system":
                    self._system_preset(name, value)
                else:
                    self._sampling_preset(name, value)

    def _system_preset(self, name: str, value: object) -> None:
        if isinstance(value, str):
            self._found.system[name] = value
        else:
            self._problem(("presets", "system", name), f"the system prompt {name} must be a text in quotes.")

    def _sampling_preset(self, name: str, value: object) -> None:
        where = ("presets", "sampling", name)
        if not isinstance(value, dict):
            self._problem(where, f"the preset {name} must be a section, [presets.sampling.{name}].")
            return
        for field_name in value:
            if field_name not in NUMBERS:
                self._problem((*where, field_name), f"there is no {field_name} in a preset; use {', '.join(NUMBERS)}.")
                return
        try:
            self._found.sampling[name] = Sampling(**value)
        except HelixError as error:
            self._problem(where, f"in the preset {name}, {error}")

    def _keys(self, content: Mapping[str, Any], above: str = "") -> None:
        # Without quotes, depth.up = "x" is a table in a table: taken as it was meant.
        for name, value in content.items():
            id = above + name
            if isinstance(value, dict):
                self._keys(value, f"{id}.")
            elif isinstance(value, str) and value.strip():
                self._found.keys[id] = value
                if (line := self._lines.get(("keys", id))) is not None:
                    self._found.lines[f"keys.{id}"] = line
            else:
                self._problem(("keys", id), f'the key of {id} must be a text in quotes, such as "ctrl+k".')

    def _problem(self, place: tuple[str, ...], what: str) -> None:
        line = self._lines.get(place)
        self._found.problems.append(f"{self._path}{f', line {line}' if line else ''}: {what}")


def _near(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else "; helix-chat config --example shows all there are"


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """The line of each section and setting, where they are written the plain way."""
    found: dict[tuple[str, ...], int] = {}
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$", line):
            section = tuple(part.strip().strip("\"'") for part in match[1].split("."))
            found.setdefault(section, number)
        elif match := re.match(r"""\s*("[^"]*"|'[^']*'|[\w.-]+)\s*=""", line):
            found.setdefault((*section, match[1].strip("\"'")), number)
    return found
