"""The app as a client: of our own server with all its events, and of others, which tell less."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from driving import Scenario, ask, cards, drive, foot, screen_text, send, until
from serving import Served, serving
from textual.pilot import Pilot

from engine import Engine, Event, InvalidRequest, Request, Sampling
from engine.events import Counters, Cycle, Finished, Loaded, Piece, Started
from helix_tui.app import HelixApp
from helix_tui.cli import main
from helix_tui.messages import Note, Question, Trouble
from helix_tui.remote.attach import AttachSource
from helix_tui.remote.connect import ConnectSource
from helix_tui.remote.counters import parse
from helix_tui.remote.http import Refused, Server, Unreachable

QUESTION = "What is the capital of France?"
HOT = Sampling(temperature=50)
"""So hot that a reply does not end by itself."""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine.load(device="cpu") as loaded:
        yield loaded


@pytest.fixture(scope="module")
def served(engine: Engine) -> Iterator[Served]:
    with serving(engine, api_key="key of the tests") as server:
        yield server


@pytest.fixture
def server(served: Served) -> Server:
    return Server(served.url, "key of the tests")


@pytest.fixture(scope="module")
def wanted(engine: Engine) -> str:
    return engine.generate(Request(messages=[{"role": "user", "content": QUESTION}], max_tokens=40)).text


def question(**changes: Any) -> Question:
    return Question(({"role": "user", "content": QUESTION},), **{"max_tokens": 40, **changes})


def until_true(condition: Callable[[], object], patience: float = 20) -> None:
    give_up = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.005)


def into(notes: list[Note]) -> Callable[[Note], bool]:
    return lambda note: notes.append(note) is None


def over(notes: list[Note]) -> bool:
    return any(isinstance(note, (Finished, Trouble)) for note in notes)


def of(notes: list[Note], kind: type[Event]) -> list[Any]:
    return [note for note in notes if isinstance(note, kind)]


# A Helix server


def test_attached_the_events_are_the_engine_s_own(server: Server, engine: Engine, wanted: str) -> None:
    notes: list[Note] = []
    source = AttachSource(server)
    source.start(into(notes))
    until_true(lambda: notes)
    assert isinstance(notes[0], Loaded)
    assert notes[0].target.parameters == engine.loaded.target.parameters
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


def test_a_question_that_waits_can_be_stopped(served: Served, engine: Engine) -> None:
    """Nothing is there to keep, and nobody hears of it but the app."""
    gate = threading.Event()
    honest = engine._loop._scheduler.admit
    engine._loop._scheduler.admit = lambda: honest() if gate.is_set() else []  # type: ignore[method-assign]
    try:
        notes: list[Note] = []
        source = AttachSource(Server(served.url, "key of the tests"))
        source.ask(question())
        source._sink = into(notes)
        source.run([question()], into(notes))
        until_true(lambda: len(engine._loop.live) == 2)
        source.stop()
        until_true(lambda: over(notes))
        assert of(notes, Finished)[0].reason == "cancelled"
        until_true(lambda: not source.alive)
    finally:
        gate.set()
        del engine._loop._scheduler.admit
    until_true(lambda: not engine.busy)


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


def test_connected_to_our_own_server(server: Server, wanted: str) -> None:
    notes: list[Note] = []
    source = ConnectSource(server)
    source.start(into(notes))
    until_true(lambda: notes)
    assert isinstance(notes[0], Loaded) and notes[0].target.name == "bundled" and notes[0].drafter is None
    source.ask(question())
    until_true(lambda: over(notes))
    (end,) = of(notes, Finished)
    assert end.text == wanted == "".join(piece.text for piece in of(notes, Piece))
    assert end.usage.completion_tokens > 0 and end.usage.ttft_s > 0
    last = of(notes, Counters)[-1]
    assert last.drafted is not None and last.kv_usage is not None


def test_connected_panels_live_on_the_counters(server: Server, wanted: str) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = await ask(pilot, app, QUESTION)
        assert reply.text == wanted
        assert "tokens/s" in foot(reply) or foot(reply)
        app.chat.figures.feed(Counters(1, 10, 40, 25, (9, 8, 5, 3), 0.5))
        app.chat.mark()
        await pilot.pause()
        shown = screen_text(app)
        for words in ("62 % accepted", "3.50 tokens a round", "90 %", "50 % in use", "does not tell of its memory"):
            assert words.replace(" %", "") in shown.replace(" %", ""), words
        for size in ((40, 12), (20, 5), (100, 28)):
            await pilot.resize_terminal(*size)

    drive(scenario, source=ConnectSource(server), max_tokens=40)


def test_connected_a_stop_keeps_what_is_there(server: Server, served: Served) -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        source.hold()
        await send(pilot, app, QUESTION)
        source.step_once()
        await until(pilot, lambda: app.chat.reply is not None and app.chat.reply.text)
        reply = app.chat.reply
        await pilot.press("escape")
        await until(pilot, lambda: not app.chat.answering)
        assert reply is not None and reply.text

    source = ConnectSource(server)
    drive(scenario, source=source)
    until_true(lambda: not served.engine.busy)


CHUNKS = [
    {"choices": [{"delta": {"role": "assistant"}}]},
    {"choices": [{"delta": {"content": "Hel"}}]},
    {"choices": [{"delta": {"content": "lo [/b]"}, "finish_reason": "length"}]},
    {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}},
]


class stub:
    """A server of few words: JSON by path, and CHUNKS for every chat."""

    def __init__(self, answers: dict[str, Any], chunks: Any = CHUNKS, *, breaks: bool = False) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path not in answers:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(answers[self.path]).encode())

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.end_headers()
                for chunk in chunks:
                    self.wfile.write(f"data: {json.dumps(chunk)}\r\n\r\n".encode())
                if not breaks:
                    self.wfile.write(b": a remark\n\ndata: [DONE]\n\n")

            def log_message(self, *arguments: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


MODELS = {"/v1/models": {"data": [{"id": "org/other", "max_model_len": 4096}]}}


def test_a_server_of_few_words_says_what_it_does_not_tell() -> None:
    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        reply = await ask(pilot, app, "hello")
        assert reply.text == "Hello [/b]"
        shown = screen_text(app)
        assert "other" in shown and "4,096" in shown
        for words in ("does not tell whether", "does not tell of its KV cache", "does not tell of its memory"):
            assert words in " ".join(shown.split()), shown

    with stub(MODELS) as url:
        drive(scenario, source=ConnectSource(Server(url)))


@pytest.mark.parametrize(
    ("chunks", "words"),
    [([{"error": {"message": "out of luck"}}], "out of luck"), ([{"choices": [{"delta": None}]}, 5, []], "")],
)
def test_errors_and_nonsense_in_a_stream(chunks: Any, words: str) -> None:
    notes: list[Note] = []
    with stub(MODELS, chunks) as url:
        source = ConnectSource(Server(url), "org/other")
        source.run([question()], into(notes))
        until_true(lambda: over(notes))
    (trouble,) = [n for n in notes if isinstance(n, Trouble)] or [None]
    assert (trouble is not None and words in trouble.message) if words else trouble is None


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


@pytest.mark.slow
def test_connected_to_transformers_own_server(tmp_path: Path) -> None:
    """A server of another project, on the bundled target. It wants accelerate, which nothing else here needs."""
    pytest.importorskip("accelerate")
    pytest.importorskip("openai")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(__file__).parents[2] / "assets" / "target"
    program = "from transformers.cli.transformers import main; main()"
    command = [sys.executable, "-c", program, "serve", str(folder), "--port", str(port), "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            server = Server(f"http://localhost:{port}/v1")
            until_true(lambda: answers(server) or process.poll() is not None, 90)

            async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
                reply = await ask(pilot, app, QUESTION)
                assert "Paris" in reply.text
                assert "does not tell of its KV cache" in " ".join(screen_text(app).split())

            drive(scenario, source=ConnectSource(server, str(folder)), max_tokens=20)
        finally:
            process.kill()


def answers(server: Server) -> bool:
    try:
        server.text("/health")
    except (Unreachable, Refused):
        return False
    return True


# Counters

VLLM = """
# TYPE vllm:spec_decode_num_drafts_total counter
vllm:spec_decode_num_drafts_total{engine="0",model_name="m"} 100.0
vllm:spec_decode_num_drafts_total{engine="1",model_name="m"} 20.0
vllm:spec_decode_num_drafts_created{engine="0",model_name="m"} 1.7e+09
vllm:spec_decode_num_draft_tokens_total{engine="0",model_name="m"} 360.0
vllm:spec_decode_num_accepted_tokens_total{engine="0",model_name="m"} 200.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="m",position="0"} 90.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="m",position="2"} 40.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75
"""
LLAMA = "llamacpp:kv_cache_usage_ratio 0.5\nllamacpp:spec_decode_num_draft_tokens_total 12\nllamacpp:prompt 1e999x"


def test_counters_of_other_servers() -> None:
    counts = parse(VLLM)
    assert (counts.drafts, counts.drafted, counts.accepted) == (120, 360, 200)
    assert counts.accepted_at == (90, 0, 40)
    assert counts.kv_usage == 0.75
    assert (parse(LLAMA).drafted, parse(LLAMA).kv_usage) == (12, 0.5)
    assert not parse("<html>not a metrics page</html>").told
    later = parse(VLLM.replace("360.0", "400.0").replace("} 90.0", "} 95.0"))
    since = later.since(counts, 7)
    assert (since.request, since.drafted, since.accepted, since.accepted_at) == (7, 40, 0, (5, 0, 0))
    assert counts.since(later, 7).drafted == 0, "a server that started anew"
