"""The OpenAI surface, by OpenAI's own client, and the whole document by schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from serving import Served, serving

from engine import Engine, Request
from engine.events import Emitted
from engine.server.openai_shapes import Shape

openai = pytest.importorskip("openai")

CHAT: Any = [{"role": "user", "content": "What is the capital of France?"}]
MODEL = "bundled"


@pytest.fixture(scope="module")
def served(bundled: Engine) -> Iterator[Served]:
    with serving(bundled, api_key="key of the tests") as server:
        yield server


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    return openai.OpenAI(base_url=f"{served.url}/v1", api_key="key of the tests", max_retries=0, timeout=60)


@pytest.fixture(scope="module")
def wanted(bundled: Engine) -> str:
    return bundled.generate(Request(messages=CHAT, max_tokens=24)).text


def test_models(client: Any) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-5")


def test_a_chat(client: Any, wanted: str) -> None:
    reply = client.chat.completions.create(model=MODEL, messages=CHAT, temperature=0, max_completion_tokens=24)
    choice = reply.choices[0]
    assert (choice.message.content, choice.message.role) == (wanted, "assistant")
    assert choice.finish_reason in ("stop", "length")
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.object == "chat.completion"
    parts = [{"role": "user", "content": [{"type": "text", "text": CHAT[0]["content"]}]}]
    same = client.chat.completions.create(model=MODEL, messages=parts, temperature=0, max_tokens=24)
    assert same.choices[0].message.content == wanted


def test_a_chat_streams(client: Any, wanted: str) -> None:
    asked: Any = {"model": MODEL, "messages": CHAT, "temperature": 0, "max_tokens": 24, "stream": True}
    chunks = list(client.chat.completions.create(**asked, stream_options={"include_usage": True}))
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == wanted
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "length")
    assert chunks[-1].usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in client.chat.completions.create(**asked))


def test_extension_fields(client: Any) -> None:
    asked: Any = {"model": MODEL, "messages": CHAT, "temperature": 0, "max_tokens": 24}
    deep = client.chat.completions.create(**asked, extra_body={"depth": 4})
    plain = client.chat.completions.create(**asked, extra_body={"baseline": True})
    assert deep.choices[0].message.content == plain.choices[0].message.content
    assert deep.model_extra["speculation"][0]["drafted"] > 0
    assert plain.model_extra["speculation"][0]["drafted"] == 0
    *_, last = client.chat.completions.create(**asked, stream=True, extra_body={"depth": 4})
    assert last.model_extra["speculation"]["drafted"] > 0


def test_seed_and_n(client: Any) -> None:
    asked: Any = {"model": MODEL, "messages": CHAT, "temperature": 2, "max_tokens": 12, "seed": 5}
    three = client.chat.completions.create(**asked, n=3)
    assert [choice.index for choice in three.choices] == [0, 1, 2]
    texts = [choice.message.content for choice in three.choices]
    assert len(set(texts)) == 3
    assert client.chat.completions.create(**asked).choices[0].message.content == texts[0]
    streamed = ["", "", ""]
    for chunk in client.chat.completions.create(**asked, n=3, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
    assert streamed == texts


def test_stop(client: Any, wanted: str) -> None:
    word = wanted.split()[2]
    reply = client.chat.completions.create(model=MODEL, messages=CHAT, temperature=0, max_tokens=24, stop=[word])
    assert reply.choices[0].message.content == wanted[: wanted.index(word)]
    assert reply.choices[0].finish_reason == "stop"


def test_logprobs(client: Any, wanted: str) -> None:
    asked: Any = {"model": MODEL, "messages": CHAT, "temperature": 0, "max_tokens": 24}
    reply = client.chat.completions.create(**asked, logprobs=True, top_logprobs=3)
    content = reply.choices[0].logprobs.content
    assert len(content) == reply.usage.completion_tokens
    assert "".join(token.token for token in content).startswith(wanted)
    for token in content:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].token == token.token, "greedy: the likeliest"
        assert token.top_logprobs[0].logprob == pytest.approx(token.logprob)
    assert client.chat.completions.create(**asked).choices[0].logprobs is None


def test_completions(client: Any, bundled: Engine) -> None:
    asked: Any = {"model": MODEL, "temperature": 0, "max_tokens": 16}
    wanted = bundled.generate(Request(prompt="Once upon a time", max_tokens=16)).text
    reply = client.completions.create(**asked, prompt="Once upon a time", logprobs=2)
    assert reply.choices[0].text == wanted
    assert len(reply.choices[0].logprobs.tokens) == reply.usage.completion_tokens == 16
    two = client.completions.create(**asked, prompt=["Once upon a time", "The sea is"])
    assert len(two.choices) == 2
    assert two.choices[0].text == wanted
    said = client.completions.create(**asked, prompt="Once upon a time", stream=True)
    assert "".join(chunk.choices[0].text for chunk in said) == wanted


def test_errors_are_the_client_s_own(client: Any, served: Served) -> None:
    asked: Any = {"model": MODEL, "messages": CHAT}
    stranger = openai.OpenAI(base_url=f"{served.url}/v1", api_key="somebody else", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-5", messages=CHAT)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "word " * 3000}])
    assert long.value.code == "context_length_exceeded"
    for wrong in ({"temperature": 3}, {"max_tokens": -1}, {"n": 0}, {"n": 1000}, {"presence_penalty": 1},
                  {"tools": [{"type": "function", "function": {"name": "f"}}]}, {"logit_bias": {"5": 1}},
                  {"response_format": {"type": "json_object"}}):  # fmt: skip
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(**{**asked, **wrong})
    fine: Any = {"presence_penalty": 0, "response_format": {"type": "text"}, "user": "me", "tools": None}
    assert client.chat.completions.create(**asked, max_tokens=2, **fine).choices


@pytest.mark.slow
def test_the_document_is_kept(served: Served) -> None:
    """Requests made from the OpenAPI document: never a 500, and every answer as the document says."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    headers = {"Authorization": "Bearer key of the tests"}
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=12, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        def keeps(case: Any) -> None:
            if isinstance(case.body, dict):
                # What it says counts here, not how long it talks.
                case.body.update({"max_tokens": 2} if "requests" not in case.body else {})
                for each in case.body.get("requests", ()) if isinstance(case.body.get("requests"), list) else ():
                    if isinstance(each, dict):
                        each["max_tokens"] = 2
            answer = case.call(headers=headers, timeout=60)
            # A document cannot say "exactly one of", nor what fits the context.
            case.validate_response(answer, excluded_checks=[positive_data_acceptance])

        keeps()
        tried += 1
    assert tried >= 8


