"""Helix's own routes: /generate, /generate/batch and /generate/stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest
from starlette.responses import StreamingResponse

from ..events import Cycle, Finished
from ..request import Request
from .desk import Desk
from .limits import check_size
from .naming import shown
from .schemas import Generate, GenerateBatch, GenerateStream, Replies, Reply, SpeculationBlock, Steer, tokens
from .sse import stream, unless_gone


def routes(desk: Desk) -> APIRouter:
    router = APIRouter(tags=["helix"])

    async def replied(request: Request) -> Reply:
        cycles, end = await desk.reply(request)
        return Reply.of(cycles, end, told=request.logprobs is not None)

    @router.post("/generate")
    async def generate(body: Generate, http: HttpRequest) -> Reply:
        """The whole reply at once."""
        check_size(desk.settings, [body.text()])
        request = body.request(desk.settings.depth, **body.text())
        with desk.places():
            return await unless_gone(http, replied(request))

    @router.post("/generate/batch")
    async def generate_batch(body: GenerateBatch, http: HttpRequest) -> Replies:
        """Several texts, decoded together; all replies in order, or the first error."""
        check_size(desk.settings, [each.text() for each in body.requests])
        requests = [each.request(desk.settings.depth, **each.text()) for each in body.requests]

        async def together() -> list[Reply]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(replied(request)) for request in requests]
            return [task.result() for task in tasks]

        with desk.places(len(requests)):
            try:
                return Replies(replies=await unless_gone(http, together()))
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from None

    @router.post("/generate/stream", response_class=StreamingResponse, responses={200: {"content": SSE}})
    async def generate_stream(body: GenerateStream, http: HttpRequest) -> StreamingResponse:
        """Server-sent events: `data:` lines of JSON, a last piece with usage, and `data: [DONE]`."""
        check_size(desk.settings, [body.text()])
        request = body.request(desk.settings.depth, **body.text())
        pieces = (_events if body.events else _texts)(desk, request, body.handle)
        return await stream(http, pieces, desk.places())

    @router.post("/generate/steer", status_code=204)
    async def steer(body: Steer) -> None:
        """Change the depth of a streaming request from its next round on, or end it and keep what it said."""
        desk.steer(body.handle, body.depth, body.cancel)

    @router.get("/loaded")
    async def loaded() -> dict[str, Any]:
        """What runs here, as the engine's own event: models, device, memory and the KV pool."""
        loaded = desk.engine.loaded
        draft = loaded.draft and replace(loaded.draft, name=shown(loaded.draft.name))
        return replace(loaded, target=replace(loaded.target, name=shown(loaded.target.name)), draft=draft).to_json()

    return router


SSE: dict[str, Any] = {"text/event-stream": {"schema": {"type": "object", "properties": {"data": {"type": "string"}}}}}


async def _events(desk: Desk, request: Request, handle: str | None) -> AsyncGenerator[dict[str, Any], None]:
    """The engine's own: what a panel needs, once it knows what is loaded."""
    async with aclosing(desk.events(request, handle)) as events:
        async for event in events:
            yield event.to_json()


async def _texts(desk: Desk, request: Request, handle: str | None) -> AsyncGenerator[dict[str, Any], None]:
    async with aclosing(desk.events(request, handle)) as events:
        async for event in events:
            if isinstance(event, Cycle):
                yield {
                    "text": "".join(t.text for t in event.emitted),
                    "tokens": [t.model_dump(exclude_defaults=True) for t in tokens(event.emitted)],
                    "drafted": len(event.drafted),
                    "accepted": event.accepted,
                }
            elif isinstance(event, Finished):
                yield {
                    "finish_reason": event.reason,
                    "usage": {
                        "prompt_tokens": event.usage.prompt_tokens,
                        "cached_tokens": event.usage.cached_tokens,
                        "completion_tokens": event.usage.completion_tokens,
                    },
                    "speculation": SpeculationBlock.of(event).model_dump(),
                }
