"""The engine over HTTP: its own routes and those of OpenAI's clients. Needs the extra `serve`.

from engine import Engine
from engine.server import ServerSettings, serve
with Engine.load() as engine:
    serve(engine, ServerSettings(port=8000))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .settings import ServerSettings

if TYPE_CHECKING:
    from .app import create_app
    from .run import serve

__all__ = ["ServerSettings", "create_app", "serve"]


def __getattr__(name: str) -> Any:
    """FastAPI and uvicorn come when they are needed."""
    if name == "create_app":
        from .app import create_app

        return create_app
    if name == "serve":
        from .run import serve

        return serve
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
