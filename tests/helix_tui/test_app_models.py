"""Choosing a model in the app: loading in place, downloads that can be stopped, and the way back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import ask, cards, drive, replies, screen_text, send, told, until
from scripted import ScriptedEngine
from textual.pilot import Pilot

import engine
from engine import Estimate, Event, ModelNotFound
from engine.events import Loading
from helix_tui import models, picking
from helix_tui.app import HelixApp
from helix_tui.models import Pair
from helix_tui.screens.picker import PickerScreen
from helix_tui.sources import LiveSource

MB = 1_000_000


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """No torch, no disk, no network: what the picker's errands find is said here."""
    said: dict[str, Any] = {"free": 8000 * MB, "weights": 100 * MB, "here": {"bundled", "auto", "none", "/m/one"}}

    def estimate(target: Any, draft: Any, **load: Any) -> Estimate:
        said.setdefault("asked", []).append((target, draft, load))
        download = 0 if target in said["here"] else 500 * MB
        return Estimate(said["weights"], 20 * MB, 5 * MB, said["free"], download, "float32", "cpu")

    monkeypatch.setattr(engine, "estimate", estimate, raising=False)
    monkeypatch.setattr(engine, "pick_device", lambda spec: type("D", (), {"free": said["free"]})(), raising=False)
    monkeypatch.setattr(picking, "local", lambda name: name in said["here"])
    monkeypatch.setattr(models, "in_folders", lambda folders: [Pair("/m/one")])
    monkeypatch.setattr(models, "in_cache", lambda: [Pair("org/cached")])
    return said


class Loads:
    """Loads scripted engines one after the other; `before` is called in each load and may raise or wait."""

    def __init__(self, before: Callable[[int, Callable[[Event], None]], None] | None = None) -> None:
        self.engines: list[ScriptedEngine] = []
        self.options: list[dict[str, Any]] = []
        self._before = before

    def __call__(self, progress: Callable[[Event], None], **options: Any) -> ScriptedEngine:
        self.options.append(options)
        assert all(e.closed for e in self.engines), "two engines at once"
        if self._before is not None:
            self._before(len(self.options), progress)
        self.engines.append(ScriptedEngine())
        return self.engines[-1]

    @property
    def pairs(self) -> list[tuple[Any, Any]]:
        return [(o["target"], o["draft"]) for o in self.options]


async def pick(pilot: Pilot[None], app: HelixApp, target: str, draft: str = "none") -> PickerScreen:
    """Open the picker, write the names, press enter."""
    await pilot.press("f3")
    await until(pilot, lambda: isinstance(app.screen, PickerScreen))
    screen = app.screen
    assert isinstance(screen, PickerScreen)
    await until(pilot, lambda: len(screen._pairs) > 3, "for the list")
    screen._target.focus()
    await pilot.pause()
    screen._target.value, screen._draft.value = target, draft
    await pilot.press("enter")
    return screen


def closed(app: HelixApp) -> bool:
    return not isinstance(app.screen, PickerScreen)


def test_another_model_in_place_and_the_chat_goes_on() -> None:
    loads = Loads()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await ask(pilot, app, "First")
        await pick(pilot, app, "/m/one")
        await until(pilot, lambda: closed(app) and app.chat.ready and len(loads.engines) == 2)
        assert loads.engines[0].closed and loads.pairs == [("bundled", "auto"), ("/m/one", None)]
        await ask(pilot, app, "Second")
        (request,) = told(loads.engines[1], "submit")
        assert [m["content"] for m in request.messages][::2] == ["First", "Second"]
        assert len(replies(app)) == 2

    drive(scenario, source=LiveSource(loader=loads))


def test_a_reply_that_runs_is_stopped_and_kept() -> None:
    loads = Loads()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        loads.engines[0].gate = threading.Semaphore(3)
        await send(pilot, app, "First")
        await until(pilot, lambda: app.chat.figures.speculating.cycles == 3)
        await pick(pilot, app, "/m/one")
        await until(pilot, lambda: app.chat.ready and len(loads.engines) == 2)
        (reply,) = replies(app)
        assert reply.text.startswith("Once upon") and not app.chat.answering
        await ask(pilot, app, "Second")

    drive(scenario, source=LiveSource(loader=loads))


