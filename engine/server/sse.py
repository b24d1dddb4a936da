"""Server-sent events: replies that begin with a status and end with [DONE]."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import AbstractContextManager, aclosing
from typing import Any, TypeVar

from starlette.requests import Request as HttpRequest
from starlette.responses import StreamingResponse

from .problems import Problem, problem

DONE = "[DONE]"
T = TypeVar("T")


async def stream(
    http: HttpRequest, pieces: AsyncGenerator[Any, None], places: AbstractContextManager[None]
) -> StreamingResponse:
    """JSON pieces as they come. Raises what the first one fails with, while there is still a status to tell it by.

    `places` are held until the last piece, or until the client is gone, be it while it waits for the first.
    """
    places.__enter__()
    try:
        first = await unless_gone(http, anext(pieces))
    except BaseException:
        places.__exit__(None, None, None)
        raise

    async def lines() -> AsyncIterator[str]:
        try:
            async with aclosing(pieces):
                yield _line(first)
                async for piece in pieces:
                    yield _line(piece)
            yield f"data: {DONE}\n\n"
        except Exception as error:
            yield _line(problem(error).body())
        finally:
            places.__exit__(None, None, None)

    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines(), media_type="text/event-stream", headers=headers)


async def unless_gone(http: HttpRequest, work: Awaitable[T]) -> T:
    """What `work` gives; it is cancelled when the client hangs up. The body must have been read."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(http.receive())
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Problem(499, "The client is gone.", "invalid_request_error")
        return task.result()
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))


def _line(piece: Any) -> str:
    return f"data: {json.dumps(piece, ensure_ascii=False, separators=(',', ':'))}\n\n"
