"""Records the chat that `helix-chat demo` plays, from the bundled pair: `.venv/bin/python tests/stubs/make_demo.py`.

To be run again whenever the pair changes. What it writes is what happened on this machine, times included.
"""

from __future__ import annotations

import gzip
import tempfile
import time
from pathlib import Path

from engine import Engine, Recorder, Request, Sampling, Speculation
from engine.events import Event, Finished, Loaded

FILE = Path(__file__).resolve().parents[2] / "assets" / "demo.jsonl.gz"
TURNS: tuple[tuple[str, int], ...] = (
    ("Why is the sky blue?", 0),
    ("What is paged attention?", 4),
    ("What is a black hole?", 4),
    ("Name five fruits.", 6),
)
"""Questions of one chat, each with its depth; the baseline first, for the others to be compared with."""
READING = 1.0
"""Seconds between a reply and the next question."""


def record(path: Path) -> list[Event]:
    events: list[Event] = []
    with Engine.load(device="cpu") as engine, Recorder(path) as recorder:
        # The first forwards of a process are slower than those of a chat.
        engine.generate(Request(prompt="Once upon a time", sampling=Sampling(temperature=0), max_tokens=32))

        def write(event: Event) -> None:
            events.append(event)
            recorder.write(event)

        write(engine.loaded)
        chat: list[dict[str, str]] = []
        for number, (question, depth) in enumerate(TURNS):
            if number:
                time.sleep(READING)
            chat.append({"role": "user", "content": question})
            request = Request(
                messages=chat,
                sampling=Sampling(temperature=0),
                speculation=Speculation(depth=depth),
            )
            for event in engine.stream(request):
                write(event)
                if isinstance(event, Finished):
                    chat.append({"role": "assistant", "content": event.text})
    return events


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "demo.jsonl"
        events = record(plain)
        # No name and no time in the header: the same events are the same file.
        FILE.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    loaded = next(event for event in events if isinstance(event, Loaded))
    print(f"{FILE}: {FILE.stat().st_size:,} bytes, on {loaded.device_name}")
    for event in events:
        if isinstance(event, Finished):
            usage = event.usage
            print(usage.completion_tokens, "tokens", usage.decode_tokens_per_s, "tokens/s", usage.acceptance_rate)
            print("   ", event.text.replace("\n", "\n    "))


if __name__ == "__main__":
    main()
