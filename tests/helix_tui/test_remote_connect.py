"""The app as a client of any server with OpenAI's API, which tells less than ours."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from driving import ask, drive, foot, screen_text, send, until
from notes import into, of, over
from other_server import MODELS, stub
from serving import Served
from textual.pilot import Pilot
from waiting import until as until_true

from engine import Engine, Request
from engine.events import Counters, Finished, Loaded, Piece
from engine.models import compressed
from helix_tui.app import HelixApp
from helix_tui.messages import Note, Question, Trouble
from helix_tui.remote.connect import ConnectSource
from helix_tui.remote.counters import parse
from helix_tui.remote.http import Refused, Server, Unreachable

QUESTION = "What is the capital of France?"


@pytest.fixture(scope="module")
def wanted(bundled: Engine) -> str:
    return bundled.generate(Request(messages=[{"role": "user", "content": QUESTION}], max_tokens=40)).text


def question(**changes: Any) -> Question:
    return Question(({"role": "user", "content": QUESTION},), **{"max_tokens": 40, **changes})


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


@pytest.mark.slow
def test_connected_to_transformers_own_server(tmp_path: Path) -> None:
    """A server of another project, on the bundled target. It wants accelerate, which nothing else here needs."""
    pytest.importorskip("accelerate")
    pytest.importorskip("openai")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = plain(tmp_path / "target")
    program = "from transformers.cli.transformers import main; main()"
    command = [sys.executable, "-c", program, "serve", str(folder), "--port", str(port), "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            server = Server(f"http://localhost:{port}/v1")
            until_true(lambda: answers(server) or process.poll() is not None, 300)

            async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
                reply = await ask(pilot, app, QUESTION)
                assert "Paris" in reply.text
                assert "does not tell of its KV cache" in " ".join(screen_text(app).split())

            drive(scenario, source=ConnectSource(server, str(folder)), max_tokens=20)
        finally:
            process.kill()


def plain(folder: Path) -> Path:
    """The bundled target as transformers loads it without compressed-tensors."""
    bundled = Path(__file__).parents[2] / "assets" / "target"
    shutil.copytree(bundled, folder)
    compressed.read(bundled, torch.float32, keep=False).save_pretrained(str(folder))
    return folder


def answers(server: Server) -> bool:
    try:
        server.text("/health")
    except (Unreachable, Refused):
        return False
    return True


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
