"""The FastAPI app: routes behind the guard, every error in one shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import metadata
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse

from ..engine import Engine
from ..errors import HelixError
from . import docs, native, openai
from .desk import Desk
from .guard import Guard
from .problems import Problem, bad, problem
from .settings import ServerSettings

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Health(BaseModel):
    status: str
    model: str
    running: int
    waiting: int


class ErrorBody(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(BaseModel):
    error: ErrorBody


def create_app(engine: Engine, settings: ServerSettings | None = None) -> FastAPI:
    """An app over a loaded engine, which stays the caller's to close. `app.state.desk` is its queue."""
    settings = settings or ServerSettings()
    desk = Desk(engine, settings)
    app = FastAPI(
        title="Helix",
        version=metadata.version("helix-chat"),
        description="Speculative decoding over a paged KV cache.",
        docs_url=None,
        redoc_url=None,
        responses={code: {"model": ErrorReply} for code in (400, 401, 403, 404, 408, 413, 429, 500, 503, 504)},
    )
    app.state.desk = desk
    model = openai.model_id(engine)

    @app.get("/health", tags=["state"])
    async def health() -> Health:
        """Whether requests are taken."""
        status = "stopping" if desk.stopping else "ok"
        return Health(status=status, model=model, running=desk.metrics.running, waiting=desk.metrics.waiting)

    @app.get("/metrics", tags=["state"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Prometheus text; names as vLLM's, with `helix:`."""
        return Response(desk.metrics.text(), media_type=PROMETHEUS)

    @app.get("/docs", include_in_schema=False)
    async def documentation() -> Response:
        return docs.page(app.openapi())

    app.include_router(native.routes(desk))
    app.include_router(openai.routes(desk))
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(Guard, settings=settings)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],  # OpenAI's own client sends a dozen. No cookies are used, and origins are named.
            expose_headers=["Retry-After"],
        )
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


async def _on_problem(request: Request, error: Exception) -> Response:
    return problem(error).response()


async def _on_invalid(request: Request, error: Exception) -> Response:
    """Says which field and why, never what was sent."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body") or None
    return bad(f"{where or 'The body'}: {first['msg']}"[:300], where).response()


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = Problem(error.status_code, str(error.detail), "invalid_request_error").response()
    answer.headers.update(error.headers or {})
    return answer


_HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    RequestValidationError: _on_invalid,
    HTTPException: _on_http,
    Problem: _on_problem,
    HelixError: _on_problem,
    Exception: _on_problem,
}


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, without the 422 that FastAPI promises by itself: bad requests are 400 here."""
    if app.openapi_schema is None:
        for route in (document := FastAPI.openapi(app))["paths"].values():
            for operation in route.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
    assert app.openapi_schema is not None
    return app.openapi_schema
