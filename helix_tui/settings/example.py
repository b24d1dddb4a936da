"""`helix-chat config`: what holds and where it came from, and an example of the file."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from . import presets
from .effective import Settings
from .table import NUMBERS, SECTIONS, SETTINGS

HEAD = """\
# Settings of helix-chat. It reads this file and never writes it.
# Every line with a setting is a comment that shows the default: take away its "# " and change it.
# The command line and the environment (HELIX_TARGET, HELIX_DEPTH and so on) come before this file.
"""
TAIL = """\
# Your own presets: sampling, and system prompts.
# [presets.sampling.story]
# temperature = 0.9
# top_p = 0.95
#
# [presets.system]
# pirate = "Answer as a pirate would."

# Keys by the name of the command; several are parted by commas. helix-chat config --keys lists all names.
# [keys]
# "depth.up" = "plus"
# "chat.new.typing" = "f8"
"""


def toml(value: Any) -> str:
    """A value as the file writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        # TOML's strings are JSON's, but for this one character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def example() -> str:
    """A file with every setting and its default, all of it comments."""
    parts = [HEAD]
    for section in SECTIONS:
        parts.append(f"[{section}]")
        for setting in SETTINGS:
            if setting.section == section:
                parts += [f"# {line}" for line in textwrap.wrap(setting.help, 110)]
                unset = setting.default is None
                note = "  # an example: not set by default" if unset else ""
                parts.append(f"# {setting.name} = {toml(setting.example if unset else setting.default)}{note}")
        parts.append("")
    return "\n".join(parts) + "\n" + TAIL


def effective(settings: Settings) -> str:
    """Every setting, its value and where that came from, as text."""
    there = "" if settings.path.is_file() else " (not there; helix-chat config --example shows what it could be)"
    lines = [f"File: {settings.path}{there}"]
    rows = [(s, "not set" if settings[s.id] is None else toml(settings[s.id])) for s in SETTINGS]
    names = max(len(s.name) for s in SETTINGS)
    room = min(34, max(len(shown) for _, shown in rows))
    for section in SECTIONS:
        lines += ["", f"[{section}]"]
        for setting, shown in rows:
            if setting.section == section:
                lines.append(f"  {setting.name:<{names}}  {shown:<{room}}  {settings.origins[setting.id]}")
    for title, own in (
        ("presets.sampling", {n: _numbers(s) for n, s in settings.sampling_presets.items() if _new(n, s)}),
        ("presets.system", {n: toml(t) for n, t in settings.system_presets.items() if presets.SYSTEM.get(n) != t}),
        ("keys", {n: toml(k) for n, k in settings.keys.items()}),
    ):
        if own:
            lines += ["", f"[{title}]", *(f"  {name:<{names}}  {shown}" for name, shown in own.items())]
    if settings.problems:
        lines += ["", "Not used:", *(f"  {problem}" for problem in settings.problems)]
    return "\n".join(lines)


def _new(name: str, sampling: object) -> bool:
    return presets.SAMPLING.get(name) != sampling


def _numbers(sampling: object) -> str:
    plain = presets.SAMPLING["precise"]
    shown = [f"{n} = {toml(getattr(sampling, n))}" for n in NUMBERS if getattr(sampling, n) != getattr(plain, n)]
    return ", ".join(shown) or "temperature = 0.0"
