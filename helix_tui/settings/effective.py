"""What holds: the command line over the environment over the file over the defaults."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine import InvalidRequest, Sampling

from .. import folders
from . import presets
from .kinds import refusal
from .reading import Found, read
from .table import BY_ID, BY_NAME, NUMBERS, SETTINGS

HALF = 250
"""Characters of a problem that are shown from its start, and from its end, which says what to do."""
COMMAND_LINE, DEFAULT = "command line", "default"


@dataclass(frozen=True, slots=True)
class Settings:
    """Each value by its id (`settings["model.target"]`), where it came from, and what could not be used."""

    values: Mapping[str, Any] = field(default_factory=lambda: {s.id: s.default for s in SETTINGS})
    origins: Mapping[str, str] = field(default_factory=lambda: {s.id: DEFAULT for s in SETTINGS})
    sampling: Sampling = presets.SAMPLING["precise"]
    sampling_presets: Mapping[str, Sampling] = field(default_factory=lambda: presets.SAMPLING)
    system_presets: Mapping[str, str] = field(default_factory=lambda: presets.SYSTEM)
    keys: Mapping[str, str] = field(default_factory=dict)
    """Key bindings by the id of the command."""
    problems: tuple[str, ...] = ()
    path: Path = Path()
    explicit: bool = False
    """Whether the person named this file on the command line."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "problems", tuple(one_line(problem) for problem in self.problems))

    def __getitem__(self, id: str) -> Any:
        return self.values[id]

    @property
    def system(self) -> str | None:
        """The system prompt, its preset looked up; None for none."""
        named = self["chat.system"]
        return self.system_presets.get(named, named) or None

    def but(self, *problems: str, **changes: Any) -> Settings:
        """The same with more problems, and other fields."""
        return replace(self, problems=(*self.problems, *problems), **changes)

    def insist(self) -> None:
        """Raise InvalidRequest when a file that was named on the command line cannot be used as it is."""
        if self.explicit and self.problems:
            more = len(self.problems) - 1
            raise InvalidRequest(self.problems[0] + (f" ({more} more: helix-chat config)" if more else ""))


def one_line(text: str) -> str:
    """What a file or a variable says may be of any length, and hold controls that a terminal would obey."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= 2 * HALF else f"{text[:HALF]}…{text[-HALF:]}"


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the settings file is looked for: `HELIX_CONFIG`, or the platform's folder for configuration."""
    if named := environ.get("HELIX_CONFIG"):
        return folders.at_home(named)
    return folders.config() / "config.toml"


def gather(
    given: Mapping[str, Any] | None = None, path: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Bring everything together. `given` are the options of the command line by name, `path` is the file named there.

    Raises InvalidRequest only for sampling numbers in `given`; everything else that is wrong is in `problems`.
    """
    file = path or config_path(environ)
    named = path is not None or bool(environ.get("HELIX_CONFIG"))
    found = read(file) if named or os.path.lexists(file) else Found()
    spoken, problems = _environment(environ)
    layers: list[tuple[dict[str, Any], Mapping[str, str]]] = [
        (found.values, {id: _place(file, found.lines.get(id)) for id in found.values}),
        (spoken, {id: _variable(id, environ) for id in spoken}),
    ]
    options = {BY_NAME[name].id: value for name, value in (given or {}).items() if name in BY_NAME}
    layers.append((options, dict.fromkeys(options, COMMAND_LINE)))

    known = presets.SAMPLING | found.sampling
    values, origins, unknown = _merged(layers, known)
    return Settings(
        values=values,
        origins=origins,
        sampling=Sampling(**{number: values[f"sampling.{number}"] for number in NUMBERS}),
        sampling_presets=known,
        system_presets=presets.SYSTEM | found.system,
        keys=found.keys,
        problems=(*found.problems, *problems, *unknown),
        path=file,
        explicit=path is not None,
    )


def _merged(
    layers: Iterable[tuple[Mapping[str, Any], Mapping[str, str]]], known: Mapping[str, Sampling]
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Later layers of (values, places) over earlier ones: values, where each is from, and unknown presets."""
    values: dict[str, Any] = {s.id: s.default for s in SETTINGS}
    origins = {s.id: DEFAULT for s in SETTINGS}
    unknown = []
    for layer, places in layers:
        if (preset := layer.get("sampling.preset")) is not None and preset not in known:
            unknown.append(
                f'{places["sampling.preset"]}: there is no preset "{preset}"; use one of {", ".join(known)}.'
            )
            layer = {id: value for id, value in layer.items() if id != "sampling.preset"}
        elif preset is not None:
            # It takes the place of all numbers from below.
            values |= {f"sampling.{number}": None for number in NUMBERS}
        values |= layer
        origins |= {id: places[id] for id in layer}
    preset = values["sampling.preset"]
    for number in NUMBERS:
        if values[f"sampling.{number}"] is None:
            values[f"sampling.{number}"] = getattr(known[preset], number)
            origins[f"sampling.{number}"] = f"preset {preset}"
    return values, origins, unknown


def _environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in SETTINGS:
        variable = _variable(setting.id, environ)
        if not variable:
            continue
        if variable == "TEXTUAL_ANIMATIONS":
            values[setting.id] = environ[variable].lower() == "none"
            continue
        value, wrong = refusal(setting.kind, setting.name, setting.kind.read(environ[variable]))
        if wrong is None:
            values[setting.id] = value
        else:
            problems.append(f"{variable} in the environment: {wrong}")
    return values, problems


def _variable(id: str, environ: Mapping[str, str]) -> str:
    """The variable that sets it now; "" when none does. Textual's own are heard where ours say nothing."""
    theirs = {"look.theme": "TEXTUAL_THEME", "look.reduced_motion": "TEXTUAL_ANIMATIONS"}.get(id, "")
    return next((name for name in (BY_ID[id].variable, theirs) if environ.get(name)), "")


def _place(path: Path, line: int | None) -> str:
    return f"{path.name}, line {line}" if line else path.name
