"""Streams that are left: closed early, collected in the middle of a step, or begun when the engine has ended."""

from __future__ import annotations

import pytest
import tiny

from engine import Engine, HelixError, Request, Speculation
from engine.events import Cycle, Finished


def ask(depth: int = 4, max_tokens: int = 40) -> Request:
    return Request(prompt_ids=tiny.prompt(20, 7), max_tokens=max_tokens, speculation=Speculation(depth))


def test_a_stream_closed_early_frees_its_blocks(pair: Engine) -> None:
    stream = pair.stream(ask(4, max_tokens=100))
    while not isinstance(next(stream), Cycle):
        pass
    assert tiny.held(pair) > 0
    stream.close()
    assert tiny.held(pair) == 0
    assert not pair.busy
    assert pair.step() == [], "nobody is left to tell"


def test_close_ends_everything_and_may_be_said_twice(models: tiny.Models) -> None:
    engine = Engine.load(models.target("llama"), device="cpu")
    stream = engine.stream(ask())
    next(stream)
    engine.close()
    engine.close()
    end = list(stream)[-1]
    assert isinstance(end, Finished)
    assert end.reason == "cancelled"
    for use in (lambda: engine.generate(ask()), lambda: engine.submit(ask()), engine.step):
        with pytest.raises(HelixError, match="closed; load a new one"):
            use()


def test_a_stream_that_begins_after_the_end_says_so(models: tiny.Models) -> None:
    engine = Engine.load(models.target("llama"), device="cpu")
    stream = engine.stream(ask())
    engine.close()
    with pytest.raises(HelixError, match="closed; load a new one"):
        next(stream)


@pytest.mark.parametrize("place", ["_propose", "_accept", "forward", "_run"])
def test_a_stream_that_is_collected_in_the_middle_of_a_step_harms_nobody(
    models: tiny.Models, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The collector ends a generator wherever it runs: here in the step of somebody else."""
    with Engine.load(models.target("llama"), models.near("llama"), device="cpu", prefix_cache=False) as engine:
        wanted = engine.generate(ask(4)).token_ids
        left = [engine.stream(ask(4, max_tokens=100))]
        while not isinstance(next(left[0]), Cycle):
            pass
        owner = engine._speculator if hasattr(engine._speculator, place) else engine._pair.target
        called = getattr(owner, place)

        def collect(*arguments: object) -> object:
            if left:
                left.pop().close()  # As its finalizer would, on this thread.
            return called(*arguments)

        monkeypatch.setattr(owner, place, collect)
        assert engine.generate(ask(4)).token_ids == wanted
        assert not left and not engine.busy
        assert tiny.held(engine) == 0
