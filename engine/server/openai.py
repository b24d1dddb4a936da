"""The routes that OpenAI's clients speak: models, chat completions and completions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from ..engine import Engine
from ..events import Cycle, Event, Finished
from ..request import Request
from .desk import Desk
from .limits import check_size
from .naming import shown
from .native import SSE
from .openai_schemas import Asked, ChatAsked, CompletionAsked
from .openai_shapes import Shape
from .problems import Problem
from .sse import stream, unless_gone

EITHER: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {"schema": {}}, **SSE}}}


def model_id(engine: Engine) -> str:
    """What clients call the target."""
    return shown(engine.loaded.target.name)


def routes(desk: Desk) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["openai"])
    name = model_id(desk.engine)

    @router.get("/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [_model(name)]}

    @router.get("/models/{model:path}")
    async def model(model: str) -> dict[str, Any]:
        _check_model(model, name)
        return _model(name)

    @router.post("/chat/completions", responses=EITHER)
    async def chat(body: ChatAsked, http: HttpRequest) -> Response:
        check_size(desk.settings, [{"messages": [m.plain() for m in body.messages]}])
        shape = Shape("chat", name, desk.engine.token_text, bool(body.logprobs))
        return await _answer(desk, body, body.requests, shape, http)

    @router.post("/completions", responses=EITHER)
    async def completions(body: CompletionAsked, http: HttpRequest) -> Response:
        check_size(desk.settings, body.texts())
        shape = Shape("text", name, desk.engine.token_text, body.logprobs is not None)
        return await _answer(desk, body, body.requests, shape, http)

    return router


async def _answer(desk: Desk, body: Asked, requests: Any, shape: Shape, http: HttpRequest) -> Response:
    """One reply for each of `requests(depth)`, streamed or not."""
    if body.model is not None:
        _check_model(body.model, shape.model)
    asked: list[Request] = requests(desk.settings.depth)
    if body.stream:
        return await stream(http, _chunks(desk, asked, shape, body.with_usage), desk.places(len(asked)))

    async def together() -> list[tuple[list[Cycle], Finished]]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(desk.reply(request)) for request in asked]
        return [task.result() for task in tasks]

    with desk.places(len(asked)):
        try:
            return JSONResponse(shape.whole(await unless_gone(http, together())))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None


async def _chunks(
    desk: Desk, requests: list[Request], shape: Shape, with_usage: bool
) -> AsyncGenerator[dict[str, Any], None]:
    ends: list[Finished] = []
    opened: set[int] = set()
    said = [0] * len(requests)
    """Characters of each choice."""
    async with aclosing(_merged(desk, requests)) as events:
        async for index, event in events:
            if index not in opened and shape.kind == "chat":
                opened.add(index)
                yield shape.opening(index)
            if isinstance(event, Cycle):
                yield shape.piece(index, event.emitted, said[index])
                said[index] += sum(len(token.text) for token in event.emitted)
            elif isinstance(event, Finished):
                ends.append(event)
                yield shape.closing(index, event)
    if with_usage:
        yield shape.tally(ends)


async def _merged(desk: Desk, requests: list[Request]) -> AsyncGenerator[tuple[int, Event], None]:
    """(index, event) of several requests as they come; one that fails ends them all."""
    if len(requests) == 1:
        async with aclosing(desk.events(requests[0])) as events:
            async for event in events:
                yield 0, event
        return
    # Of one place: who reads slowly makes all of them rest.
    queue: asyncio.Queue[tuple[int, Event | BaseException | None]] = asyncio.Queue(1)

    async def follow(index: int, request: Request) -> None:
        try:
            async with aclosing(desk.events(request)) as events:
                async for event in events:
                    await queue.put((index, event))
            await queue.put((index, None))
        except Exception as error:
            await queue.put((index, error))

    tasks = [asyncio.create_task(follow(i, request)) for i, request in enumerate(requests)]
    try:
        left = len(tasks)
        while left:
            index, told = await queue.get()
            if isinstance(told, BaseException):
                raise told
            if told is None:
                left -= 1
            else:
                yield index, told
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "helix"}


def _check_model(asked: str, name: str) -> None:
    if asked != name:
        raise Problem(404, f"There is no such model here; ask for {name}.", "invalid_request_error", "model_not_found")
