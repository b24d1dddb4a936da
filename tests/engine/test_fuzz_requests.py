"""Whatever is put into a request: it is one that the engine can run, or InvalidRequest says in one sentence why not."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from fuzz import anything, fuzz, is_sentence, odd_number
from hypothesis import given
from hypothesis import strategies as st

from engine import EngineConfig, InvalidRequest, Request, Sampling, Speculation
from engine.errors import HelixError, from_name, shown

HUGE = 10**5000


def made(kind: type, values: dict[str, Any]) -> Any:
    """The object, or None where it is refused properly."""
    try:
        return kind(**values)
    except InvalidRequest as error:
        assert is_sentence(str(error))
        return None


@fuzz(400)
@given(st.data())
def test_any_value_in_any_field_is_taken_or_refused_in_a_sentence(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([Request, Sampling, Speculation, EngineConfig]))
    names = data.draw(st.lists(st.sampled_from([f.name for f in fields(kind)]), max_size=3, unique=True))
    values = {name: data.draw(anything, name) for name in names}
    if kind is Request and data.draw(st.booleans()):
        values = {"prompt": "?"} | values
    made(kind, values)


@fuzz(150)
@given(st.lists(st.dictionaries(st.sampled_from(["role", "content", "name"]), anything, max_size=3), max_size=3))
def test_any_messages_are_taken_or_refused_in_a_sentence(messages: list[Any]) -> None:
    request = made(Request, {"messages": messages})
    if request is not None:
        for message in request.messages:
            message["content"].encode()


@fuzz(150)
@given(st.dictionaries(st.sampled_from([f.name for f in fields(Sampling)]), odd_number))
def test_numbers_that_pass_are_finite(values: dict[str, Any]) -> None:
    if (sampling := made(Sampling, values)) is not None:
        for field in fields(sampling):
            assert 0 <= float(getattr(sampling, field.name)) < float("inf")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("max_tokens", HUGE, "max_tokens has far too many digits"),
        ("seed", -HUGE, "seed has far too many digits"),
        ("prompt", 5, "The prompt must be a text, not 5."),
        ("prompt", "half \ud800", "has half of a surrogate pair"),
        ("prompt_ids", ["a"], "prompt_ids must be a list of whole numbers, not ['a']."),
        ("prompt_ids", [1.5], "whole numbers"),
        ("prompt_ids", [], "The prompt is empty"),
        ("prompt_ids", 5, "whole numbers, not 5."),
        ("messages", 5, "messages must be a list of messages, not 5."),
        ("messages", (m for m in ()), "messages must be a list"),
        ("messages", [{"role": "user", "content": "\udfff"}], "Message 1 has half of a surrogate pair"),
        ("messages", [{"role": "a\nb" * 900, "content": "x"}], "Message 1 has the role "),
    ],
    # pytest would write out the huge number.
    ids=range(12),
)
def test_what_once_failed_later_or_with_a_traceback(field: str, value: object, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Request(**{**({} if field.startswith(("prompt", "messages")) else {"prompt": "?"}), field: value})  # type: ignore[arg-type]
    assert said in str(caught.value) and is_sentence(str(caught.value))


@pytest.mark.parametrize("values", [{"stop": 5}, {"stop": None}, {"sampling": None}, {"speculation": "deep"}])
def test_a_field_of_the_wrong_kind_is_refused_before_the_engine_meets_it(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        Request(prompt="?", **values)


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_a_wrong_value_is_shown_short_and_on_one_line() -> None:
    assert shown("a\nb") == r"'a\nb'"
    assert shown(HUGE) == "a int" and shown(Rude()) == "a Rude"
    assert len(shown("x" * 10**6)) == 60 and shown(["\x1b"]).isprintable()


def test_errors_keep_their_family() -> None:
    assert isinstance(from_name("InvalidRequest", "x"), InvalidRequest)
    assert type(from_name("\0", "x")) is HelixError
