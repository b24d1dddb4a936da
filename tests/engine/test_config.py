"""Settings and requests: every value that makes no sense is refused with one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine import MAX_DEPTH, EngineConfig, InvalidRequest, Request, Sampling, Speculation
from engine import errors as family
from engine.config import check_depth

NAN, INF = float("nan"), float("inf")
HELLO = [{"role": "user", "content": "Hello"}]


def refusal(make: Callable[..., Any], **values: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        make(**values)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith(".") and sentence[0] != " "
    return sentence


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("temperature", -0.1),
        ("temperature", NAN),
        ("temperature", INF),
        ("temperature", "hot"),
        ("temperature", None),
        ("temperature", True),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_p", 0),
        ("top_p", 1.1),
        ("min_p", -0.1),
        ("min_p", 1.5),
        ("repetition_penalty", 0),
        ("repetition_penalty", -1),
    ],
)
def test_sampling_refuses(name: str, bad: Any) -> None:
    assert refusal(Sampling, **{name: bad}).startswith(name)


def test_sampling_takes_its_whole_range() -> None:
    assert Sampling().greedy and not Sampling(temperature=0.7).greedy
    Sampling(temperature=5, top_k=10**6, top_p=1, min_p=1, repetition_penalty=0.5)
    Sampling(temperature=0.0, top_k=0, top_p=1e-6, min_p=0, repetition_penalty=2)


@pytest.mark.parametrize("depth", [-1, MAX_DEPTH + 1, 1.5, "4", None, True])
def test_a_depth_outside_the_limits_is_refused(depth: Any) -> None:
    assert refusal(Speculation, depth=depth).startswith("speculation depth")
    with pytest.raises(InvalidRequest):
        check_depth(depth)


def test_speculation_takes_every_depth_and_both_verifiers() -> None:
    for depth in (*range(MAX_DEPTH + 1), "auto"):
        check_depth(depth)  # type: ignore[arg-type]
        assert Speculation(depth=depth, verifier="token").depth == depth  # type: ignore[arg-type]
    assert "verifier" in refusal(Speculation, verifier="sloppy")


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("kv_memory", 0),
        ("kv_memory", 1.5),
        ("max_context", 1),
        ("max_context", "all"),
        ("max_running", 0),
        ("prefill_chunk", 0),
        ("prefill_chunk", None),
        ("drafter", "oracle"),
    ],
)
def test_engine_settings_refuse(name: str, bad: Any) -> None:
    assert name in refusal(EngineConfig, **{name: bad})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "exactly one of messages, prompt and prompt_ids, but none was given"),
        ({"prompt": "Hi", "messages": HELLO}, "messages and prompt was given"),
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt_ids": []}, "prompt is empty"),
        ({"messages": []}, "chat is empty"),
        ({"messages": [{"role": "user", "content": " \n"}]}, "last message is empty"),
        ({"messages": [{"role": "boss", "content": "Hi"}]}, "use system, user, assistant, tool"),
        ({"messages": [{"role": "user"}]}, "Message 1 must have a role and a text content"),
        ({"messages": [*HELLO, {"role": "user", "content": 5}]}, "Message 2"),
        ({"messages": ["Hello"]}, "Message 1"),
        ({"prompt": "Hi", "max_tokens": 0}, "max_tokens is 0"),
        ({"prompt": "Hi", "max_tokens": 2.5}, "max_tokens must be a whole number"),
        ({"prompt": "Hi", "seed": -1}, "seed is -1"),
        ({"prompt": "Hi", "seed": 2**63}, "seed"),
        ({"prompt": "Hi", "stop": [""]}, "stop"),
        ({"prompt": "Hi", "stop": [5]}, "stop"),
    ],
)
def test_a_request_refuses(values: dict[str, Any], said: str) -> None:
    assert said in refusal(Request, **values)


def test_a_request_takes_each_kind_of_prompt() -> None:
    assert Request(prompt="Hi", stop="END").stop == ("END",)
    assert Request(prompt_ids=(1, 2)).max_tokens is None
    assert Request(messages=[{"role": "system", "content": ""}, *HELLO], seed=0, max_tokens=1).sampling.greedy


def test_an_error_can_be_made_again_from_its_name() -> None:
    again = family.from_name("OutOfMemory", "The pool is full.")
    assert type(again) is family.OutOfMemory and str(again) == "The pool is full."
    assert type(family.from_name("KeyError", "x")) is family.HelixError
    for cls in family.HelixError.__subclasses__():
        assert type(family.from_name(cls.__name__, "x")) is cls
