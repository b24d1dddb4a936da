"""The app over a scripted engine, as a program for a pseudo-terminal.

Arguments: `noisy` writes natively meanwhile, `endless` never stops, `kept` keeps chats, `--resume` goes on with one,
`coded` ends as `helix-chat` does.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings

import typer
from scripted import ScriptedEngine, loader

from helix_tui.app import HelixApp
from helix_tui.cli.terminal import run
from helix_tui.sources import LiveSource
from helix_tui.store import Store, data_folder

NOISE = "NOISE-ON-THE-SCREEN"


def noise(engine: ScriptedEngine) -> None:
    """Everything that libraries do to a terminal, from the worker thread."""
    os.write(2, f"\x1b[5;5H{NOISE} 2\n".encode())
    os.write(1, f"\x1b[6;6H{NOISE} 1\n".encode())
    print(f"{NOISE} print", flush=True)
    print(f"{NOISE} stderr", file=sys.stderr, flush=True)
    logging.getLogger("some.library").warning("%s log", NOISE)
    warnings.warn(f"{NOISE} warning", stacklevel=1)


def crash(engine: ScriptedEngine) -> None:
    """Once, in the middle of a reply."""
    if engine.steps == 9:
        raise RuntimeError("the device went away")


def main() -> None:
    engine = ScriptedEngine(cycle_seconds=0.01)
    if "noisy" in sys.argv:
        engine.before_step = noise
    if "crash" in sys.argv:
        engine.before_step = crash
    if "endless" in sys.argv:
        engine.replies = ["word " * 100_000]
    store = Store(data_folder() if "kept" in sys.argv else None)
    last = store.load(store.recent()[0].id) if "--resume" in sys.argv else None
    app = HelixApp(LiveSource(loader=loader(engine)), store=store, conversation=last)
    if "coded" in sys.argv:
        try:
            run(app)
        except typer.Exit as end:
            sys.exit(end.exit_code)
    app.run()
    print("bye")


if __name__ == "__main__":
    main()