def test_a_load_that_fails_says_why_and_offers_the_one_before() -> None:
    def before(number: int, progress: Callable[[Event], None]) -> None:
        if number == 2:
            raise ModelNotFound("There is nothing in /m/one; choose another.")

    loads = Loads(before)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pick(pilot, app, "/m/one")
        await until(pilot, lambda: app.chat.failed)
        assert "There is nothing in /m/one" in cards(app)[0] and "F3" in cards(app)[0]
        await pilot.press("f3")
        await until(pilot, lambda: "the one before" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.chat.ready and len(loads.options) == 3)
        assert loads.pairs[2] == ("bundled", "auto")
        await ask(pilot, app, "Hello")

    drive(scenario, source=LiveSource(loader=loads))


def test_escape_in_the_middle_of_a_change_brings_the_model_before_back() -> None:
    def before(number: int, progress: Callable[[Event], None]) -> None:
        while number == 2:
            progress(Loading("reading", 1, 2))

    loads = Loads(before)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pick(pilot, app, "/m/one")
        await until(pilot, lambda: len(loads.options) == 2 and closed(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.chat.ready and len(loads.options) == 3)
        assert loads.pairs[2] == ("bundled", "auto") and not app.chat.failed and cards(app) == []
        await ask(pilot, app, "Hello")

    drive(scenario, source=LiveSource(loader=loads))


def test_a_download_is_asked_for_shown_and_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch, machine: dict[str, Any]
) -> None:
    ended = []
    go_on = threading.Event()

    def fetch(name: str, progress: Callable[[Event], None]) -> None:
        try:
            while not go_on.wait(0.01):
                progress(Loading(f"downloading {name}", 250 * MB, 500 * MB))
        except BaseException as error:
            ended.append(type(error).__name__)
            raise
        machine["here"].add(name)

    monkeypatch.setattr(engine, "fetch", fetch, raising=False)
    loads = Loads()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        screen = await pick(pilot, app, "org/new")
        await until(pilot, lambda: "Enter again: download it." in screen_text(app))
        assert "477 MB to download" in screen_text(app) and not ended
        await pilot.press("enter")
        await until(pilot, lambda: "50 %" in screen_text(app) and "esc stops" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: ended == ["_Cancelled"])
        assert app.screen is screen and "what came is kept" in screen_text(app) and len(loads.options) == 1
        await pilot.press("enter")
        go_on.set()
        await until(pilot, lambda: app.chat.ready and len(loads.options) == 2)
        assert loads.pairs[1] == ("org/new", None)

    drive(scenario, source=LiveSource(loader=loads))


def test_what_does_not_fit_is_asked_about(machine: dict[str, Any]) -> None:
    machine["weights"] = 9000 * MB
    loads = Loads()

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pick(pilot, app, "/m/one")
        await until(pilot, lambda: "Enter again: try all the same." in screen_text(app))
        assert "more than there is" in screen_text(app) and len(loads.options) == 1
        await pilot.press("escape")
        await until(pilot, lambda: closed(app))
        assert app.chat.ready

    drive(scenario, source=LiveSource(loader=loads))


def test_a_name_that_is_nowhere_is_refused_in_the_picker(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **load: Any) -> None:
        raise ModelNotFound("There is no [bold]such[/] model; check the name.")

    monkeypatch.setattr(engine, "estimate", refuse, raising=False)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pick(pilot, app, "org/nowhere")
        await until(pilot, lambda: "There is no [bold]such[/] model" in screen_text(app))
        assert app.chat.ready

    drive(scenario, source=LiveSource(loader=Loads()))


def test_the_list_shows_what_there_is_and_the_memory_it_takes(machine: dict[str, Any]) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f3")
        await until(pilot, lambda: "to download" in screen_text(app))
        shown = screen_text(app)
        assert all(word in shown for word in ("the bundled pair", "loaded now", "one", "cached", "Suggested for"))
        await pilot.press("down")
        await until(pilot, lambda: "Needs about 119 MB" in screen_text(app))
        assert machine["asked"][-1][:2] == ("/m/one", None)
        await pilot.press("escape")
        await until(pilot, lambda: closed(app))

    drive(scenario, source=LiveSource(loader=Loads()))


def test_a_replay_has_no_models_to_choose(tmp_path: Path) -> None:
    from engine import Recorder
    from helix_tui.replay import ReplaySource

    with Recorder(tmp_path / "r.jsonl") as recorder:
        recorder.write(Loading("reading"))

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await pilot.press("f3")
        assert closed(app)

    drive(scenario, source=ReplaySource(tmp_path / "r.jsonl"), ready=False)
