"""`helix-chat serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from engine import EngineConfig, HelixError, InvalidRequest

from .. import options
from .terminal import complain

EXTRA = 'Serving needs FastAPI and uvicorn; install them with: pip install "helix-chat[serve]"'


@options.spread
def serve(
    ctx: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; any but loopback needs an API key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8000,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="HELIX_API_KEY",
            show_envvar=True,
            help="What clients must send as a bearer token; best in the variable, as others can read a command line.",
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<str>",
            help="A site whose pages may call from a browser, as https://chat.example; give it again for more.",
        ),
    ] = None,
    max_running: Annotated[int, typer.Option(help="Requests decoded together; more wait.")] = 16,
    max_queue: Annotated[int, typer.Option(help="Requests that run or wait; more are told to come back.")] = 64,
    time_limit: Annotated[float, typer.Option(help="Seconds that a reply may take.")] = 600.0,
    engine: options.EngineOptions,
    depth: options.Depth = None,
    config: options.Config = None,
) -> None:
    """Serve the model over HTTP: to OpenAI's clients, to helix-chat --attach, and to curl."""
    try:
        from engine.server import ServerSettings, serve
    except ModuleNotFoundError as error:
        raise HelixError(EXTRA) from error
    choices = options.choose(ctx, ctx.params)
    for problem in choices.settings.problems:
        complain(problem, 0)
    settings = ServerSettings(
        host=host,
        port=port,
        api_key=api_key,
        origins=tuple(origin or ()),
        max_queue=max_queue,
        time_limit=time_limit,
        depth=choices.settings["chat.depth"],
    )
    EngineConfig(max_running=max_running)  # Raises InvalidRequest before the load.
    if max_queue < max_running:
        raise InvalidRequest(
            f"The queue holds {max_queue}, fewer than the {max_running} that may run; raise --max-queue."
        )
    from ..quiet import hush_libraries

    hush_libraries()
    from engine import Engine

    typer.echo("Loading the model.", err=True)
    with Engine.load(**choices.load, max_running=max_running) as loaded:
        serve(loaded, settings, _announce)


def _announce(url: str) -> None:
    typer.echo(f"Serving at {url} (API under {url}/v1, documentation at {url}/docs). Ctrl-C stops.", err=True)
