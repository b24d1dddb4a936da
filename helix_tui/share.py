"""The share card: what was measured in this session, and where its files go."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

from platformdirs import user_documents_path, user_pictures_path

from engine.events import Loaded

from .figures import Figures
from .messages import Depth
from .race import Race

PACKAGES = ("helix-chat", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything on a card. What was not measured is None and left out."""

    loaded: Loaded
    when: datetime
    versions: tuple[str, ...]
    depth: Depth
    tokens_per_s: float | None
    acceptance: float | None
    mean_length: float | None
    baseline: float | None = None
    """Tokens/s without speculation."""
    ratio: float | None = None
    identical: bool | None = None
    """Whether a race at temperature 0 gave the same tokens with and without speculation."""
    tokens: int = 0
    """How many tokens that was checked on."""
    question: str = ""
    reply: str = ""
    """Only on the person's word."""


def of_chat(
    figures: Figures, depth: Depth, when: datetime, race: Race | None = None, said: tuple[str, str] = ("", "")
) -> Facts | None:
    """The last reply, against the baseline of the chat or else of the last race; None before there is a reply."""
    if figures.loaded is None or figures.speed.final is None:
        return None
    speculating, speed = figures.speculating, figures.speed
    raced = race if speed.ratio is None else None
    return Facts(
        figures.loaded,
        when,
        versions(),
        depth,
        figures.speed.final,
        speculating.acceptance,
        speculating.mean_length,
        baseline=raced.rate("baseline") if raced else speed.baseline,
        ratio=raced.ratio if raced else speed.ratio,
        question=said[0],
        reply=said[1],
    )


def of_race(loaded: Loaded, race: Race, when: datetime, *, with_text: bool = False) -> Facts:
    """A race, by the middle of its rounds."""
    lane = race.round.speculative
    return Facts(
        loaded,
        when,
        versions(),
        race.question.depth,
        race.rate("speculative"),
        lane.acceptance,
        lane.mean_length,
        baseline=race.rate("baseline"),
        ratio=race.ratio,
        identical=race.identical,
        tokens=len(lane.tokens),
        question=race.question.messages[-1]["content"] if with_text else "",
        reply="".join(token.text for token in lane.tokens) if with_text else "",
    )


def versions() -> tuple[str, ...]:
    """`helix-chat 0.1.0`, of each package that is here, and of Python."""
    said = []
    for name in PACKAGES:
        try:
            said.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return (*said, f"Python {platform.python_version()}")


def folder() -> Path:
    """The current folder if it can be written, else the person's pictures or documents. Raises OSError for none."""
    for place in (Path.cwd(), user_pictures_path(), user_documents_path()):
        if place.is_dir() and os.access(place, os.W_OK):
            return place
    raise OSError("neither this folder nor your pictures or documents can be written")


def write(facts: Facts, svg: str, markdown: str, where: Path) -> tuple[Path, Path]:
    """Both files, named by their second. Raises OSError."""
    stem = f"helix-{facts.when:%Y%m%d-%H%M%S}"
    picture, text = where / f"{stem}.svg", where / f"{stem}.md"
    picture.write_text(svg, encoding="utf-8")
    text.write_text(markdown, encoding="utf-8")
    return picture, text
