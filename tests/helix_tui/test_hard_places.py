"""Places that are hard on a program: streams that are closed or full, no home, a narrow terminal, a megabyte pasted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import is_sentence
from terminal import Terminal

from helix_tui import folders
from helix_tui.cli import main
from helix_tui.conversation import Conversation
from helix_tui.store import Store, data_folder

STUBS = Path(__file__).parents[1] / "stubs"
ROOT = STUBS.parents[1]
START = "import sys; from helix_tui.entry import main; sys.exit(main())"


def helix(shell: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`helix "$@"` in a shell line."""
    line = f'helix() {{ "{sys.executable}" -c "{START}" "$@"; }}; {shell}'
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    return subprocess.run(["bash", "-c", line], env=env, text=True, capture_output=True, timeout=120)


def test_closed_and_full_streams_end_politely() -> None:
    """Each once ended in a traceback, or with an error at the exit."""
    ran = helix(
        "helix history >&-; echo $?; helix history <&- 2>&-; echo $?; helix config --example | head -n 1; "
        "echo ${PIPESTATUS[0]}; helix config --example >/dev/full; echo $?"
    )
    assert ran.stdout.splitlines() == ["0", "There are no chats yet.", "0", ran.stdout.splitlines()[3], "0", "1"]
    (said,) = ran.stderr.splitlines()
    assert said.startswith("helix-chat: There is no room left") and is_sentence(said)


def test_nothing_on_stdin_is_no_question() -> None:
    ran = helix("helix ask - </dev/null; echo $?; helix ask - <&-; echo $?")
    assert ran.stdout.split() == ["1", "1"]
    empty, closed = ran.stderr.splitlines()
    assert "write something to answer" in empty and "There is no stdin to read" in closed


def test_an_old_locale_and_no_width_at_all() -> None:
    ran = helix(
        "helix history 'é 日本'; helix config", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", COLUMNS="1"
    )
    assert ran.returncode == 0 and ran.stderr == "" and "No chat has these words." in ran.stdout


def test_without_a_home_nothing_is_kept_and_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(*args: object, **options: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    for kind in ("data", "config", "log"):
        monkeypatch.setattr(f"platformdirs.user_{kind}_path", homeless)
    monkeypatch.delenv("HELIX_DATA")
    assert {data_folder(), folders.config(), folders.log()} == {folders.NOWHERE}
    store = Store(data_folder())
    chat = Conversation()
    chat.ask("Hello")
    store.save(chat, *chat.path)
    assert not store.flush()
    assert "set HOME" in str(store.trouble) and is_sentence(str(store.trouble))
    store.close()
    assert main(["history"]) == 0
    assert folders.at_home("~nobody-at-all/x") == Path("~nobody-at-all/x")


@pytest.mark.slow
def test_a_megabyte_is_pasted_into_the_prompt() -> None:
    env = {"PYTHONPATH": f"{STUBS}{os.pathsep}{ROOT}", "TEXTUAL_ANIMATIONS": "none"}
    with Terminal([sys.executable, str(STUBS / "scripted_chat.py")], (100, 30), env) as terminal:
        terminal.wait_for(lambda screen: "context" in screen and "Ask anything" in screen)
        terminal.send("\x1b[200~")
        for number in range(20_000):
            terminal.send(f"line {number:06} " + "of what was pasted, and more of it.\r")
        terminal.send("the very end\x1b[201~")
        terminal.wait_for("the very end", timeout=120)
        terminal.send("ctrl+q")
        assert terminal.wait_exit(60) == 0
        assert b"Traceback" not in terminal.output


@pytest.mark.slow
def test_the_app_in_one_column_and_on_a_dumb_terminal() -> None:
    env = {"PYTHONPATH": f"{STUBS}{os.pathsep}{ROOT}", "TEXTUAL_ANIMATIONS": "none"}
    with Terminal([sys.executable, str(STUBS / "scripted_chat.py")], (100, 30), env | {"COLUMNS": "1"}) as terminal:
        terminal.wait_for(lambda screen: screen.strip() != "")
        terminal.resize(1, 1)
        terminal.resize(80, 24)
        terminal.send("ctrl+q")
        assert terminal.wait_exit(60) == 0
        assert b"Traceback" not in terminal.output
    with Terminal([sys.executable, "-c", START, "demo"], (80, 24), env | {"TERM": "dumb"}) as terminal:
        terminal.wait_for(lambda screen: screen.strip() != "")
        terminal.send("ctrl+q")
        terminal.wait_exit(60)
        assert b"Traceback" not in terminal.output
