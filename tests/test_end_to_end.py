"""`helix-chat` as it is installed, in a real pseudo-terminal, on the bundled pair: nothing is faked."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("pty", reason="a POSIX terminal")

from terminal import Terminal

from engine import read_recording
from engine.events import Cycle, Finished, Loaded, Started

LOADING = 120.0
"""Seconds: a busy machine takes its time to import torch."""


def chat(tmp_path: Path, *arguments: str) -> Terminal:
    program = shutil.which("helix-chat", path=str(Path(sys.executable).parent))
    assert program, "helix-chat is not installed"
    env = {name: str(tmp_path) for name in ("HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    # From another folder, so that the installed files are found and not those of the current one.
    return Terminal([program, *arguments], (160, 45), env, cwd=str(tmp_path))


def ask(terminal: Terminal, text: str) -> None:
    terminal.send(text)
    terminal.wait_for(text)
    terminal.send("enter")


def rounds(screen: str) -> int:
    """What the speculation panel counts."""
    found = re.search(r"(\d+) rounds", screen)
    return int(found[1]) if found else 0


@pytest.mark.slow
def test_a_person_chats_changes_the_depth_stops_and_quits(tmp_path: Path) -> None:
    # So hot that no reply ends by itself before the keys are pressed, however fast the machine is.
    options = "--record chat.jsonl --device cpu --temperature 2 --seed 1"
    with chat(tmp_path, *options.split()) as terminal:
        terminal.wait_for("Ask anything")
        terminal.wait_for("bundled 6.5M", LOADING)
        # Longer than a block: whatever the reply's tokens are when they are read again, that much is reused.
        ask(terminal, "Tell me of 1 2 3 4 5 6 7 8 9 dragons.")
        # The rounds are shown while the reply is being made.
        screen = terminal.wait_for(lambda screen: rounds(screen) > 1)
        assert "esc Stop" in screen and "depth 4" in screen
        terminal.send("ctrl+up")
        seen = rounds(terminal.wait_for("depth 5"))
        terminal.wait_for(lambda screen: rounds(screen) > seen + 2)
        terminal.send("escape")
        terminal.wait_for("stopped")
        # Baseline, and a second question that reuses what the first one left; leaving in the middle of its reply.
        terminal.send("ctrl+b")
        terminal.wait_for("─ baseline")
        ask(terminal, "What is a black hole?")
        terminal.wait_for(lambda screen: "esc Stop" in screen and "· plain" in screen and "reused" in screen)
        terminal.wait_for(lambda screen: "▣" in screen.split("■ in use")[0])
        terminal.send("ctrl+q")
        assert terminal.wait_exit(30) == 0
    assert b"\x1b[?1049l" in terminal.output and b"Traceback" not in terminal.output
    events = [event for _, event in read_recording(tmp_path / "chat.jsonl")]
    assert sum(isinstance(event, Loaded) for event in events) == 1
    first, second = (event for event in events if isinstance(event, Started))
    assert first.cached_tokens == 0 and second.cached_tokens >= 16
    stopped = next(event for event in events if isinstance(event, Finished))
    assert stopped.reason == "cancelled" and stopped.text
    depths = {event.depth for event in events if isinstance(event, Cycle) and event.request == first.request}
    assert depths == {4, 5}
    plain = [event for event in events if isinstance(event, Cycle) and event.request == second.request]
    assert plain and not any(event.drafted for event in plain)


@pytest.mark.slow
def test_a_recorded_answer_replays_in_the_app(tmp_path: Path) -> None:
    from helix_tui.cli import main

    recording = tmp_path / "run.jsonl"
    assert main(["ask", "Name five fruits.", "--events", str(recording), "--device", "cpu"]) == 0
    with chat(tmp_path, "replay", str(recording), "--speed", "50") as terminal:
        terminal.wait_for(lambda screen: "accepted" in screen and "run.jsonl" in screen)
        terminal.send("q")
        assert terminal.wait_exit(20) == 0
