"""`helix-chat replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine import InvalidRequest, read_recording

from .terminal import need_terminal, run

Speed = Annotated[float, typer.Option(help="2 is twice as fast, 0.5 half as fast.")]


def replay(
    file: Annotated[Path, typer.Argument(help="A recording made by --record or ask --events.")],
    speed: Speed = 1.0,
) -> None:
    """Play a recording in the app, with no model loaded."""
    check_speed(speed)
    if not read_recording(file):
        raise InvalidRequest(f"{file} has no events; record a chat with --record first.")
    need_terminal('open one to watch the recording, or use: helix-chat ask "..."')
    from ..app import HelixApp
    from ..sources import ReplaySource

    run(HelixApp(ReplaySource(file, speed=speed)))


def check_speed(speed: float) -> None:
    if not 0.01 <= speed <= 100:
        raise InvalidRequest(f"The speed is {speed:g}, but it must be from 0.01 to 100.")
