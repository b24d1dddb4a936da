"""The app in a real pseudo-terminal over a scripted engine: the screen is the app's alone, and leaving restores it."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from terminal import Terminal

from helix_tui.store import Store, data_folder

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
    """The screen once it has stopped changing: the same at four looks."""
    seen = [terminal.text()]
    while len(seen) < 4 or len(set(seen[-4:])) > 1:
        time.sleep(0.2)
        seen.append(terminal.text())
    return seen[-1]


def test_native_writes_never_land_on_the_screen(tmp_path: Path) -> None:
    with chat(tmp_path) as terminal:
        ask(terminal)
        calm = settled(terminal)
        terminal.send("ctrl+q")
        assert terminal.wait_exit() == 0
    with chat(tmp_path, "noisy") as terminal:
        ask(terminal)
        terminal.wait_for(lambda screen: screen == calm)
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


def test_a_crash_in_mid_reply_leaves_a_chat_that_goes_on(tmp_path: Path) -> None:
    with chat(tmp_path, "crash") as terminal:
        terminal.wait_for(lambda screen: "context" in screen and "Ask anything" in screen)
        terminal.send("Tell me a story", "enter")
        screen = terminal.wait_for("the device went away")
        assert "Once upon a time" in screen
        terminal.send("And again", "enter")
        terminal.wait_for("% accepted")
        terminal.send("ctrl+q")
        assert terminal.wait_exit() == 0


def test_resizing_in_mid_stream_down_to_nothing_and_back(tmp_path: Path) -> None:
    with chat(tmp_path, "endless") as terminal:
        terminal.wait_for(lambda screen: "context" in screen and "Ask anything" in screen)
        terminal.send("go", "enter")
        terminal.wait_for("word word word")
        for size in ((60, 20), (20, 5), (5, 2), (40, 12), (100, 30)):
            terminal.resize(*size)
            terminal.wait_for("word" if size[1] > 2 else (lambda screen: True))
        terminal.wait_for(lambda screen: "Speculation" in screen and "word word word" in screen)
        terminal.send("ctrl+q")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize("words", ["", "endless"], ids=["idle", "in mid-reply"])
def test_sigterm_leaves_in_order_and_restores_the_terminal(tmp_path: Path, words: str) -> None:
    with chat(tmp_path, words) as terminal:
        terminal.wait_for(lambda screen: "context" in screen and "Ask anything" in screen)
        if words:
            terminal.send("go", "enter")
            terminal.wait_for("word word word")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait_exit() == 0
        terminal.wait_for("bye")
        assert b"\x1b[?1049l" in terminal.output


def test_a_terminal_that_closes_leaves_no_process_behind(tmp_path: Path) -> None:
    with chat(tmp_path, "endless") as terminal:
        terminal.wait_for(lambda screen: "context" in screen and "Ask anything" in screen)
        terminal.send("go", "enter")
        terminal.wait_for("word word word")
        terminal.hang_up()
        terminal.wait_exit()  # raises where it stays


def test_kill_in_mid_stream_and_resume_shows_what_was_there(tmp_path: Path) -> None:
    with chat(tmp_path, "endless", "kept") as terminal:
        terminal.wait_for(lambda screen: "context" in screen and "Ask anything" in screen)
        terminal.send("go", "enter")
        terminal.wait_for("word word word")
        store = Store(data_folder())
        # The preview of a reply that another process streams is what it was when this store was opened: read it whole.
        while not any("word" in m.text for c in store.recent() if (kept := store.load(c.id)) for m in kept.path):
            time.sleep(0.05)
        store.close()
        terminal.process.kill()
        terminal.wait_exit()
    with chat(tmp_path, "kept", "--resume") as terminal:
        screen = terminal.wait_for("cut off · ")
        assert "go" in screen and "word word word" in screen
        terminal.wait_for("Ask anything")
        terminal.send("and then?", "enter")
        terminal.wait_for("73 % accepted")
        terminal.send("ctrl+q")
        assert terminal.wait_exit() == 0
