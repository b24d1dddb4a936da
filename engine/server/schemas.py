"""What Helix's own routes take and give."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..config import MAX_DEPTH, Sampling, Speculation, Verifier
from ..config import Depth as EngineDepth
from ..events import Cycle, Finished, FinishReason
from ..request import Request

Depth = Annotated[int, Field(ge=0, le=MAX_DEPTH, strict=True)] | Literal["auto"]
Ids = Annotated[list[Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1)]
Stops = Annotated[str, Field(min_length=1)] | Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=16)]
Handle = Annotated[str, Field(min_length=16, max_length=64)]
Whole = Annotated[int, Field(ge=1, strict=True)]
SEEDED_DEPTH = 4
"""What is drawn depends on the depth, and auto follows the clock: a given seed must give its text again."""


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant", "tool"]
    content: str


class Settings(BaseModel):
    """Of one reply. Unknown fields are refused: a misspelt one would be lost silently."""

    model_config = ConfigDict(extra="forbid")

    max_tokens: Whole | None = None
    temperature: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 0.0
    top_k: Annotated[int, Field(ge=0, strict=True)] = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    repetition_penalty: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 1.0
    stop: Stops | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] | None = None
    depth: Depth | None = Field(
        None, description="Tokens to draft in a round, 0 is baseline; unless told, as the server is set."
    )
    baseline: bool = Field(False, description="Plain decoding, the same as depth 0.")
    verifier: Verifier = "block"
    priority: Annotated[int, Field(ge=-100, le=100, strict=True)] = 0
    logprobs: Annotated[int, Field(ge=0, le=20, strict=True)] | None = None

    def request(self, usual: EngineDepth, **text: Any) -> Request:
        """The engine's request for one text, at the `usual` depth unless it names one. Raises InvalidRequest."""
        return Request(
            **text,
            sampling=Sampling(self.temperature, self.top_k, self.top_p, self.min_p, self.repetition_penalty),
            speculation=Speculation(
                depth_of(self.depth, self.baseline, self.seed, self.temperature, usual), self.verifier
            ),
            max_tokens=self.max_tokens,
            stop=stops(self.stop),
            seed=self.seed,
            priority=self.priority,
            logprobs=self.logprobs,
        )


class Generate(Settings):
    """One text to continue: exactly one of `messages`, `prompt` and `prompt_ids`."""

    messages: Annotated[list[Message], Field(min_length=1)] | None = None
    prompt: Annotated[str, Field(min_length=1)] | None = None
    prompt_ids: Ids | None = None

    def text(self) -> dict[str, Any]:
        chat = None if self.messages is None else [m.model_dump() for m in self.messages]
        return {"messages": chat, "prompt": self.prompt, "prompt_ids": self.prompt_ids}


class GenerateStream(Generate):
    events: bool = Field(False, description="Send the engine's own events instead of text.")
    handle: Handle | None = Field(None, description="A random name of the client's, by which /generate/steer finds it.")


class Steer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    handle: Handle
    depth: Depth | None = None
    cancel: bool = False


class GenerateBatch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    requests: Annotated[list[Generate], Field(min_length=1)]


class SpeculationBlock(BaseModel):
    """How the drafts of one reply fared."""

    cycles: int
    drafted: int
    accepted: int
    acceptance_rate: float | None
    mean_accepted_length: float | None
    ttft_s: float | None
    decode_tokens_per_s: float | None

    @classmethod
    def of(cls, end: Finished) -> SpeculationBlock:
        return cls(**{name: getattr(end.usage, name) for name in cls.model_fields})


class TokenCount(BaseModel):
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


class Token(BaseModel):
    id: int
    text: str
    logprob: float | None = None
    top: list[tuple[int, float]] = []


class Reply(BaseModel):
    text: str
    token_ids: list[int]
    finish_reason: FinishReason
    usage: TokenCount
    speculation: SpeculationBlock
    tokens: list[Token] | None = Field(None, description="With log probabilities of the raw logits, if asked for.")

    @classmethod
    def of(cls, cycles: list[Cycle], end: Finished, *, told: bool) -> Reply:
        emitted = [token for cycle in cycles for token in cycle.emitted]
        u = end.usage
        return cls(
            text=end.text,
            token_ids=[token.id for token in emitted],
            finish_reason=end.reason,
            usage=TokenCount(
                prompt_tokens=u.prompt_tokens, cached_tokens=u.cached_tokens, completion_tokens=u.completion_tokens
            ),
            speculation=SpeculationBlock.of(end),
            tokens=tokens(emitted) if told else None,
        )


class Replies(BaseModel):
    replies: list[Reply]


def tokens(emitted: Any) -> list[Token]:
    return [Token(id=t.id, text=t.text, logprob=t.logprob, top=list(t.top)) for t in emitted]


def stops(given: str | list[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else given or []


def depth_of(
    depth: EngineDepth | None, baseline: bool, seed: int | None, heat: float, usual: EngineDepth
) -> EngineDepth:
    """The depth that those fields mean together; the server's `usual` one where they do not say."""
    if baseline:
        return 0
    if depth is None:
        return SEEDED_DEPTH if usual == "auto" and seed is not None and heat else usual
    return depth
