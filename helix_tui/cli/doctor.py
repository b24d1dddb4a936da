"""`helix-chat doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from .terminal import reader_may_leave


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    directml: Annotated[
        bool, typer.Option("--directml", help="Test a DirectML device, line by line; made to be pasted into a report.")
    ] = False,
    device: Annotated[
        str, typer.Option(help="With --directml: test this device as if it were one, such as cpu.")
    ] = "directml",
) -> None:
    """Show versions, devices, models and what would be used."""
    if directml:
        from .. import selftest

        with reader_may_leave():
            raise typer.Exit(0 if selftest.report(device) else 1)
    from .. import doctor as examination

    with reader_may_leave():
        examination.report(as_json=as_json)
