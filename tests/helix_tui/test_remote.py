"""The app as a client: of our own server with all its events, and of others, which tell less."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from driving import Scenario, ask, cards, drive, screen_text, until
from notes import into, of, over
from other_server import stub
from serving import Served
from textual.pilot import Pilot
from waiting import until as until_true

from engine import Engine, InvalidRequest, Request, Sampling
from engine.events import Cycle, Finished, Loaded, Started
from helix_tui.app import HelixApp
from helix_tui.cli import main
from helix_tui.messages import Note, Question, Trouble
from helix_tui.remote.attach import AttachSource
from helix_tui.remote.connect import ConnectSource
from helix_tui.remote.http import Server

QUESTION = "What is the capital of France?"
HOT = Sampling(temperature=50)
"""So hot that a reply does not end by itself."""


@pytest.fixture(scope="module")
def wanted(bundled: Engine) -> str:
    return bundled.generate(Request(messages=[{"role": "user", "content": QUESTION}], max_tokens=40)).text


def question(**changes: Any) -> Question:
    return Question(({"role": "user", "content": QUESTION},), **{"max_tokens": 40, **changes})


# A Helix server


def test_attached_the_events_are_the_engine_s_own(server: Server, bundled: Engine, wanted: str) -> None:
    notes: list[Note] = []
    source = AttachSource(server)
    source.start(into(notes))
    until_true(lambda: notes)
    assert isinstance(notes[0], Loaded)
    assert notes[0].target.parameters == bundled.loaded.target.parameters
    source.ask(question(depth=4))
    until_true(lambda: over(notes))
    assert of(notes, Finished)[0].text == wanted
    assert [t.text for c in of(notes, Cycle) for t in c.emitted]
    assert any(cycle.drafted for cycle in of(notes, Cycle))
    until_true(lambda: not source.alive)


def test_attached_the_app_shows_all_its_panels(server: Server, wanted: str) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = await ask(pilot, app, QUESTION)
        assert reply.text == wanted
        shown = screen_text(app)
        assert "accepted" in shown
        assert "KV blocks" in shown and "remembered" in shown
        assert "Memory on cpu" in shown

    drive(scenario, source=AttachSource(server), depth=4, max_tokens=40)


def test_attached_stop_and_depth_reach_the_server(server: Server, served: Served) -> None:
    notes: list[Note] = []
    source = AttachSource(server)
    source.start(into(notes))
    source.ask(question(depth=4, max_tokens=None, sampling=HOT))
    until_true(lambda: len(of(notes, Cycle)) > 1)
    source.set_depth(0)
    until_true(lambda: of(notes, Cycle) and of(notes, Cycle)[-1].depth == 0)
    source.stop()
    until_true(lambda: over(notes))
    (end,) = of(notes, Finished)
    assert end.reason == "cancelled"
    assert end.text == "".join(t.text for c in of(notes, Cycle) for t in c.emitted) or end.text
    assert end.usage.completion_tokens > 0, "the server's own count"
    until_true(lambda: not served.engine.busy)


def test_attached_the_chat_can_be_held_and_stepped(server: Server, served: Served) -> None:
    notes: list[Note] = []
    source = AttachSource(server)
    source.start(sink := into(notes))
    source._sink = sink
    source.hold()
    source.ask(question(depth=4))
    until_true(lambda: of(notes, Started))
    assert source.held
    for number in (1, 2, 3):
        source.step_once()
        until_true(lambda: len(of(notes, Cycle)) == number)  # noqa: B023
    assert not over(notes)
    source.go_on()
    until_true(lambda: over(notes))
    source.hold()
    source.ask(question(max_tokens=None, sampling=HOT))
    until_true(lambda: len(of(notes, Started)) == 2)
    source.stop()
    until_true(lambda: len(of(notes, Finished)) == 2)
    until_true(lambda: not served.engine.busy)


def test_attached_leaving_frees_the_server(server: Server, served: Served) -> None:
    notes: list[Note] = []
    source = AttachSource(server)
    source.run([question(max_tokens=None, sampling=HOT) for _ in range(3)], into(notes))
    until_true(lambda: len(of(notes, Started)) == 3)
    source.close()
    until_true(lambda: not served.engine.busy and not source.alive)
    assert len(of(notes, Finished)) == 3


def test_a_question_that_waits_can_be_stopped(served: Served, bundled: Engine) -> None:
    """Nothing is there to keep, and nobody hears of it but the app."""
    gate = threading.Event()
    honest = bundled._loop._scheduler.admit
    bundled._loop._scheduler.admit = lambda: honest() if gate.is_set() else []  # type: ignore[method-assign]
    try:
        notes: list[Note] = []
        source = AttachSource(Server(served.url, "key of the tests"))
        source.ask(question())
        source._sink = into(notes)
        source.run([question()], into(notes))
        until_true(lambda: len(bundled._loop.live) == 2)
        source.stop()
        until_true(lambda: over(notes))
        assert of(notes, Finished)[0].reason == "cancelled"
        until_true(lambda: not source.alive)
    finally:
        gate.set()
        del bundled._loop._scheduler.admit
    until_true(lambda: not bundled.busy)


def test_what_is_no_helix_server_is_said_so() -> None:
    for answer in ({"/loaded": {"hello": 1}}, {}):
        with stub(answer) as url:
            notes: list[Note] = []
            AttachSource(Server(url)).start(into(notes))
            until_true(lambda: notes)  # noqa: B023
            assert isinstance(notes[0], Trouble) and "use --connect" in notes[0].message


def test_no_server_and_a_wrong_key_are_cards(served: Served) -> None:
    def showing(words: str) -> Scenario:
        async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
            await until(pilot, lambda: cards(app))
            assert words in cards(app)[0]

        return scenario

    for source, words in (
        (AttachSource(Server("http://127.0.0.1:9")), "127.0.0.1:9 does not answer"),
        (AttachSource(Server(served.url, "somebody else")), "API key is missing or wrong"),
        (ConnectSource(Server("http://127.0.0.1:9")), "does not answer"),
    ):
        drive(showing(words), source=source, ready=False)


# Any server


def test_addresses() -> None:
    assert Server("localhost:8000").name == "localhost:8000"
    assert Server("https://host.example/some/v1/").name == "host.example"
    for wrong in ("ftp://host", "http://", "http://host:99999", "http://me:secret@host"):
        with pytest.raises(InvalidRequest) as refused:
            Server(wrong)
        assert "secret" not in str(refused.value)


def test_the_command_line_refuses_two_servers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--attach", "http://a", "--connect", "http://b"]) == 1
    assert "give one" in capsys.readouterr().err
    assert main(["--attach", "http://a", "--plain"]) == 1
    assert "runs its own model" in capsys.readouterr().err


# Counters
