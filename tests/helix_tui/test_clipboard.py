"""Copying: the right command for the machine, never a shell, never waited for long, and honest words."""

from __future__ import annotations

import asyncio
import base64
import sys
from pathlib import Path

import pytest
from driving import ask, drive, until
from scripted import ScriptedEngine
from textual.pilot import Pilot

from helix_tui import clipboard
from helix_tui.app import HelixApp
from helix_tui.clipboard import clean, command, hand_over, outcome
from helix_tui.render.fences import Code, code_blocks

CODE = "Two ways:\n\n```python\nif x:\n\tprint('é')\n```\n\nor\n\n```\nplain\n```\n"


def have(*names: str) -> clipboard.Which:
    return lambda name: f"/bin/{name}" if name in names else None


@pytest.mark.parametrize(
    ("platform", "env", "there", "expected"),
    [
        ("darwin", {}, ("pbcopy",), ["/bin/pbcopy"]),
        ("linux", {"WAYLAND_DISPLAY": "w", "DISPLAY": ":0"}, ("wl-copy", "xclip"), ["/bin/wl-copy"]),
        ("linux", {"WAYLAND_DISPLAY": "w", "DISPLAY": ":0"}, ("xclip",), ["/bin/xclip", "-selection", "clipboard"]),
        ("linux", {"DISPLAY": ":0"}, ("xsel",), ["/bin/xsel", "--clipboard", "--input"]),
        ("linux", {}, ("xclip", "wl-copy"), None),
        ("linux", {"WSL_DISTRO_NAME": "Debian"}, ("clip.exe",), ["/bin/clip.exe"]),
        ("win32", {}, ("clip.exe",), ["/bin/clip.exe"]),
        ("darwin", {"SSH_CONNECTION": "1"}, ("pbcopy",), None),
    ],
)
def test_the_command_of_the_machine(
    platform: str, env: dict[str, str], there: tuple[str, ...], expected: list[str] | None
) -> None:
    assert command(platform, env, have(*there)) == expected


def test_the_text_goes_to_its_input_and_no_shell_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "it"
    code = f"import sys; open({str(file)!r}, 'wb').write(sys.stdin.buffer.read())"
    text = "$(touch x) `y` é 中\n"
    assert asyncio.run(hand_over([sys.executable, "-c", code], text))
    assert file.read_text(encoding="utf-8") == text


def test_a_command_that_fails_or_hangs_or_is_gone_did_not_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clipboard, "PATIENCE", 0.05)
    assert not asyncio.run(hand_over([sys.executable, "-c", "raise SystemExit(3)"], "x"))
    assert not asyncio.run(hand_over([sys.executable, "-c", "import time; time.sleep(60)"], "x"))
    assert not asyncio.run(hand_over(["/no/such/command"], "x"))


def test_what_is_copied_cannot_act_when_pasted() -> None:
    assert clean("a\tb\r\nc\x1b[201~\x07\x00\x9b\ud800d") == "a\tb\nc[201~d"
    assert clean("👩🏽‍🚀 שלום ✓") == "👩🏽‍🚀 שלום ✓"


def test_the_words_say_no_more_than_is_known() -> None:
    assert outcome("the reply, 3 lines", "xclip", "x", {}) == "Copied the reply, 3 lines (xclip)"
    assert outcome("the reply, 3 lines", None, "x", {}).startswith("Sent the reply, 3 lines to the terminal's")
    assert "set-clipboard" in outcome("it", None, "x", {"TMUX": "1"})
    assert "long" in outcome("it", None, "x" * 80_000, {})


def test_code_blocks_are_found_as_they_were_written() -> None:
    assert code_blocks(CODE) == [Code("python", "if x:\n\tprint('é')"), Code("", "plain")]
    assert code_blocks("no code `inline`") == []
    assert code_blocks("```sh\nopen") == [Code("sh", "open")]


def test_y_copies_the_message_and_capital_y_walks_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helix_tui.screens.actions.copying.command", lambda: None)
    said: list[str] = []

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        def notify(message: str, **_: object) -> None:
            said.append(message)

        monkeypatch.setattr(app.chat, "notify", notify)
        await pilot.press("escape", "y")
        assert said.pop() == "There is nothing to copy yet"
        await ask(pilot, app, "How?")
        await pilot.press("escape", "y")
        await until(pilot, lambda: said)
        assert app.clipboard == CODE
        assert "the reply, 12 lines" in said.pop()
        for expected, words in (
            ("if x:\n\tprint('é')", "code block 1 of 2, python, 2 lines"),
            ("plain", "code block 2 of 2, 1 line"),
            ("if x:\n\tprint('é')", "code block 1 of 2"),
        ):
            await pilot.press("Y")
            await until(pilot, lambda: said)
            assert app.clipboard == expected
            assert words in said.pop()
        await pilot.press("k", "k", "y")
        await until(pilot, lambda: said)
        assert app.clipboard == "How?"
        await pilot.press("Y")
        assert said.pop() == "There is no code block in this message"

    drive(scenario, ScriptedEngine(replies=[CODE]))


def test_the_terminal_is_told_in_one_osc_52(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helix_tui.screens.actions.copying.command", lambda: None)
    written: list[str] = []

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "hello")
        driver = app._driver
        assert driver is not None
        monkeypatch.setattr(driver, "write", written.append)
        await pilot.press("escape", "y")
        await pilot.pause()

    drive(scenario, ScriptedEngine(replies=["bell \x07 and \x1b]52;c;evil\x07 end"]))
    sent = [part for part in written if "\x1b]52;" in part]
    assert sent == ["\x1b]52;c;" + base64.b64encode(b"bell  and ]52;c;evil end").decode() + "\a"]


def test_a_context_nearly_full_is_said_once_and_while_there_is_room() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        await ask(pilot, app, "two")
        app.chat.mark()
        app.chat.mark()
        warnings = [n.message for n in app._notifications if n.severity == "warning"]
        assert len(warnings) == 1
        assert "ctrl+n starts a new chat" in warnings[0]

    drive(scenario, ScriptedEngine(replies=["word " * 950]))
