"""`helix-chat` and its commands. Nothing heavy is imported before it is needed: no torch, no Textual."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from engine import HelixError, InvalidRequest, read_recording

from . import options


class Commands(TyperGroup):
    """Says what to do about a word that is no command: most often it is a question."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word = args[0]
        if word not in self.commands:
            near = difflib.get_close_matches(word, self.commands, n=1)
            if near and len(args) == 1:
                ctx.fail(f'There is no command "{word}"; did you mean {near[0]}?')
            question = " ".join(args)
            ctx.fail(f'There is no command "{word}"; to ask a question, write: helix-chat ask "{question}"')
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point. Returns the exit code: 0, 1 for a HelixError, 2 for wrong usage, 130 for Ctrl-C."""
    _use_utf8()
    try:
        code = app(args=None if arguments is None else list(arguments), prog_name="helix-chat", standalone_mode=False)
    except HelixError as error:
        return _complain(str(error), 1)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        # The usage errors of typer come from click or, later, from its own copy of it.
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "helix-chat"
        said = error.format_message()
        end = "" if said.endswith((".", "?", "!")) else "."
        return _complain(f"{said}{end} (More: {path} --help)", getattr(error, "exit_code", 2))
    return code if isinstance(code, int) else 0


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"helix-chat {metadata.version('helix-chat')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def chat(
    ctx: typer.Context,
    target: options.Target = "bundled",
    draft: options.Draft = "auto",
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    drafter: options.Drafter = "model",
    depth: options.Depth = None,
    baseline: options.Baseline = False,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    top_k: options.TopK = None,
    min_p: options.MinP = None,
    repetition_penalty: options.Penalty = None,
    seed: options.Seed = None,
    max_tokens: options.MaxTokens = None,
    system: options.System = None,
    record: Annotated[Path | None, typer.Option(help="Write everything that happens to this file.")] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Chat with a language model on this machine, faster by speculative decoding, and watch it happen."""
    given = dict(ctx.params)
    if ctx.invoked_subcommand is not None:
        _refuse_misplaced(ctx, given)
        return
    choices = options.choose(ctx, given)
    _need_terminal('to print a reply here, use: helix-chat ask "..."')
    if record is not None:
        _check_writable(record)
    from .app import HelixApp
    from .sources import LiveSource

    source = LiveSource(choices.target, choices.draft, choices.device, choices.dtype, drafter=choices.drafter)
    _run(
        HelixApp(
            source,
            depth=choices.request.speculation.depth,
            sampling=choices.request.sampling,
            max_tokens=max_tokens,
            system=system,
            seed=seed,
            record=record,
        )
    )


