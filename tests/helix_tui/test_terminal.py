"""The app in a real pseudo-terminal over a scripted engine: the screen is the app's alone, and leaving restores it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from terminal import Terminal

STUBS = Path(__file__).parents[1] / "stubs"
ROOT = STUBS.parents[1]


def chat(tmp_path: Path, *arguments: str, size: tuple[int, int] = (100, 30)) -> Terminal:
    env = {
        "PYTHONPATH": f"{STUBS}{os.pathsep}{ROOT}",
        "XDG_STATE_HOME": str(tmp_path),
        "TEXTUAL_ANIMATIONS": "none",
    }
    return Terminal([sys.executable, str(STUBS / "scripted_chat.py"), *arguments], size, env)


def ask(terminal: Terminal) -> str:
    terminal.wait_for(lambda screen: "context" in screen and "Ask anything" in screen)
    terminal.send("Tell me a story", "enter")
    return terminal.wait_for("73 % accepted")


def settled(terminal: Terminal) -> str:
    """The screen once it has stopped changing."""
    before = ""
    while (now := terminal.text()) != before:
        before = now
        time.sleep(0.4)
    return now


def test_native_writes_never_land_on_the_screen(tmp_path: Path) -> None:
    with chat(tmp_path) as terminal:
        ask(terminal)
        calm = settled(terminal)
        terminal.send("ctrl+q")
        assert terminal.wait_exit() == 0
    with chat(tmp_path, "noisy") as terminal:
        ask(terminal)
        assert settled(terminal) == calm
        assert b"NOISE" not in terminal.output
        terminal.send("ctrl+q")
        assert terminal.wait_exit() == 0
        terminal.wait_for("bye")
        assert b"NOISE" not in terminal.output
    log = next(tmp_path.rglob("helix-chat.log")).read_text()
    assert all(f"NOISE-ON-THE-SCREEN {kind}" in log for kind in ("2", "1", "log", "warning"))


def test_keys_work_and_resizing_redraws(tmp_path: Path) -> None:
    with chat(tmp_path) as terminal:
        ask(terminal)
        assert "depth 4" in terminal.text()
        terminal.send("ctrl+up")
        terminal.wait_for("depth 5")
        terminal.send("ctrl+b")
        terminal.wait_for("─ baseline")
        terminal.resize(60, 20)
        terminal.wait_for(lambda screen: screen.splitlines()[1].startswith(" baseline"))
        terminal.send("f1")
        terminal.wait_for("Stop the reply")


def test_quitting_in_mid_reply_is_quick_and_leaves_a_clean_terminal(tmp_path: Path) -> None:
    with chat(tmp_path, "endless") as terminal:
        terminal.wait_for(lambda screen: "context" in screen and "Ask anything" in screen)
        terminal.send("go", "enter")
        terminal.wait_for("word word word")
        terminal.send("ctrl+q")
        assert terminal.wait_exit(5) == 0
        terminal.wait_for("bye")
        assert terminal.output.rstrip().endswith(b"bye")
        assert b"\x1b[?1049l" in terminal.output
