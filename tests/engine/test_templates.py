"""Chat templates as they are found: none, broken, endless, choosy about roles, forgetful of what was thought."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, InvalidRequest, Request, Speculation
from engine.models import chat
from engine.models.source import bundled
from engine.models.tokenizer import Tokenizer

Messages = list[dict[str, str]]
HELLO: Messages = [{"role": "user", "content": "Hello there"}]
BRIEF = {"role": "system", "content": "Be brief."}
TURNS = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}>"
ALTERNATING = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}>"
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    loaded = Tokenizer.load(bundled("target"))
    assert loaded is not None
    return loaded


def rendered(tokenizer: Tokenizer, template: Any, messages: Messages) -> str:
    """The text of a chat by `template`."""
    fresh = Tokenizer(tokenizer.inner)
    before, fresh.inner.chat_template = fresh.inner.chat_template, template
    try:
        return str(fresh.inner.decode(fresh.render(messages)))
    finally:
        fresh.inner.chat_template = before


def refusal(tokenizer: Tokenizer, template: Any, messages: Messages = HELLO) -> str:
    with pytest.raises(InvalidRequest) as caught:
        rendered(tokenizer, template, messages)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 400
    return sentence


@pytest.mark.parametrize("template", ["{% for m in", "{{ messages", "{% endfor %}", "{{ 1 | no_such_filter }}"])
def test_a_broken_template_is_named_with_its_line(tokenizer: Tokenizer, template: str) -> None:
    said = refusal(tokenizer, f"first line\n{template}")
    assert "template is broken (line 2: " in said and "correct chat_template in the model's folder" in said


@pytest.mark.parametrize(
    "template",
    ["{{ raise_exception('never') }}", "{{ messages[7].content }}", "{{ 1 / 0 }}", "{% include 'x' %}", "{{ x() }}", 5],
)
def test_a_template_that_fails_is_quoted(tokenizer: Tokenizer, template: Any) -> None:
    assert "chat template refuses this chat (" in refusal(tokenizer, template)


ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% set x = a * b %}{% endfor %}{% endfor %}"
WORDY = "{% for a in range(99999) %}{% for b in range(99999) %}" + "x" * 500 + "{% endfor %}{% endfor %}"
CALLS = "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}"


@pytest.mark.parametrize("template", [ENDLESS, WORDY])
def test_a_template_without_end_is_stopped(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch, template: str
) -> None:
    monkeypatch.setattr(chat, "SECONDS", 0.3)
    monkeypatch.setattr(chat, "LONGEST", 1_000_000)
    before = sys.gettrace()
    assert "does not come to an end" in refusal(tokenizer, template)
    assert sys.gettrace() is before


def test_a_template_that_calls_itself_is_refused(tokenizer: Tokenizer) -> None:
    assert "refuses this chat" in refusal(tokenizer, CALLS)


def test_a_long_chat_is_not_taken_for_endless(tokenizer: Tokenizer) -> None:
    messages = [{"role": role, "content": "word " * 50} for _ in range(300) for role in ("user", "assistant")]
    start = time.monotonic()
    assert rendered(tokenizer, TURNS, messages).count("[user]") == 300
    assert time.monotonic() - start < 60


DROPS = "{% for m in messages if m.role != 'system' %}[{{ m.role }}]{{ m.content }}{% endfor %}>"
REFUSES = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TURNS


@pytest.mark.parametrize("template", [DROPS, REFUSES])
def test_a_system_prompt_that_is_refused_or_dropped_opens_the_first_question(
    tokenizer: Tokenizer, template: str
) -> None:
    assert rendered(tokenizer, template, [BRIEF, *HELLO]) == "[user]Be brief.\n\nHello there>"
    later = [BRIEF, {"role": "assistant", "content": "Yes?"}, *HELLO]
    assert rendered(tokenizer, template, later) == "[assistant]Yes?[user]Be brief.\n\nHello there>"
    assert rendered(tokenizer, template, HELLO) == "[user]Hello there>"


def test_a_system_prompt_that_is_taken_stays_where_it_is(tokenizer: Tokenizer) -> None:
    assert rendered(tokenizer, TURNS, [BRIEF, *HELLO]) == "[system]Be brief.[user]Hello there>"


def test_neighbours_of_one_role_become_one_message_where_turns_are_wanted(tokenizer: Tokenizer) -> None:
    twice = [*HELLO, {"role": "user", "content": "Anyone?"}]
    assert rendered(tokenizer, ALTERNATING, twice) == "[user]Hello there\n\nAnyone?>"
    assert rendered(tokenizer, ALTERNATING, [BRIEF, *twice]) == "[user]Be brief.\n\nHello there\n\nAnyone?>"
    assert rendered(tokenizer, TURNS, twice) == "[user]Hello there[user]Anyone?>", "where not, nothing is changed"
    assert "roles must alternate" in refusal(tokenizer, ALTERNATING, [{"role": "assistant", "content": "Hm."}, *twice])


def test_the_plain_form_without_a_template(tokenizer: Tokenizer) -> None:
    assert rendered(tokenizer, None, [BRIEF, *HELLO]) == "System: Be brief.\n\nUser: Hello there\n\nAssistant:"


THINKING = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' and not loop.last %}"
    "{{ m.content.split('(end)')[-1] }}{% else %}{{ m.content }}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.mark.slow
def test_what_was_thought_is_stripped_later_and_reuse_stays_right(tmp_path: Path) -> None:
    """The tokens of the past change from one turn to the next: only what is still the same may be reused."""
    folder = Path(shutil.copytree(bundled("target"), tmp_path / "thinking"))
    (folder / "chat_template.jinja").write_text(THINKING)
    thought = "I should think about this for a good while before I say a word. " * 3 + "(end)Well: "
    messages: Messages = [{"role": "user", "content": "What is machine learning? " * 5}]
    with (
        Engine.load(folder, "bundled", device="cpu", dtype="float32") as engine,
        Engine.load(folder, None, device="cpu", dtype="float32", prefix_cache=False) as fresh,
    ):
        for question in ("Name five fruits.", "What is the sea?", "Who are you?"):
            request = Request(messages=messages, max_tokens=20, speculation=Speculation(4))
            reply = engine.generate(request)
            plain = fresh.generate(Request(messages=messages, max_tokens=20))
            assert reply.token_ids == plain.token_ids and reply.usage.prompt_tokens == plain.usage.prompt_tokens
            if len(messages) > 1:
                assert 16 <= reply.usage.cached_tokens < reply.usage.prompt_tokens
            messages += [{"role": "assistant", "content": thought + reply.text}, {"role": "user", "content": question}]
            again = engine.generate(Request(messages=messages[:-1], max_tokens=5))
            assert again.usage.cached_tokens >= 16, "a thought that is still there"
    assert json.dumps(messages).count("I should think") == 9