@app.command()
def ask(
    ctx: typer.Context,
    prompt: Annotated[str | None, typer.Argument(help='The question; "-" reads it from stdin.')] = None,
    target: options.Target = "bundled",
    draft: options.Draft = "auto",
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    drafter: options.Drafter = "model",
    depth: options.Depth = None,
    baseline: options.Baseline = False,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    top_k: options.TopK = None,
    min_p: options.MinP = None,
    repetition_penalty: options.Penalty = None,
    seed: options.Seed = None,
    max_tokens: options.MaxTokens = None,
    system: options.System = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object: the reply, its usage and the settings.")
    ] = False,
    events: Annotated[Path | None, typer.Option(help="Write all events to this file, for replay.")] = None,
) -> int:
    """Ask one question and print the reply as it comes."""
    from . import ask as asking

    choices = options.choose(ctx, dict(ctx.params))
    if prompt is None and sys.stdin.isatty():
        ctx.fail('Give a question, such as: helix-chat ask "Why is the sky blue?"')
    question = asking.read_question() if prompt in (None, "-") else str(prompt)
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": question})
    load = {n: getattr(choices, n) for n in ("target", "draft", "device", "dtype", "drafter")}
    with _reader_may_leave():
        return asking.ask(replace(choices.request, messages=messages), load, as_json=as_json, events=events)
    return 0


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recording made by --record or ask --events.")],
    speed: Annotated[float, typer.Option(help="2 is twice as fast, 0.5 half as fast.")] = 1.0,
) -> None:
    """Play a recording in the app, with no model loaded."""
    if not 0.01 <= speed <= 100:
        raise InvalidRequest(f"The speed is {speed:g}, but it must be from 0.01 to 100.")
    if not read_recording(file):
        raise InvalidRequest(f"{file} has no events; record a chat with --record first.")
    _need_terminal('open one to watch the recording, or use: helix-chat ask "..."')
    from .app import HelixApp
    from .sources import ReplaySource

    _run(HelixApp(ReplaySource(file, speed=speed)))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show versions, devices, models and what would be used."""
    from . import doctor as examination

    with _reader_may_leave():
        examination.report(as_json=as_json)


@app.command()
def bench(
    section: Annotated[
        list[str] | None, typer.Option(help="What to measure, all unless told; give it again for more.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run of seconds; its figures mean little.")] = False,
    runs: Annotated[int, typer.Option(help="Rounds of every comparison; the middle one is shown.")] = 5,
    tokens: Annotated[int, typer.Option(help="New tokens of each reply.")] = 64,
    shape: Annotated[str | None, typer.Option(help="Random weights instead of a model: tinyllama or tiny.")] = None,
    alpha: Annotated[
        float | None, typer.Option(help="With --shape: set the share of drafted tokens that is accepted.")
    ] = None,
    target: options.Target = "bundled",
    draft: options.Draft = "auto",
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> int:
    """Measure speed on this machine, against baseline and against others.

    Sections: rivals, prompts, depth, prefix, cache, utilisation, bandwidth, overhead, logits.
    """
    from engine.bench import Settings

    settings = Settings(
        sections=tuple(section or ()),
        quick=quick,
        runs=runs,
        tokens=tokens,
        shape=shape,
        alpha=alpha,
        target=target,
        draft=None if draft.lower() == "none" else draft,
        device=device,
        dtype=None if dtype.lower() == "auto" else dtype,
    )
    from . import bench as benchmark

    with _reader_may_leave():
        return benchmark.run(settings, json)
    return 0


def _refuse_misplaced(ctx: typer.Context, given: dict[str, Any]) -> None:
    """Options before a command would be lost silently: say where they belong."""
    for name in given:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--" + name.replace("_", "-")
            command = ctx.invoked_subcommand
            ctx.fail(f"Put {option} after the command: helix-chat {command} {option} ...")


def _need_terminal(instead: str) -> None:
    # Textual reads stdin, measures stdout and draws on stderr.
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise HelixError(f"The app needs a terminal; {instead}")


def _check_writable(path: Path) -> None:
    """Raise InvalidRequest unless a file can be written there; nothing is changed yet."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir():
        what = f"{path} is a folder" if path.is_dir() else f"The folder {folder} does not exist"
        raise InvalidRequest(f"{what}; choose another file to record to.")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise InvalidRequest(f"{path} cannot be written; choose another file to record to.")


def _run(application: Any) -> None:
    application.run()
    code = application.return_code or 0
    if getattr(application.source, "alive", False):
        # A worker in the middle of a load cannot be interrupted; the interpreter's own end would abort in it.
        os._exit(code)
    raise typer.Exit(code)


def _complain(sentence: str, code: int) -> int:
    print(f"helix-chat: {sentence}", file=sys.stderr)
    return code


def _use_utf8() -> None:
    """Replies are Unicode; a Windows pipe or an old locale is not unless told."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def _reader_may_leave() -> Iterator[None]:
    """When the reader of stdout, such as `head`, has had enough, end quietly: also in the flush at exit."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        # Windows says EINVAL.
        if error.errno not in (errno.EPIPE, errno.EINVAL):
            raise
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
