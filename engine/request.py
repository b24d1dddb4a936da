"""What a caller asks for and what it gets back."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .config import Sampling, Speculation, _number
from .errors import HelixError, InvalidRequest, from_name, shown
from .events import Failed, Finished, FinishReason, Usage

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One text to continue, given as exactly one of `messages`, `prompt` and `prompt_ids`.

    Raises InvalidRequest, with what to do, for an empty prompt or a value that makes no sense.
    """

    messages: Sequence[Mapping[str, str]] | None = None
    """A chat, rendered by the model's own template: `{"role": "user", "content": "..."}`."""
    prompt: str | None = None
    """Plain text, continued as it is."""
    prompt_ids: Sequence[int] | None = None
    """Token ids, continued as they are."""
    sampling: Sampling = field(default_factory=Sampling)
    speculation: Speculation = field(default_factory=Speculation)
    max_tokens: int | None = None
    """Tokens to generate at most; None goes on to the end of the context."""
    stop: Sequence[str] = ()
    """The reply ends before the first of these; they are never part of the text."""
    seed: int | None = None
    """Of the random generator; None draws one. The same seed gives the same text again with the same settings; with
    depth "auto", which follows the clock, only at temperature 0."""
    priority: int = 0
    """Higher starts first and gives way last; being overtaken raises it, so that nobody waits for ever."""
    logprobs: int | None = None
    """Tell the log probability of each token and of so many of the likeliest (0 to 20); None tells nothing."""

    def __post_init__(self) -> None:
        given = [n for n in ("messages", "prompt", "prompt_ids") if getattr(self, n) is not None]
        if len(given) != 1:
            raise InvalidRequest(
                "A request needs exactly one of messages, prompt and prompt_ids, "
                f"but {' and '.join(given) or 'none'} was given."
            )
        if isinstance(self.stop, str):
            object.__setattr__(self, "stop", (self.stop,))
        if not isinstance(self.stop, Sequence) or not all(isinstance(s, str) and s for s in self.stop):
            raise InvalidRequest("Every stop must be a text that is not empty.")
        if not isinstance(self.sampling, Sampling) or not isinstance(self.speculation, Speculation):
            raise InvalidRequest("sampling must be a Sampling, and speculation a Speculation; both are in engine.")
        if self.max_tokens is not None:
            _number("max_tokens", self.max_tokens, 1, whole=True)
        if self.seed is not None:
            _number("seed", self.seed, 0, 2**63 - 1, whole=True)
        _number("priority", self.priority, -1000, 1000, whole=True)
        if self.logprobs is not None:
            _number("logprobs", self.logprobs, 0, 20, whole=True)
        if self.messages is not None:
            _check_messages(self.messages)
        elif self.prompt is not None:
            _check_text("The prompt", self.prompt)
        else:
            _check_ids(self.prompt_ids)
        if self.prompt == "":
            raise InvalidRequest("The prompt is empty; give it at least one word.")


def _check_text(what: str, text: object) -> None:
    if not isinstance(text, str):
        raise InvalidRequest(f"{what} must be a text, not {shown(text)}.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"{what} has half of a surrogate pair, which is no character; remove it.") from None


def _check_ids(ids: object) -> None:
    try:
        count = len([operator.index(id) for id in ids])  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise InvalidRequest(f"prompt_ids must be a list of whole numbers, not {shown(ids)}.") from None
    if not count:
        raise InvalidRequest("The prompt is empty; give it at least one word.")


def _check_messages(messages: Sequence[Mapping[str, str]]) -> None:
    if not isinstance(messages, Sequence) or isinstance(messages, (str, bytes)):
        raise InvalidRequest(f"messages must be a list of messages, not {shown(messages)}.")
    if not messages:
        raise InvalidRequest("The chat is empty; give it at least one user message.")
    for i, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("content"), str):
            raise InvalidRequest(f"Message {i + 1} must have a role and a text content.")
        if message.get("role") not in ROLES:
            raise InvalidRequest(f"Message {i + 1} has the role {shown(message.get('role'))}; use {', '.join(ROLES)}.")
        _check_text(f"Message {i + 1}", message["content"])
    if not messages[-1]["content"].strip():
        raise InvalidRequest("The last message is empty; write something to answer.")


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished reply. `token_ids` includes the end-of-sequence token when the model gave one; `text` does not."""

    text: str
    token_ids: list[int]
    finish_reason: FinishReason
    usage: Usage
    error: HelixError | None = None
    """Why `finish_reason` is "error" (only `generate_batch` returns such a one; `generate` raises it)."""

    @classmethod
    def of(cls, end: Finished | Failed, token_ids: list[int]) -> Completion:
        """From a request's last event and the tokens of its cycles."""
        if isinstance(end, Finished):
            return cls(end.text, token_ids, end.reason, end.usage)
        nothing = Usage(0, 0, len(token_ids), 0, 0, 0, None, None, None, 0.0, None)
        return cls("", token_ids, "error", nothing, from_name(end.error, end.message))
