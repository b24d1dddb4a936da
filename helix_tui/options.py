"""The options that `helix-chat` and `helix-chat ask` share, and what they say once they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from engine import MAX_DEPTH, EngineConfig, Request, Sampling, Speculation

Target = Annotated[str, typer.Option(help='The model: "bundled", a folder, or a name on the Hugging Face hub.')]
Draft = Annotated[str, typer.Option(help='The small model that drafts: as --target, or "auto", or "none".')]
Device = Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda, cuda:1, mps, xpu or directml.")]
Dtype = Annotated[str, typer.Option(help="Of the weights: auto, float32, bfloat16, float16 or int8.")]
Drafter = Annotated[str, typer.Option(help="Who drafts: model, ngram, chain (n-grams before the model) or auto.")]
Exact = Annotated[bool, typer.Option("--exact", help="Bit-identical logits at every depth; slower, least so in int8.")]
Depth = Annotated[str | None, typer.Option(help="Tokens to draft in a cycle; 0 is baseline; auto, unless told.")]
Baseline = Annotated[bool, typer.Option("--baseline", help="Plain decoding, the same as --depth 0.")]
Temperature = Annotated[float | None, typer.Option(help="How freely tokens are drawn; 0, unless told: greedily.")]
TopP = Annotated[float | None, typer.Option(help="Keep the likeliest tokens of this total probability.")]
TopK = Annotated[int | None, typer.Option(help="Keep this many of the likeliest tokens.")]
MinP = Annotated[float | None, typer.Option(help="Keep tokens this likely, relative to the likeliest.")]
Penalty = Annotated[float | None, typer.Option(help="Make tokens that occurred less likely, above 1.")]
Seed = Annotated[int | None, typer.Option(help="Of the random generator; the same seed draws the same.")]
MaxTokens = Annotated[int | None, typer.Option(help="The longest reply; what the context holds unless told.")]
System = Annotated[str | None, typer.Option(help="A system message before the chat.")]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the options say, checked when made: raises InvalidRequest before any model is loaded."""

    target: str
    draft: str | None
    device: str
    dtype: str | None
    drafter: str
    exact: bool
    request: Request
    """Its only message is a stand-in for the question."""


def choose(ctx: typer.Context, given: dict[str, Any]) -> Choices:
    """Check every setting, with a stand-in for a question that is not known yet."""
    if given["baseline"] and given["depth"] not in (None, "0"):
        ctx.fail("--baseline is depth 0; give either --baseline or --depth.")
    depth: Any = 0 if given["baseline"] else _depth(ctx, given["depth"])
    if depth is None:
        # What is drawn depends on the depth, and auto follows the clock: a given seed must give its text again.
        depth = 4 if given["seed"] is not None and given["temperature"] else "auto"
    names = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
    request = Request(
        messages=[{"role": "user", "content": "?"}],
        sampling=Sampling(**{n: given[n] for n in names if given[n] is not None}),
        speculation=Speculation(depth=depth),
        max_tokens=given["max_tokens"],
        seed=given["seed"],
    )
    draft = None if given["draft"].lower() == "none" else given["draft"]
    dtype = None if given["dtype"].lower() == "auto" else given["dtype"]
    drafter = EngineConfig(drafter=given["drafter"].lower()).drafter
    return Choices(given["target"], draft, given["device"], dtype, drafter, given["exact"], request)


def _depth(ctx: typer.Context, text: str | None) -> Any:
    """A number, "auto", or None when not given."""
    if text is None or text.lower() == "auto":
        return text and "auto"
    try:
        return int(text)
    except ValueError:
        ctx.fail(f'--depth is "{text}"; give a number from 0 to {MAX_DEPTH}, or auto.')
