"""Each key, by what it changes: plain keys beside the transcript, ctrl keys from within the prompt."""

from __future__ import annotations

from itertools import combinations

import pytest
from driving import ask, cards, drive, foot, leave_prompt, replies, screen_text, send, told, until
from scripted import STORY, ScriptedEngine, slow
from textual.pilot import Pilot

from helix_tui.app import HelixApp
from helix_tui.keys import COMMANDS, Command
from helix_tui.screens.chat import ChatScreen
from helix_tui.screens.help import HelpScreen


def test_escape_stops_the_reply_and_keeps_what_is_there() -> None:
    engine, gate = slow()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "hello")
        gate.release(2)
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 2)
        partial = replies(app)[-1].text
        await pilot.press("escape")
        await until(pilot, lambda: not app.chat.answering)
        assert told(engine, "cancel") == [1]
        assert replies(app)[-1].text == partial
        assert partial and STORY.startswith(partial)
        assert foot(replies(app)[-1]).startswith("stopped · 8 tokens")
        engine.gate = None
        await ask(pilot, app, "go on")
        assert told(engine, "submit")[-1].messages[1] == {"role": "assistant", "content": partial}

    drive(scenario, engine)


def test_escape_leaves_an_idle_prompt_and_letters_come_back_to_it() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        assert app.chat.prompt.has_focus
        await pilot.press("escape")
        assert app.chat.transcript.has_focus
        await pilot.press("i")
        assert app.chat.prompt.has_focus
        assert app.chat.prompt.text == ""
        await pilot.press("escape", "enter")
        assert app.chat.prompt.has_focus
        await pilot.press("escape", "H", "e", "y", "b")
        assert app.chat.prompt.text == "Heyb"
        assert app.chat.view.depth == 4

    drive(scenario)


@pytest.mark.parametrize("key", ["n", "ctrl+n"])
def test_new_chat_forgets_the_turns(key: str) -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "first")
        if key == "n":
            await leave_prompt(pilot, app)
        await pilot.press(key)
        await until(pilot, lambda: not replies(app))
        assert app.chat.figures.pool.tokens == 0
        await ask(pilot, app, "second")
        assert list(told(engine, "submit")[-1].messages) == [{"role": "user", "content": "second"}]

    drive(scenario, engine)


def test_new_chat_in_mid_reply_shows_nothing_of_it() -> None:
    engine, gate = slow()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "first")
        gate.release(2)
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 2)
        await pilot.press("ctrl+n")
        await until(pilot, lambda: told(engine, "cancel") == [1] and not engine.busy)
        engine.gate = None
        engine.replies = ["never", "A new beginning."]
        await ask(pilot, app, "second")
        assert [r.text for r in replies(app)] == ["A new beginning."]
        assert list(told(engine, "submit")[-1].messages) == [{"role": "user", "content": "second"}]

    drive(scenario, engine)


@pytest.mark.parametrize("key", ["c", "ctrl+l"])
def test_origins_can_be_switched_off(key: str) -> None:
    def underlined(app: HelixApp) -> bool:
        body = replies(app)[-1].body
        lines = [body.render_line(y) for y in range(len(body.flow.lines))]
        return any(segment.style and segment.style.underline for line in lines for segment in line)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "hello")
        assert not underlined(app)  # a finished reply is Markdown
        if key == "c":
            await leave_prompt(pilot, app)
        await pilot.press(key)
        assert underlined(app)
        await pilot.press(key)
        assert not underlined(app)
        await pilot.press(key)
        assert underlined(app)

    drive(scenario)


@pytest.mark.parametrize("key", ["question_mark", "f1"])
def test_help_opens_and_closes(key: str) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        if key == "question_mark":
            await leave_prompt(pilot, app)
        await pilot.press(key)
        assert isinstance(app.screen, HelpScreen)
        assert "Stop the reply and keep what is there" in screen_text(app)
        await pilot.press("escape")
        assert isinstance(app.screen, ChatScreen)

    drive(scenario)


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
def test_quit_in_mid_reply_stops_the_worker_within_a_cycle(key: str) -> None:
    engine, gate = slow()
    engine.replies = ["word " * 2000]

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "hello")
        gate.release()
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 1)
        if key == "q":
            await leave_prompt(pilot, app)
        steps.append(engine.steps)
        await pilot.press(key)
        await until(pilot, lambda: not app.is_running)

    steps: list[int] = []
    app = drive(scenario, engine)
    assert not app.source.alive
    assert engine.closed
    assert engine.steps - steps[0] <= 1


