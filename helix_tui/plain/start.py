"""From the choices of the command line to a chat in lines."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from pathlib import Path

import engine as helix
from engine import Event, Recorder
from engine.events import Loading

from ..conversation import Conversation
from ..interrupt import raising
from ..leaving import ending_in_order
from ..options import Choices
from ..quiet import hush_libraries
from ..store import Store
from . import words
from .chat import PlainChat


def start(choices: Choices, conversation: Conversation, store: Store, record: Path | None = None) -> int:
    """Load, chat until the end of the input. Returns the exit code. Raises HelixError when nothing can be loaded."""
    try:
        with ending_in_order():
            return _chat(choices, conversation, store, record)
    finally:
        store.close()
        for sentence in store.news():
            print(sentence, file=sys.stderr, flush=True)


def _chat(choices: Choices, conversation: Conversation, store: Store, record: Path | None) -> int:
    hush_libraries()
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    for problem in choices.settings.problems:
        print(f"Settings: {problem}", file=sys.stderr, flush=True)
    stages = words.Stages()
    with contextlib.ExitStack() as stack:
        if not sys.warnoptions:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        recorder = stack.enter_context(Recorder(record)) if record is not None else None

        def watch(event: Event) -> None:
            if isinstance(event, Loading) and (line := stages.line(event)) is not None:
                print(line, file=sys.stderr, flush=True)
            if recorder is not None:
                recorder.write(event)

        engine = stack.enter_context(helix.Engine.load(**choices.load, progress=watch))
        print(f"{words.ready(engine.loaded)} /help lists the commands.", file=sys.stderr, flush=True)
        with raising():
            return PlainChat(engine, conversation, store, recorder=recorder).run()
