"""`helix-chat doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from .terminal import reader_may_leave


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show versions, devices, models and what would be used."""
    from .. import doctor as examination

    with reader_may_leave():
        examination.report(as_json=as_json)
