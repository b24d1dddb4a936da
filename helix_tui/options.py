"""The options that `helix-chat` and `helix-chat ask` share, and what they say once they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from engine import MAX_DEPTH, EngineConfig, InvalidRequest, Request, Speculation

from .settings import Settings, gather

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
System = Annotated[str | None, typer.Option(help="A system prompt before the chat, or the name of a preset of one.")]
Preset = Annotated[str | None, typer.Option(help="Of sampling: precise, balanced, creative, or one from the settings.")]
Config = Annotated[Path | None, typer.Option(help="Read the settings from this file.")]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the options and the settings say, checked when made: raises InvalidRequest before any model is loaded."""

    target: str
    draft: str | None
    device: str
    dtype: str | None
    drafter: str
    exact: bool
    request: Request
    """Its only message is a stand-in for the question."""
    settings: Settings

    @property
    def load(self) -> dict[str, Any]:
        """What `Engine.load` takes."""
        return {name: getattr(self, name) for name in ("target", "draft", "device", "dtype", "drafter", "exact")}


def choose(ctx: typer.Context, given: dict[str, Any]) -> Choices:
    """What the command line says, and the settings where it says nothing, with a stand-in for the question."""
    if given["baseline"] and given["depth"] not in (None, "0"):
        ctx.fail("--baseline is depth 0; give either --baseline or --depth.")
    said = {name: value for name, value in given.items() if value is not None and _is_said(ctx, name)}
    if given["baseline"]:
        said["depth"] = 0
    elif "depth" in said:
        said["depth"] = _depth(ctx, said["depth"])
    settings = gather(said, given.get("config"))
    if (preset := said.get("preset")) is not None and preset not in settings.sampling_presets:
        raise InvalidRequest(f'There is no preset "{preset}"; use one of {", ".join(settings.sampling_presets)}.')
    settings.insist()
    depth = settings["chat.depth"]
    if (
        settings.origins["chat.depth"] == "default"
        and settings["chat.seed"] is not None
        and not settings.sampling.greedy
    ):
        # What is drawn depends on the depth, and auto follows the clock: a given seed must give its text again.
        depth = 4
    request = Request(
        messages=[{"role": "user", "content": "?"}],
        sampling=settings.sampling,
        speculation=Speculation(depth=depth),
        max_tokens=settings["chat.max_tokens"],
        seed=settings["chat.seed"],
    )
    model = {name: settings[f"model.{name}"] for name in ("target", "draft", "device", "dtype", "drafter", "exact")}
    draft = None if model["draft"].lower() == "none" else model["draft"]
    dtype = None if model["dtype"].lower() == "auto" else model["dtype"]
    drafter = EngineConfig(drafter=model["drafter"].lower()).drafter
    return Choices(model["target"], draft, model["device"], dtype, drafter, model["exact"], request, settings)


def _is_said(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _depth(ctx: typer.Context, text: str) -> Any:
    """A number, or "auto"."""
    if text.lower() == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        ctx.fail(f'--depth is "{text}"; give a number from 0 to {MAX_DEPTH}, or auto.')