def test_where_a_streamed_piece_stands_in_the_text(client: Any) -> None:
    asked: Any = {"model": MODEL, "temperature": 0, "max_tokens": 16, "prompt": "Once upon a time", "logprobs": 1}
    whole = client.completions.create(**asked).choices[0].logprobs.text_offset
    chunks = [chunk.choices[0].logprobs for chunk in client.completions.create(**asked, stream=True)]
    assert [at for part in chunks if part is not None for at in part.text_offset] == whole
    assert whole[-1] > whole[1] > 0


def test_parts_of_characters_are_told_apart() -> None:
    """Alone they all read alike: clients get no bytes that are not theirs, and lose none of the likeliest."""
    spelt = {1: "a", 2: "\ufffd", 3: "\ufffd"}
    top = ((2, -0.5), (3, -1.5), (1, -2.5))
    told = [Emitted(2, "", "plain", logprob=-0.5, top=top), Emitted(1, "ba", "plain", logprob=-2.5, top=top)]
    text = Shape("text", MODEL, spelt.__getitem__, told=True).piece(0, told, start=7)["choices"][0]["logprobs"]
    assert text["tokens"] == ["token_id:2", "a"] and text["text_offset"] == [7, 7]
    assert text["top_logprobs"] == [{"token_id:2": -0.5, "token_id:3": -1.5, "a": -2.5}] * 2
    chat = Shape("chat", MODEL, spelt.__getitem__, told=True).piece(0, told, start=7)["choices"][0]["logprobs"]
    assert [entry["bytes"] for entry in chat["content"]] == [None, [97]]
    assert [entry["bytes"] for entry in chat["content"][0]["top_logprobs"]] == [None, None, [97]]


def test_null_is_the_default_everywhere(client: Any, wanted: str) -> None:
    asked: Any = {"model": MODEL, "messages": CHAT, "max_tokens": 24, "temperature": 0}
    nothing = dict.fromkeys(("top_k", "min_p", "repetition_penalty", "baseline", "priority", "depth"))
    assert client.chat.completions.create(**asked, extra_body=nothing).choices[0].message.content == wanted
    assert client.chat.completions.create(**asked, extra_body={"top_k": -1}).choices[0].message.content == wanted
