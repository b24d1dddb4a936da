"""Ctrl-C, SIGTERM and a closed terminal at any moment: the terminal is given back, text is kept, the code is right."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from signalled import check_given_back, ends
from terminal import Terminal

from helix_tui.store import Store, data_folder

STUBS = Path(__file__).parents[1] / "stubs"
ROOT = STUBS.parents[1]
PATHS = {"PYTHONPATH": f"{STUBS}{os.pathsep}{ROOT}", "TEXTUAL_ANIMATIONS": "none", "OMP_NUM_THREADS": "1"}
INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
CODES = {INT: 130, TERM: 143, HUP: 129}


def program(*arguments: str) -> Terminal:
    """`helix-chat`, as its script starts it."""
    start = "import sys; from helix_tui.entry import main; sys.exit(main())"
    return Terminal([sys.executable, "-c", start, *arguments], (100, 30), PATHS)


def scripted(*arguments: str) -> Terminal:
    """The app over an engine without a model, with the exit code of `helix-chat`."""
    return Terminal([sys.executable, str(STUBS / "scripted_chat.py"), "coded", "kept", *arguments], (100, 30), PATHS)


def at_home(terminal: Terminal) -> None:
    terminal.wait_for(lambda screen: "context" in screen and "Ask anything" in screen)


def streaming(terminal: Terminal) -> None:
    at_home(terminal)
    terminal.send("go", "enter")
    terminal.wait_for("word word word")


def pressed(*keys: str, until: str) -> Callable[[Terminal], None]:
    def go(terminal: Terminal) -> None:
        at_home(terminal)
        terminal.send(*keys)
        terminal.wait_for(until)

    return go


def racing(terminal: Terminal) -> None:
    at_home(terminal)
    terminal.send("Tell me a story", "enter")
    terminal.wait_for("90 tokens · ")  # Under the whole reply: a race is refused before its end.
    terminal.send("\x1b[15~")
    terminal.wait_for("Race")


PLACES: dict[str, Callable[[Terminal], None]] = {
    "idle": at_home,
    "streaming": streaming,
    "library": pressed("\x1bOQ", until="Search"),
    "picker": pressed("\x1bOR", until="model"),
    "swarm": pressed("\x1b[17~", until="Swarm"),
    "race": racing,
    "help": pressed("f1", until="Stop the reply"),
}


@pytest.mark.parametrize("number", [INT, TERM], ids=["SIGINT", "SIGTERM"])
def test_in_mid_reply_the_text_so_far_is_kept(number: signal.Signals) -> None:
    with scripted("endless") as terminal:
        streaming(terminal)
        ends(terminal, [number], CODES[number])
    store = Store(data_folder())
    (summary,) = store.recent()
    chat = store.load(summary.id)
    store.close()
    assert chat is not None and chat.path[-1].text.startswith("word word word")
    assert chat.path[-1].reason == "cancelled"


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", [INT, TERM, HUP], ids=["SIGINT", "SIGTERM", "SIGHUP"])
def test_in_every_screen(place: str, number: signal.Signals) -> None:
    with scripted(*(["endless"] if place == "streaming" else [])) as terminal:
        PLACES[place](terminal)
        ends(terminal, [number], CODES[number])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_at_any_moment_of_the_start_of_the_app(seed: int) -> None:
    """From the first import to the first picture; twice in a row too."""
    rng = random.Random(seed)
    with program("demo") as terminal:
        time.sleep(rng.uniform(0.15, 3.0))
        number = rng.choice([INT, TERM, HUP])
        ends(terminal, [number] * rng.choice([1, 2]), CODES[number])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_at_any_moment_of_a_command(seed: int) -> None:
    """Imports, loading, prefill, streaming, the end: whatever it is doing, nothing but its text is on the terminal."""
    rng = random.Random(seed)
    command = rng.choice(
        [("ask", "Tell me a long story."), ("race", "--json", "What is a fox?"), ("serve", "--port", "0"), ("--plain",)]
    )
    with program(*command, "--device", "cpu") as terminal:
        time.sleep(rng.uniform(0.15, 6.0))
        if command == ("--plain",) and rng.random() < 0.7:
            terminal.send("Tell me a story", "enter")
            time.sleep(rng.uniform(0.0, 4.0))
        number = rng.choice([INT, TERM, HUP])
        # A wished end: of `serve` by Ctrl-C or SIGTERM, and of a question that was answered meanwhile.
        ends(terminal, [number, number] if number is INT else [number], CODES[number], 0)


@pytest.mark.slow
def test_plain_keeps_its_text_when_it_is_told_to_go() -> None:
    with program("--plain", "--device", "cpu", "--depth", "0") as terminal:
        terminal.wait_for("You:", timeout=120)
        terminal.send("Tell me a long story about a fox and an owl.", "enter")
        terminal.wait_for(lambda screen: len(screen.partition("Helix:")[2].split()) > 3, timeout=60)
        ends(terminal, [TERM], 143)
    store = Store(data_folder())
    (summary,) = store.recent()
    chat = store.load(summary.id)
    store.close()
    assert chat is not None and len(chat.path[-1].text.split()) > 2 and chat.path[-1].reason is not None


def test_ctrl_c_among_the_imports_says_nothing() -> None:
    """It once printed a traceback of whatever was being imported."""
    start = (
        "import sys, signal, os, builtins; real = builtins.__import__\n"
        "def importing(name, *rest):\n"
        "    if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = importing\n"
        "from helix_tui.entry import main; sys.exit(main())"
    )
    with Terminal([sys.executable, "-c", start, "history"], (100, 30), PATHS) as terminal:
        assert terminal.wait_exit() in (-INT, 130)
        check_given_back(terminal)
        assert terminal.output.strip() == b""