def test_every_command_is_in_the_palette() -> None:
    from helix_tui.commands import HelixCommands

    async def names(app: HelixApp, pilot: Pilot[None]) -> set[str]:
        provider = HelixCommands(app.screen)
        return {hit.display or "" async for hit in provider.discover()}  # type: ignore[misc]

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        there = await names(app, pilot)
        live = {c.help for c in COMMANDS if c.when != "replay"}
        # These depend on what runs, and on what is being written.
        assert live - {str(name) for name in there} == {
            "Stop the reply and keep what is there",
            "After a failed load: try it again",
            "After a model did not fit: load it in the smaller way offered",
            "Leave a question as it was",
        }
        assert {"Theme: helix-dark", "Theme: helix-light"} <= {str(name) for name in there}

    drive(scenario)


def test_the_palette_switches_the_theme_and_the_reply_is_drawn_anew() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = await ask(pilot, app, "hello")

        def colour() -> object:
            return next(s.style.color for s in reply.body.render_line(0) if s.style)

        dark = colour()
        await pilot.press("ctrl+p")
        await pilot.press(*"helix-light")
        await until(pilot, lambda: "Theme: helix-light" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "helix-light")
        assert colour() != dark

    drive(scenario)


def test_every_binding_has_an_id_of_its_own() -> None:
    from helix_tui.keys import bindings
    from helix_tui.screens.help import HelpScreen
    from helix_tui.widgets.prompt import Prompt

    ids = [b.id for b in [*ChatScreen.BINDINGS, *HelpScreen.BINDINGS, *Prompt.BINDINGS]]  # type: ignore[union-attr]
    assert None not in ids
    assert len(ids) == len(set(ids))
    assert len(bindings()) >= len(COMMANDS)


def test_a_key_can_be_moved_by_its_id() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        app.set_keymap({"depth.baseline.typing": "f7"})
        await pilot.press("f7")
        assert app.chat.view.depth == 0

    drive(scenario)


def test_history_comes_back_with_the_arrow_keys() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "one")
        await ask(pilot, app, "two\nlines")
        prompt = app.chat.prompt
        await pilot.press(*"new")
        await pilot.press("up")
        assert prompt.text == "two\nlines"
        await pilot.press("up", "up")
        assert prompt.text == "one"
        await pilot.press("down")
        assert prompt.text == "two\nlines"
        await pilot.press("down")
        assert prompt.text == "new"

    drive(scenario)


@pytest.mark.parametrize("key", ["ctrl+j", "alt+enter"])
def test_a_new_line_does_not_send(key: str) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("a", key, "b")
        assert app.chat.prompt.text == "a\nb"
        assert replies(app) == []

    drive(scenario)


def test_an_empty_prompt_sends_nothing() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("enter", "space", "enter")
        await pilot.pause()
        assert replies(app) == []
        assert cards(app) == []

    drive(scenario, engine)
    assert told(engine, "submit") == []


def test_no_key_means_two_things_at_once() -> None:
    """Only commands of which one at most can be done at a time share a key."""
    never_together = [{"chat.stop", "chat.read", "turn.leave_edit"}, {"chat.retry", "race.open"}]
    taken: dict[str, list[Command]] = {}
    for command in COMMANDS:
        for key in filter(None, f"{command.plain},{command.typing}".split(",")):
            taken.setdefault(key, []).append(command)
    for key, commands in taken.items():
        for one, other in combinations(commands, 2):
            apart = {one.when, other.when} == {"live", "replay"} or any(
                {one.id, other.id} <= ids for ids in never_together
            )
            assert apart, f"{key} is {one.id} and {other.id}"


def test_commands_are_found_by_their_names() -> None:
    from helix_tui.commands import HelixCommands

    async def first(app: HelixApp, words: str) -> str:
        provider = HelixCommands(app.screen)
        hits = [hit async for hit in provider.search(words)]
        best = max(hits, key=lambda hit: hit.score)  # type: ignore[union-attr]
        return str(best.match_display)  # type: ignore[union-attr]

    wanted = {
        "rewind": "Go on from the chosen message", "fork": "Begin a new chat with", "library": "Your chats",
        "settings": "System prompt", "export": "Write this chat", "adaptive": "Let the engine choose",
        "swarm": "Ask many questions", "regenerate": "Ask for another reply", "race": "Race baseline",
        "record": "Record from now on", "baseline": "Switch speculation off", "helix-dark": "Theme: helix-dark",
    }  # fmt: skip

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        found = {words: await first(app, words) for words in wanted}
        assert {w: f for w, f in found.items() if not f.startswith(wanted[w])} == {}

    drive(scenario)
