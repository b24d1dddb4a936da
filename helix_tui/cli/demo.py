"""`helix-chat demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..demo import SPEED, demo_source
from .replay import Speed, check_speed
from .terminal import need_terminal, run


def demo(
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end, until q: for a booth.")] = False,
    speed: Speed = SPEED,
) -> None:
    """Play the recording that comes with Helix: at once, with no model and no network."""
    check_speed(speed)
    source = demo_source(speed, loop=loop)
    need_terminal("open one to watch the demo.")
    from ..app import HelixApp

    run(HelixApp(source))
