"""What OpenAI's clients send.

Unknown fields are let pass, as clients send many; known ones that would change the reply and cannot be obeyed are not.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from ..config import Depth as EngineDepth
from ..config import Sampling, Speculation
from ..request import Request
from .schemas import Depth, Ids, Stops, Whole, depth_of, stops

UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "suffix": ("",),
    "echo": (False,),
    "best_of": (1,),
    "audio": (),
    "web_search_options": (),
}
"""With the values, besides null, by which clients say that they do not use them."""


class StreamOptions(BaseModel):
    include_usage: bool | None = False


class Asked(BaseModel):
    """The fields of both kinds."""

    model: str | None = None
    max_tokens: Whole | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] | None = 1.0
    n: Annotated[int, Field(ge=1, le=128, strict=True)] | None = 1
    stop: Stops | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63, strict=True)] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    top_k: Annotated[int, Field(ge=-1, strict=True)] | None = Field(
        0, description="Helix and vLLM: keep the k likeliest; 0 or -1 for all."
    )
    min_p: Annotated[float, Field(ge=0, le=1)] | None = 0.0
    repetition_penalty: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] | None = 1.0
    depth: Depth | None = Field(
        None, description="Helix: tokens to draft in a round; unless told, as the server is set."
    )
    baseline: bool | None = Field(False, description="Helix: plain decoding, the same as depth 0.")
    priority: Annotated[int, Field(ge=-100, le=100, strict=True)] | None = 0

    @model_validator(mode="before")
    @classmethod
    def _refuse_unsupported(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for name, unused in UNSUPPORTED.items():
                if given.get(name) is not None and given[name] not in unused:
                    raise ValueError(f"{name} is not supported")
        return given

    @property
    def wanted(self) -> int:
        return self.n or 1

    @property
    def with_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def _requests(self, usual: EngineDepth, logprobs: int | None, limit: int | None, **text: Any) -> list[Request]:
        """One for each of `n`; with a seed, each of them has one of its own. Raises InvalidRequest."""
        heat = 1.0 if self.temperature is None else self.temperature
        top_p = 1.0 if self.top_p is None else self.top_p
        sampling = Sampling(heat, max(0, self.top_k or 0), top_p, self.min_p or 0.0, self.repetition_penalty or 1.0)
        seeds = [None if self.seed is None else (self.seed + i) % 2**63 for i in range(self.wanted)]
        return [
            Request(
                **text,
                sampling=sampling,
                speculation=Speculation(depth_of(self.depth, bool(self.baseline), seed, heat, usual)),
                max_tokens=limit,
                stop=stops(self.stop),
                seed=seed,
                priority=self.priority or 0,
                logprobs=logprobs,
            )
            for seed in seeds
        ]


class Part(BaseModel):
    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part]

    def plain(self) -> dict[str, str]:
        content = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": content}


class ChatAsked(Asked):
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_completion_tokens: Whole | None = None
    logprobs: bool | None = False
    top_logprobs: Annotated[int, Field(ge=0, le=20, strict=True)] | None = None

    def requests(self, usual: EngineDepth) -> list[Request]:
        told = (self.top_logprobs or 0) if self.logprobs else None
        limit = self.max_completion_tokens or self.max_tokens
        return self._requests(usual, told, limit, messages=[m.plain() for m in self.messages])


class CompletionAsked(Asked):
    prompt: Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1)] | Ids
    logprobs: Annotated[int, Field(ge=0, le=5, strict=True)] | None = None
    max_tokens: Whole | None = 16

    def texts(self) -> list[dict[str, Any]]:
        if isinstance(self.prompt, str):
            return [{"prompt": self.prompt}]
        if isinstance(self.prompt[0], str):
            return [{"prompt": text} for text in self.prompt]
        return [{"prompt_ids": self.prompt}]

    def requests(self, usual: EngineDepth) -> list[Request]:
        return [r for text in self.texts() for r in self._requests(usual, self.logprobs, self.max_tokens, **text)]
