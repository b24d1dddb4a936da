"""One request at a time: how it ends, what it says of itself, and that it can be steered while it runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import tiny

from engine import ContextTooLong, Engine, HelixError, InvalidRequest, Request, Sampling, Speculation
from engine.events import Cycle, Event, Finished, Prefilled, Started, from_json
from engine.models.paged import PagedModel

PROMPT = tiny.prompt(20, 7)
CHAT = [{"role": "user", "content": "What is the capital of France?"}]


def ask(depth: int = 4, **changes: object) -> Request:
    return Request(**{"prompt_ids": PROMPT, "max_tokens": 40, "speculation": Speculation(depth), **changes})


def cycles(events: list[Event]) -> list[Cycle]:
    return [event for event in events if isinstance(event, Cycle)]


def said(events: list[Event]) -> list[int]:
    return [token.id for event in cycles(events) for token in event.emitted]


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=1.2, top_p=0.95)])
@pytest.mark.parametrize("stop", [(), ("\n",), ("e s", "city")])
def test_shown_text_is_the_finished_text_is_the_completion(
    bundled: Engine, sampling: Sampling, stop: tuple[str, ...]
) -> None:
    request = Request(messages=CHAT, max_tokens=50, seed=5, sampling=sampling, stop=stop)
    events = list(bundled.stream(request))
    end = events[-1]
    assert isinstance(end, Finished)
    reply = bundled.generate(request)
    assert "".join(token.text for event in cycles(events) for token in event.emitted) == end.text == reply.text
    assert said(events) == reply.token_ids
    assert end.reason == reply.finish_reason
    assert not any(s in reply.text for s in stop)


def test_stops_are_found_across_tokens_and_never_shown(bundled: Engine) -> None:
    whole = bundled.generate(Request(messages=CHAT, max_tokens=40, speculation=Speculation(0))).text
    for start in range(0, len(whole) - 8, 17):
        for length in (2, 8):
            stop = whole[start : start + length]
            for depth in (0, 5):
                request = Request(messages=CHAT, max_tokens=40, stop=[stop], speculation=Speculation(depth))
                events = list(bundled.stream(request))
                end = events[-1]
                assert isinstance(end, Finished)
                assert (end.reason, end.text) == ("stop", whole[: whole.index(stop)])
                shown = ""
                for event in cycles(events):
                    for token in event.emitted:
                        shown += token.text
                        assert end.text.startswith(shown)
                assert shown == end.text


def test_a_stop_that_does_not_come_changes_nothing(bundled: Engine) -> None:
    plain = bundled.generate(Request(messages=CHAT, max_tokens=30))
    # It begins as the reply ends, so the end is held back until nothing more comes.
    waiting = bundled.generate(Request(messages=CHAT, max_tokens=30, stop=[plain.text[-4:] + "\0"]))
    assert (waiting.text, waiting.finish_reason) == (plain.text, "length")


@pytest.mark.parametrize("depth", [0, 4, 8])
def test_every_end_of_sequence_id_of_the_generation_config_ends_the_text(
    models: tiny.Models, tmp_path: Path, depth: int
) -> None:
    whole = tiny.greedy(tiny.load(models.target("llama")), PROMPT, 40)
    ends = [whole[25], whole[11]]
    folder = tiny.save(tiny.build("llama"), tmp_path, eos_token_id=ends)
    first = min(whole.index(end) for end in ends)
    with Engine.load(folder, models.near("llama"), device="cpu") as engine:
        reply = engine.generate(ask(depth))
    assert reply.token_ids == whole[: first + 1] == tiny.greedy(tiny.load(folder), PROMPT, 40)
    assert reply.finish_reason == "eos"
    assert reply.usage.completion_tokens == first + 1
    assert reply.usage.accepted <= first + 1


def test_the_bundled_reply_ends_without_its_end_token(bundled: Engine) -> None:
    reply = bundled.generate(Request(messages=CHAT))
    assert (reply.finish_reason, reply.token_ids[-1]) == ("eos", 4)
    assert "<|" not in reply.text


@pytest.mark.parametrize("depth", [0, 1, 4, 8])
def test_max_tokens_is_exact(pair: Engine, depth: int) -> None:
    whole = pair.generate(ask(0)).token_ids
    for count in (1, 2, 3, 7, 10):
        events = list(pair.stream(ask(depth, max_tokens=count)))
        assert said(events) == whole[:count]
        assert isinstance(events[-1], Finished)
        assert events[-1].reason == "length"
        left = count
        for event in cycles(events):
            assert len(event.drafted) <= left - 1, "drafting past the end is wasted"
            left -= len(event.emitted)


@pytest.mark.parametrize("depth", [0, 4, 8])
def test_the_context_ends_the_text(models: tiny.Models, depth: int) -> None:
    whole = tiny.greedy(tiny.load(models.target("llama")), PROMPT, 37)
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", max_context=57) as engine:
        reply = engine.generate(ask(depth, max_tokens=None))
        assert (reply.finish_reason, reply.token_ids) == ("context", whole)
        with pytest.raises(ContextTooLong, match="57 tokens but the context is 57; shorten"):
            engine.generate(ask(prompt_ids=tiny.prompt(57, 1)))


def test_a_draft_with_less_context_stops_drafting_there(models: tiny.Models, tmp_path: Path) -> None:
    short = tiny.save(tiny.nudge(tiny.build("llama", max_position_embeddings=48), 0.04), tmp_path)
    with Engine.load(models.target("llama"), short, device="cpu") as engine:
        events = list(engine.stream(ask(4, max_tokens=60)))
    assert said(events) == tiny.greedy(tiny.load(models.target("llama")), PROMPT, 60)
    length = len(PROMPT)
    drafted = []
    for event in cycles(events):
        assert not event.drafted or length + len(event.drafted) - 1 <= 48, "it reads all but the last it drafts"
        length += len(event.emitted)
        drafted.append(len(event.drafted))
    assert drafted[0] == 4
    assert drafted[-1] == 0


def elsewhere(action: Callable[[], None]) -> None:
    thread = threading.Thread(target=action)
    thread.start()
    thread.join()


def test_depth_changes_from_another_thread_at_the_next_cycle(pair: Engine) -> None:
    wanted = [4, 4, 0, 0, 7, 7, 2, 2]
    seen, tokens = [], []
    for event in pair.stream(ask(4, max_tokens=100)):
        if isinstance(event, Cycle):
            seen.append(len(event.drafted))
            tokens += [token.id for token in event.emitted]
            if len(seen) < len(wanted):
                elsewhere(lambda: pair.set_depth(wanted[len(seen)]))
    assert seen[:8] == wanted
    assert tokens == pair.generate(ask(0, max_tokens=100)).token_ids
    with pytest.raises(InvalidRequest):
        pair.set_depth(17)


def test_cancel_from_another_thread_at_the_next_cycle(pair: Engine) -> None:
    events = []
    for event in pair.stream(ask(4, max_tokens=100)):
        events.append(event)
        if isinstance(event, Cycle) and event.index == 2:
            elsewhere(lambda number=event.request: pair.cancel(number))
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.reason == "cancelled"
    assert len(cycles(events)) == 3
    assert end.usage.completion_tokens == len(said(events)) > 0
    assert tiny.held(pair) == 0
    pair.cancel(12345)


def test_cancel_in_the_middle_of_a_long_prompt(models: tiny.Models) -> None:
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", prefill_chunk=8) as engine:
        number = engine.submit(ask(prompt_ids=tiny.prompt(100, 3)))
        events = engine.step() + engine.step()
        assert [type(event) for event in events if event.kind != "memory"] == [Started]
        engine.cancel(number)
        end = next(event for event in engine.step() if isinstance(event, Finished))
        assert (end.reason, end.usage.completion_tokens, end.usage.ttft_s) == ("cancelled", 0, None)
        assert tiny.held(engine) == 0
        assert not engine.busy


@pytest.mark.parametrize("depth", [0, 3, 8])
def test_events_come_in_order_and_say_what_happened(pair: Engine, depth: int) -> None:
    events = [event for event in pair.stream(ask(depth)) if event.kind != "memory"]
    started, prefilled, *rounds, end = events
    assert isinstance(started, Started)
    assert isinstance(prefilled, Prefilled)
    assert isinstance(end, Finished)
    assert [event.index for event in rounds] == list(range(len(rounds)))
    assert prefilled.tokens == started.prompt_tokens - started.cached_tokens
    assert len({event.request for event in events}) == 1
    length = len(PROMPT)
    for event in rounds:
        kept = [token.kept for token in event.drafted]
        assert kept == [True] * event.accepted + [False] * (len(kept) - event.accepted)
        last = "plain" if not kept else "bonus" if all(kept) else "correction"
        assert [token.origin for token in event.emitted] == ["draft"] * event.accepted + [last]
        assert [token.id for token in event.drafted][: event.accepted] == [t.id for t in event.emitted[:-1]]
        assert all(0 <= token.q <= 1 and 0 <= token.p <= 1 for token in event.drafted)
        length += len(event.emitted)
        assert event.blocks.length == length - 1
        used = sum(count for _, count in event.blocks.table)
        assert used == -(-event.blocks.length // 16) <= event.peak_blocks
        assert used + event.blocks.free + sum(count for _, count in event.blocks.cached) == event.blocks.total
    assert end.blocks.table == ()
    usage = end.usage
    assert usage.prompt_tokens == len(PROMPT)
    assert usage.completion_tokens == len(said(events)) == 40
    assert usage.cycles == len(rounds)
    assert usage.drafted == sum(len(event.drafted) for event in rounds)
    assert usage.accepted == sum(event.accepted for event in rounds)
    assert usage.acceptance_rate == (usage.accepted / usage.drafted if depth else None)
    assert usage.mean_accepted_length == 1 + usage.accepted / usage.cycles
    assert usage.ttft_s is not None
    assert usage.ttft_s > 0
    later = usage.completion_tokens - len(rounds[0].emitted)
    assert usage.decode_tokens_per_s == pytest.approx(later / usage.decode_s)


def test_every_event_survives_json(bundled: Engine) -> None:
    request = Request(messages=CHAT, max_tokens=20, seed=1, sampling=Sampling(temperature=1), stop=["zzz"])
    events = [bundled.loaded, *bundled.stream(request)]
    for event in events:
        assert from_json(json.loads(json.dumps(event.to_json(), allow_nan=False))) == event
    assert {"loaded", "started", "prefilled", "cycle", "finished"} <= {event.kind for event in events}


def test_the_engine_goes_on_after_a_failure(pair: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = pair.generate(ask()).token_ids
    honest = PagedModel._run
    for model in (pair._pair.target, pair._pair.draft):
        with monkeypatch.context() as patch:
            patch.setattr(
                PagedModel, "_run", lambda self, spans, model=model: honest(self, spans) if self is not model else 1 / 0
            )
            with pytest.raises(HelixError, match=r"failed \(ZeroDivisionError: .*; ask again"):
                pair.generate(ask())
        assert tiny.held(pair) == 0
        assert not pair.busy
        assert pair.generate(ask()).token_ids == wanted


def test_stepping_is_streaming(pair: Engine) -> None:
    number = pair.submit(ask())
    events: list[Event] = []
    while pair.busy:
        events += pair.step()
    assert {getattr(event, "request", number) for event in events} == {number}
    assert said(events) == pair.generate(ask()).token_ids
    assert all(a.index + 1 == b.index for a, b in pairwise(cycles(events)))
    assert pair.step() == []


def test_readings_of_a_stream_do_not_pile_up_elsewhere(pair: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.loop.MEMORY_EVERY", 0.0)
    events = list(pair.stream(ask()))
    assert sum(event.kind == "memory" for event in events) > 3
    assert pair.step() == []


def test_two_blocks_are_enough_for_the_shortest_context(models: tiny.Models) -> None:
    with Engine.load(models.target("llama"), device="cpu", max_context=2) as engine:
        assert engine.loaded.context == 2 and engine.loaded.block_count == 2
        assert engine.generate(Request(prompt_ids=[3], max_tokens=5)).finish_reason == "context"


@pytest.mark.parametrize("depth", [0, 1, 4, 16])
def test_tokens_a_round_are_counted_not_inferred(bundled: Engine, depth: int) -> None:
    """The last round may end with a drafted token, which has none of the target's after it."""
    question = [{"role": "user", "content": "Why is the sky blue?"}]
    usage = bundled.generate(Request(messages=question, speculation=Speculation(depth))).usage
    assert usage.mean_accepted_length == usage.completion_tokens / usage.cycles
