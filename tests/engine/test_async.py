"""`astream`: events for asyncio, a reader that leaves, a reader that is slow, and an engine that closes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
import tiny

from engine import ContextTooLong, Engine, HelixError, Request
from engine.events import Cycle, Event, Failed, Finished, Preempted
from engine.models.paged import PagedModel
from engine.outbox import Outbox


def ask(seed: int, **changes: Any) -> Request:
    return Request(**{"prompt_ids": tiny.prompt(20, seed), "max_tokens": 30, **changes})


async def tokens(engine: Engine, request: Request) -> list[int]:
    said: list[int] = []
    async for event in engine.astream(request):
        if isinstance(event, Cycle):
            said += [token.id for token in event.emitted]
    return said


async def settled(engine: Engine) -> None:
    while engine.busy:
        await asyncio.sleep(0.001)
    assert tiny.held(engine) == 0


def test_many_at_once_say_what_each_says_alone(pair: Engine) -> None:
    alone = [pair.generate(ask(seed)).token_ids for seed in range(6)]

    async def scenario() -> None:
        assert await asyncio.gather(*(tokens(pair, ask(seed)) for seed in range(6))) == alone
        await settled(pair)

    asyncio.run(scenario())


def test_who_leaves_frees_the_blocks(pair: Engine) -> None:
    async def scenario() -> None:
        async with aclosing(pair.astream(ask(1, max_tokens=120))) as events:
            async for event in events:
                if isinstance(event, Cycle):
                    break
        await settled(pair)

        task = asyncio.create_task(tokens(pair, ask(2, max_tokens=120)))
        while not tiny.held(pair):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settled(pair)

    asyncio.run(scenario())


def test_a_slow_reader_rests_and_holds_up_nobody(
    models: tiny.Models, pair: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.engine.Outbox", lambda arrived=None: Outbox(arrived or (lambda: None), limit=8))
    wanted = [pair.generate(ask(seed, max_tokens=120)).token_ids for seed in range(2)]

    async def scenario(engine: Engine) -> None:
        slow = engine.astream(ask(0, max_tokens=120))
        seen: list[Event] = [await anext(slow)]
        assert await tokens(engine, ask(1, max_tokens=120)) == wanted[1], "the only place is not kept for a reader"
        assert engine.busy
        assert tiny.held(engine) == 0, "nor are blocks"
        async for event in slow:
            seen.append(event)
        assert [t.id for e in seen if isinstance(e, Cycle) for t in e.emitted] == wanted[0]
        assert any(isinstance(event, Preempted) for event in seen)
        await settled(engine)

    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", max_running=1) as engine:
        asyncio.run(scenario(engine))


def test_a_bad_request_is_refused_and_a_broken_step_tells_everyone(
    pair: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: PagedModel, spans: list[Any]) -> Any:
        raise ValueError("no such row")

    async def scenario() -> None:
        with pytest.raises(ContextTooLong):
            await anext(pair.astream(Request(prompt_ids=[5] * 500)))
        with monkeypatch.context() as patch:
            patch.setattr(PagedModel, "_run", broken)
            ends = [[event async for event in pair.astream(ask(seed))][-1] for seed in range(2)]
            assert all(isinstance(end, Failed) and "no such row" in end.message for end in ends)
        with monkeypatch.context() as patch:
            patch.setattr(pair._loop._scheduler, "admit", lambda: 1 / 0)
            end = [event async for event in pair.astream(ask(1))][-1]
            assert isinstance(end, Failed)
        await settled(pair)
        assert await tokens(pair, ask(1)) == pair.generate(ask(1)).token_ids

    asyncio.run(scenario())


def test_closing_ends_every_stream(models: tiny.Models) -> None:
    engine = Engine.load(models.target("llama"), None, device="cpu", max_running=2)

    async def scenario() -> None:
        streams = [asyncio.create_task(last(engine, seed)) for seed in range(4)]
        while not engine.busy:
            await asyncio.sleep(0.001)
        engine.close()
        ends = await asyncio.gather(*streams, return_exceptions=True)
        assert all(isinstance(e, HelixError) or (isinstance(e, Finished) and e.reason == "cancelled") for e in ends)
        with pytest.raises(HelixError):
            await anext(engine.astream(ask(1)))

    asyncio.run(scenario())


async def last(engine: Engine, seed: int) -> Event:
    return [event async for event in engine.astream(ask(seed, max_tokens=130))][-1]
