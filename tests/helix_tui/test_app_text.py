"""Text of every script, and text that is none, on the screen: in tokens and in Markdown, and in a long chat."""

from __future__ import annotations

import pytest
from driving import ask, cards, drive, questions, replies, screen_text, send, until
from rich.cells import cell_len
from scripted import ScriptedEngine
from textual.pilot import Pilot
from textual.widget import Widget

from helix_tui.app import HelixApp
from helix_tui.widgets.token_view import TokenView

TEXTS = {
    "cjk": "今日は良い天気ですね。散歩に行きましょう。" * 8,
    "emoji": "family 👨‍👩‍👧‍👦 astronaut 👩🏽‍🚀 flags 🇩🇪🇯🇵 heart ❤️ thumbs 👍🏿 " * 6,
    "marks": "e\u0301 a\u0308 o\u0302\u0323 क्षि ไทย ที่ กำ zalgo h\u0335\u0321\u0352i " * 8,
    "rtl": "שלום עולם, مرحبا بالعالم and back again " * 8,
    "long": "x" * 10_000,
    "wide line": "word " * 2_000,
    "control": "bell\x07 back\x08 null\x00 esc\x1b[2J\x1b]0;title\x07 c1\x9b31m rlo\u202eabc tab\tend\r\nline\u2028sep",
    "table": "| 名前 | שם | 👩🏽‍🚀 |\n|---|---|---|\n| 中文 | e\u0301 | \x1b[31m |",
    "code": "```python\nx = '今日は' # 👩🏽‍🚀 \x1b[0m\n" + "y" * 500 + "\n```",
}


@pytest.mark.parametrize("size", [(160, 45), (60, 20)], ids=str)
@pytest.mark.parametrize("name", TEXTS)
def test_every_line_is_as_wide_as_its_view_and_nothing_acts(name: str, size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = await ask(pilot, app, f"echo {TEXTS[name][:300]}")
        for tokens in (False, True):
            reply.as_tokens = tokens
            await pilot.pause()
            body = reply.body
            assert body.size.height == len(body.page.lines)
            for y in range(body.size.height):
                strip = body.render_line(y)
                assert strip.cell_length == body.size.width
                assert cell_len(strip.text) == body.size.width, strip.text
        shown = screen_text(app)
        assert not any(c < " " or "\x7f" <= c <= "\x9f" or c in "\u202e\u2028" for c in shown.replace("\n", ""))
        assert all(cell_len(line) == size[0] for line in shown.splitlines())

    drive(scenario, ScriptedEngine(replies=[TEXTS[name]]), size=size)


def test_the_words_arrive_whole() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        for name in ("cjk", "emoji", "marks", "rtl", "control"):
            reply = await ask(pilot, app, name)
            assert reply.source == TEXTS[name]
        assert questions(app)[-1] == "control"

    replies_ = [TEXTS[name] for name in ("cjk", "emoji", "marks", "rtl", "control")]
    drive(scenario, ScriptedEngine(replies=replies_))


def test_escapes_in_an_error_are_shown_harmlessly() -> None:
    engine = ScriptedEngine()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        engine.failing = ("Odd\x1b[2J", "It said \x1b]52;c;evil\x07 and [bold]left[/bold] \u202e.")
        await send(pilot, app, "go")
        await until(pilot, lambda: cards(app) and not app.chat.answering)
        shown = screen_text(app)
        assert "\x1b" not in shown and "\x07" not in shown
        assert "␛]52;c;evil␇ and [bold]left[/bold]" in shown

    drive(scenario, engine)


@pytest.mark.slow
def test_a_chat_of_200_turns_costs_what_is_in_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are drawn only where they are seen, and a turn is a handful of widgets."""

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        transcript = app.chat.transcript
        for number in range(200):
            transcript.question(f"Question {number}")
            view = transcript.reply(coloured=True)
            view.extend([(f"**Reply** {number}\n\n* one\n* two\n", "draft")])
            view.close("done")
        await pilot.pause()
        assert len(transcript.turns) == 400
        assert len(transcript.query(Widget)) <= 6 * 400
        drawn: set[tuple[TokenView, int]] = set()
        line = TokenView.render_line

        def counted(view: TokenView, y: int) -> object:
            drawn.add((view, y))
            return line(view, y)

        monkeypatch.setattr(TokenView, "render_line", counted)
        reply = await ask(pilot, app, "and now?")
        assert "a short one" in reply.text
        seen = len(drawn)
        drawn.clear()
        transcript.focus()
        await pilot.press("home")
        await until(pilot, lambda: "Question 0" in screen_text(app))
        assert len(drawn) < 8 * 45
        assert seen < 60 * 45
        await pilot.press("end")
        await until(pilot, lambda: "a short one" in screen_text(app))
        assert replies(app)[0].body.page.lines[0].text == "Reply 0"

    drive(scenario, ScriptedEngine(replies=["This is a short one."]))
