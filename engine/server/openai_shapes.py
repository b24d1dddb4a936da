"""What OpenAI's clients get: whole answers and chunks, for chats and for plain texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from ..events import Cycle, Emitted, Finished
from .schemas import SpeculationBlock

Spell = Callable[[int], str]
"""The text of a token id by itself."""
BROKEN = "\ufffd"
"""Stands for bytes that are no whole character."""
ENDS = {"eos": "stop", "stop": "stop", "length": "length", "context": "length"}


@dataclass(frozen=True, slots=True)
class Shape:
    """One answer's envelope; `told` says whether log probabilities were asked for."""

    kind: Literal["chat", "text"]
    model: str
    spell: Spell
    told: bool
    id: str = field(default_factory=lambda: uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, replies: Sequence[tuple[list[Cycle], Finished]]) -> dict[str, Any]:
        choices = [self._choice(i, cycles, end) for i, (cycles, end) in enumerate(replies)]
        ends = [end for _, end in replies]
        return {**self._envelope(chunk=False), "choices": choices, "usage": usage(ends), "speculation": blocks(ends)}

    def opening(self, index: int) -> dict[str, Any]:
        """The first chunk of a chat's choice says who speaks."""
        return self._chunk(index, {"delta": {"role": "assistant", "content": ""}})

    def piece(self, index: int, emitted: Sequence[Emitted], start: int) -> dict[str, Any]:
        """A cycle's tokens; `start` is how many characters of the choice came before."""
        text = "".join(token.text for token in emitted)
        body = {"delta": {"content": text}} if self.kind == "chat" else {"text": text}
        return self._chunk(index, {**body, "logprobs": self._logprobs(emitted, start)})

    def closing(self, index: int, end: Finished) -> dict[str, Any]:
        body: dict[str, Any] = {"delta": {}} if self.kind == "chat" else {"text": ""}
        chunk = self._chunk(index, {**body, "finish_reason": ENDS[end.reason]})
        return {**chunk, "speculation": SpeculationBlock.of(end).model_dump()}

    def tally(self, ends: Sequence[Finished]) -> dict[str, Any]:
        """The chunk that a client asks for by `stream_options.include_usage`."""
        return {**self._envelope(chunk=True), "choices": [], "usage": usage(ends)}

    def _envelope(self, *, chunk: bool) -> dict[str, Any]:
        kind = ("chat.completion.chunk" if chunk else "chat.completion") if self.kind == "chat" else "text_completion"
        prefix = "chatcmpl" if self.kind == "chat" else "cmpl"
        return {"id": f"{prefix}-{self.id}", "object": kind, "created": self.created, "model": self.model}

    def _chunk(self, index: int, body: dict[str, Any]) -> dict[str, Any]:
        return {
            **self._envelope(chunk=True),
            "choices": [{"index": index, "finish_reason": None, "logprobs": None, **body}],
        }

    def _choice(self, index: int, cycles: list[Cycle], end: Finished) -> dict[str, Any]:
        chat = {"message": {"role": "assistant", "content": end.text, "refusal": None}}
        emitted = [token for cycle in cycles for token in cycle.emitted]
        return {
            "index": index,
            "finish_reason": ENDS[end.reason],
            "logprobs": self._logprobs(emitted),
            **(chat if self.kind == "chat" else {"text": end.text}),
        }

    def _logprobs(self, emitted: Sequence[Emitted], start: int = 0) -> dict[str, Any] | None:
        if not self.told:
            return None
        if self.kind == "chat":
            content = [
                {**self._entry(t.id, t.logprob), "top_logprobs": [self._entry(i, p) for i, p in t.top]} for t in emitted
            ]
            return {"content": content, "refusal": None}
        return {
            "tokens": [self._name(t.id) for t in emitted],
            "token_logprobs": [t.logprob for t in emitted],
            "top_logprobs": [{self._name(i): p for i, p in t.top} for t in emitted],
            "text_offset": _offsets([t.text for t in emitted], start),
        }

    def _name(self, token: int) -> str:
        """What tells it from others: parts of characters all read alike, so they are named by number, as vLLM does."""
        text = self.spell(token)
        return f"token_id:{token}" if BROKEN in text else text

    def _entry(self, token: int, logprob: float | None) -> dict[str, Any]:
        text = self.spell(token)
        known = None if BROKEN in text else list(text.encode())
        return {"token": text, "logprob": logprob, "bytes": known}


def usage(ends: Sequence[Finished]) -> dict[str, Any]:
    """Of one call; every prompt is counted as often as it was answered."""
    prompt = sum(end.usage.prompt_tokens for end in ends)
    said = sum(end.usage.completion_tokens for end in ends)
    cached = sum(end.usage.cached_tokens for end in ends)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": said,
        "total_tokens": prompt + said,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def blocks(ends: Sequence[Finished]) -> list[dict[str, Any]]:
    """How each choice's drafts fared, in order."""
    return [SpeculationBlock.of(end).model_dump() for end in ends]


def _offsets(texts: Sequence[str], at: int) -> list[int]:
    offsets = []
    for text in texts:
        offsets.append(at)
        at += len(text)
    return offsets
