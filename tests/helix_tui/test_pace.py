"""How much is drawn: in the UI's own clock, and by counting frames, layouts and lines, never by wall time."""

from __future__ import annotations

import threading

import pytest
from driving import app_over, drive, replies, screen_text, send, until
from scripted import STORY, ScriptedEngine
from textual.pilot import Pilot
from textual.screen import Screen

from helix_tui.app import HelixApp
from helix_tui.pace import BEHIND, FRAMES, SHARE, Pace
from helix_tui.widgets.panels import Panel
from helix_tui.widgets.token_view import TokenView


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(seconds: float, cost: float, cheap: float = 0.0) -> tuple[int, int, float]:
    """Frames and whole frames in so many simulated seconds, and the longest time between two whole ones."""
    clock = Clock()
    pace = Pace(clock)
    frames = wholes = 0
    last = longest = 0.0
    while clock.now < seconds:
        clock.now += 1 / FRAMES
        frames += 1
        if pace.whole():
            wholes += 1
            longest, last = max(longest, clock.now - last), clock.now
            clock.now += cost
        else:
            clock.now += cheap
    return frames, wholes, longest


def test_ten_whole_frames_a_second_of_thirty() -> None:
    frames, wholes, longest = run(10, cost=0.0)
    assert frames in (300, 301) and wholes == 100
    assert longest == pytest.approx(BEHIND)


@pytest.mark.parametrize("cost", [0.01, 0.03, 0.05])
def test_the_view_is_never_further_behind_than_said_while_drawing_is_affordable(cost: float) -> None:
    _, wholes, longest = run(10, cost)
    assert longest <= BEHIND + 1 / FRAMES + cost
    assert wholes >= 10 / (BEHIND + 1 / FRAMES + cost) - 1


@pytest.mark.parametrize("cost", [0.08, 0.2, 0.5])
def test_where_drawing_is_dear_it_takes_its_share_and_no_more(cost: float) -> None:
    frames, wholes, _ = run(30, cost)
    assert wholes * cost <= 30 * (SHARE + 0.1)
    assert wholes >= 30 * SHARE / cost * 0.5
    assert frames > wholes


def test_a_clock_that_stands_still_counts_frames() -> None:
    pace = Pace(lambda: 0.0)
    assert [pace.whole() for _ in range(7)] == [False, False, True, False, False, True, False]


def test_what_a_stream_of_300_tokens_a_second_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty frames of ten tokens each, with every panel open: one second of it."""
    engine = ScriptedEngine(replies=[(STORY + "\n\n") * 25], blocks=512, gate=threading.Semaphore(0))
    counts = {"layouts": 0, "lines": 0, "panels": 0}
    behind: list[int] = []

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        assert engine.gate is not None
        chat = app.chat
        await send(pilot, app, "go")
        engine.gate.release(60)
        await until(pilot, lambda: chat.figures.speculating.cycles == 60)
        chat.beat.pause()  # from here on the frames are the test's
        for _ in range(3):
            chat.tick()
        await pilot.pause()
        body = replies(app)[0].body
        layout, line, mark = Screen._refresh_layout, TokenView.render_line, Panel.render_line

        def counted_layout(screen: Screen[None], *args: object, **options: object) -> None:
            counts["layouts"] += 1
            layout(screen, *args, **options)  # type: ignore[arg-type]

        def counted_line(view: TokenView, y: int) -> object:
            counts["lines"] += 1
            return line(view, y)

        def counted_panel(panel: Panel, y: int) -> object:
            counts["panels"] += 1
            return mark(panel, y)

        monkeypatch.setattr(Screen, "_refresh_layout", counted_layout)
        monkeypatch.setattr(TokenView, "render_line", counted_line)
        monkeypatch.setattr(Panel, "render_line", counted_panel)
        for frame in range(30):
            want = 60 + 3 * (frame + 1)
            engine.gate.release(3)
            await until(pilot, lambda want=want: engine.steps >= want)  # type: ignore[misc]
            chat.tick()
            await pilot.pause()
            behind.append(len(body.flow.lines) - body.size.height)

    drive(scenario, engine)
    assert counts["layouts"] <= 14  # ten whole frames, and what the footer asks for
    assert counts["lines"] <= 14 * 40 * 2
    assert 0 < counts["panels"] <= 10 * 40
    assert max(behind) <= 4  # lines that a tenth of a second brings


def test_nothing_changed_is_nothing_drawn() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await send(pilot, app, "hello")
        await until(pilot, lambda: not app.chat.answering)
        app.chat.mark()
        await pilot.pause()
        panels = list(app.chat.query(Panel))
        shown = screen_text(app)
        for panel in panels:
            panel._repaint_required = False
            panel.mark()
            assert not panel._repaint_required, panel.id
        assert screen_text(app) == shown

    drive(scenario)


def test_the_app_gives_the_screen_its_clock() -> None:
    assert app_over().chat.pace.whole() is False
