"""The options that commands share, each in one place, and what they say once they are checked."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from engine import MAX_DEPTH, EngineConfig, InvalidRequest, Request, Speculation

from .settings import Settings, gather
from .settings.kinds import bytes_of

Depth = Annotated[str | None, typer.Option(help="Tokens to draft in a round; 0 is baseline; auto, unless told.")]
Baseline = Annotated[bool, typer.Option("--baseline", help="Plain decoding, the same as --depth 0.")]
Config = Annotated[Path | None, typer.Option(help="Read the settings from this file.")]


@dataclass(frozen=True)
class ModelOptions:
    """Which models, and where they run."""

    target: Annotated[str, typer.Option(help='The model: "bundled", a folder, or a name on the Hugging Face hub.')] = (
        "bundled"
    )
    draft: Annotated[str, typer.Option(help='The small model that drafts: as --target, or "auto", or "none".')] = "auto"
    device: Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda, cuda:1, mps, xpu or directml.")] = "auto"
    dtype: Annotated[str, typer.Option(help="Of the weights: auto, float32, bfloat16, float16 or int8.")] = "auto"


@dataclass(frozen=True)
class EngineOptions(ModelOptions):
    """How they run."""

    drafter: Annotated[
        str, typer.Option(help="Who drafts: model, ngram, chain (n-grams before the model) or auto.")
    ] = "model"
    exact: Annotated[
        bool, typer.Option("--exact", help="Bit-identical logits at every depth; slower, least so in int8.")
    ] = False
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Take weights that are only pickles (*.bin).")
    ] = False
    trust_remote_code: Annotated[
        bool,
        typer.Option("--trust-remote-code", help="Run Python code that comes with the model: only if you trust it."),
    ] = False
    context: Annotated[int | None, typer.Option(help="Use at most so many tokens of the model's context.")] = None
    kv_memory: Annotated[
        str | None, typer.Option(help="Room for the KV cache, such as 2GB; a share of the free memory unless told.")
    ] = None
    fit: Annotated[
        bool, typer.Option("--fit", help="Where memory is short, load the first smaller plan that fits.")
    ] = False


@dataclass(frozen=True)
class ReplyOptions:
    """How a reply is drawn, and where the settings are read."""

    temperature: Annotated[
        float | None, typer.Option(help="How freely tokens are drawn; 0, unless told: greedily.")
    ] = None
    top_p: Annotated[float | None, typer.Option(help="Keep the likeliest tokens of this total probability.")] = None
    top_k: Annotated[int | None, typer.Option(help="Keep this many of the likeliest tokens.")] = None
    min_p: Annotated[float | None, typer.Option(help="Keep tokens this likely, relative to the likeliest.")] = None
    repetition_penalty: Annotated[
        float | None, typer.Option(help="Make tokens that occurred less likely, above 1.")
    ] = None
    seed: Annotated[int | None, typer.Option(help="Of the random generator; the same seed draws the same.")] = None
    max_tokens: Annotated[int | None, typer.Option(help="The longest reply; what the context holds unless told.")] = (
        None
    )
    system: Annotated[
        str | None, typer.Option(help="A system prompt before the chat, or the name of a preset of one.")
    ] = None
    preset: Annotated[
        str | None, typer.Option(help="Of sampling: precise, balanced, creative, or one from the settings.")
    ] = None
    config: Config = None


GROUPS = (ModelOptions, EngineOptions, ReplyOptions)


def spread(command: Callable[..., Any]) -> Callable[..., Any]:
    """Each parameter of a command that is typed as one of the classes above becomes that class's options, in place.

    Typer reads the signature that this gives; the command is called with what was said, as an object of the class.
    """
    hints = typing.get_type_hints(command, include_extras=True)
    groups: dict[str, type[Any]] = {name: hint for name, hint in hints.items() if hint in GROUPS}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += _options(groups[name])
        else:
            parameters.append(parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=hints[name]))

    @functools.wraps(command)
    def called(**given: Any) -> Any:
        for name, group in groups.items():
            given[name] = group(**{option.name: given.pop(option.name) for option in _options(group)})
        return command(**given)

    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


def _options(group: Any) -> list[inspect.Parameter]:
    """The fields of a class above as the parameters of a function."""
    hints = typing.get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
        for f in dataclasses.fields(group)
    ]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the options and the settings say, checked when made: raises InvalidRequest before any model is loaded."""

    target: str
    draft: str | None
    device: str
    dtype: str | None
    drafter: str
    exact: bool
    memory: dict[str, Any]
    """What was said of memory, as fields of EngineConfig."""
    request: Request
    """Its only message is a stand-in for the question."""
    settings: Settings
    trust: dict[str, Any]
    """What `Engine.load` is allowed for these models, `trust_remote_code` and the like: only what was said."""

    @property
    def load(self) -> dict[str, Any]:
        """What `Engine.load` takes."""
        names = ("target", "draft", "device", "dtype", "drafter", "exact")
        return {name: getattr(self, name) for name in names} | self.memory | self.trust


def choose(ctx: typer.Context, given: dict[str, Any]) -> Choices:
    """What the command line says, and the settings where it says nothing, with a stand-in for the question."""
    if given.get("baseline") and given["depth"] not in (None, "0"):
        ctx.fail("--baseline is depth 0; give either --baseline or --depth.")
    said = {name: value for name, value in given.items() if value is not None and _is_said(ctx, name)}
    if given.get("baseline"):
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
    # Never from a settings file: each time is a decision.
    trust: dict[str, Any] = {name: True for name in ("allow_pickle", "trust_remote_code") if given.get(name)}
    memory = of_memory(settings["model.context"], settings["model.kv_memory"], fit=settings["model.fit"])
    return Choices(
        model["target"], draft, model["device"], dtype, drafter, model["exact"], memory, request, settings, trust
    )


def of_memory(context: int | None, kv_memory: str | int | None, *, fit: bool) -> dict[str, Any]:
    """What the three options say, as fields of EngineConfig; what says nothing is left out. Raises InvalidRequest."""
    said = {"max_context": context, "kv_memory": None if kv_memory is None else bytes_of(kv_memory)}
    given: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    EngineConfig(**given)
    return given | {"fit": "shrink"} if fit else given


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
