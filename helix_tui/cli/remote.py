"""Where the app's replies come from: an engine of its own, a Helix server, or any server with OpenAI's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from engine import InvalidRequest

from ..options import Choices

if TYPE_CHECKING:
    from ..sources import Source

Attach = Annotated[str | None, typer.Option(help="Chat over a running helix-chat serve, at this URL.")]
Connect = Annotated[
    str | None,
    typer.Option(envvar="HELIX_CONNECT", show_envvar=True, help="Chat with any server that has OpenAI's API."),
]
ApiKey = Annotated[
    str | None,
    typer.Option(envvar="HELIX_API_KEY", show_envvar=True, help="Key of the server to attach or connect to."),
]


def source_of(choices: Choices, attach: str | None, connect: str | None, api_key: str | None) -> Source:
    """Raises InvalidRequest for an address that is none."""
    from ..remote.http import Server

    if attach is not None:
        from ..remote.attach import AttachSource

        return AttachSource(Server(attach, api_key))
    if connect:
        from ..remote.connect import ConnectSource

        return ConnectSource(Server(connect, api_key), None if choices.target == "bundled" else choices.target)
    from ..sources import LiveSource

    return LiveSource(
        choices.target, choices.draft, choices.device, choices.dtype,
        drafter=choices.drafter, exact=choices.exact, **choices.memory, **choices.trust,
    )  # fmt: skip


def check(attach: str | None, connect: str | None, *, said: bool, plain: bool) -> None:
    """Refuse what cannot go together; `said` is whether --connect stood on the command line."""
    if attach is not None and said:
        raise InvalidRequest("--attach and --connect name two servers; give one.")
    if plain and (attach is not None or connect):
        raise InvalidRequest("The chat in lines runs its own model; leave --plain or the server out.")
