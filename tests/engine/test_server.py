"""Helix's own routes over a real socket: replies, streams, limits, and who may come in."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from serving import ASK, CHAT, Served

from engine import Engine, Request, Sampling, Speculation
from engine.events import Cycle, Finished, Loaded, Prefilled, Started, from_json


def pieces(lines: Iterator[str]) -> list[Any]:
    """The JSON of a stream, which must end as it should."""
    said = [line.removeprefix("data: ") for line in lines if line]
    assert said.pop() == "[DONE]"
    return [json.loads(line) for line in said]


def stream(http: httpx.Client, **body: Any) -> list[Any]:
    with http.stream("POST", "/generate/stream", json={**ASK, **body}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return pieces(answer.iter_lines())


def test_a_reply_is_the_engine_s_own(http: httpx.Client, bundled: Engine) -> None:
    for depth in (0, 4, "auto"):
        wanted = bundled.generate(Request(messages=CHAT, max_tokens=24, speculation=Speculation(depth)))
        reply = http.post("/generate", json={**ASK, "depth": depth}).json()
        assert (reply["text"], reply["token_ids"]) == (wanted.text, wanted.token_ids)
        assert reply["finish_reason"] == wanted.finish_reason
        assert reply["usage"]["completion_tokens"] == len(wanted.token_ids)
    assert http.post("/generate", json={**ASK, "baseline": True}).json()["speculation"]["drafted"] == 0
    assert http.post("/generate", json={**ASK, "depth": 4}).json()["speculation"]["drafted"] > 0


def test_settings_reach_the_engine(http: httpx.Client, bundled: Engine) -> None:
    heat = Sampling(temperature=0.9, top_k=50, top_p=0.95, min_p=0.01, repetition_penalty=1.1)
    request = Request(prompt="Once upon a", sampling=heat, seed=7, max_tokens=20, stop=["."])
    wanted = bundled.generate(request)
    body = {"prompt": "Once upon a", "temperature": 0.9, "top_k": 50, "top_p": 0.95, "min_p": 0.01, "stop": ".",
            "repetition_penalty": 1.1, "seed": 7, "max_tokens": 20}  # fmt: skip
    assert http.post("/generate", json=body).json()["text"] == wanted.text
    told = http.post("/generate", json={**ASK, "logprobs": 2}).json()["tokens"]
    assert all(token["logprob"] <= 0 and len(token["top"]) == 2 for token in told)


def test_a_batch_answers_in_order(http: httpx.Client, bundled: Engine) -> None:
    prompts = ["What is machine learning?", "Name five fruits.", "Why is the sky blue?"]
    requests = [{"messages": [{"role": "user", "content": p}], "max_tokens": 12} for p in prompts]
    replies = http.post("/generate/batch", json={"requests": requests}).json()["replies"]
    assert [r["text"] for r in replies] == [bundled.generate(Request(**r)).text for r in requests]  # type: ignore[arg-type]


def test_a_stream_is_the_reply_in_pieces(http: httpx.Client, bundled: Engine) -> None:
    *said, end = stream(http)
    wanted = bundled.generate(Request(messages=CHAT, max_tokens=24))
    assert "".join(piece["text"] for piece in said) == wanted.text
    assert end["usage"]["completion_tokens"] == len(wanted.token_ids)
    assert end["finish_reason"] == wanted.finish_reason


def test_a_stream_of_events_is_what_panels_need(http: httpx.Client) -> None:
    events = [from_json(piece) for piece in stream(http, events=True, depth=4)]
    assert [type(event) for event in events[:2]] == [Started, Prefilled]
    assert isinstance(from_json(http.get("/loaded").json()), Loaded)
    assert isinstance(events[-1], Finished)
    assert any(isinstance(event, Cycle) and event.drafted for event in events)


def test_curl_reads_the_stream(served: Served) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl here")
    command = [curl, "-sN", f"{served.url}/generate/stream", "-H", "content-type: application/json"]
    said = subprocess.run([*command, "-d", json.dumps(ASK)], capture_output=True, text=True, check=True).stdout
    assert pieces(iter(said.splitlines()))[-1]["finish_reason"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "exactly one"),
        ({"prompt": "a", "messages": CHAT}, "exactly one"),
        ({"prompt": ""}, "prompt"),
        ({**ASK, "depth": 17}, "depth"),
        ({**ASK, "depth": "deep"}, "depth"),
        ({**ASK, "temperature": -1}, "temperature"),
        ({**ASK, "max_tokens": 0}, "max_tokens"),
        ({**ASK, "max_tokens": True}, "max_tokens"),
        ({**ASK, "temprature": 1}, "temprature"),
        ({"prompt_ids": [99999999]}, "vocabulary"),
        ({"prompt": "word " * 2000}, "context"),
        ({"messages": [{"role": "boss", "content": "SECRET"}]}, "role"),
    ],
)
def test_bad_requests_are_told_why_and_nothing_else(http: httpx.Client, body: dict[str, Any], word: str) -> None:
    for route in ("/generate", "/generate/stream"):
        answer = http.post(route, json=body)
        error = answer.json()["error"]
        assert answer.status_code == 400
        assert error["type"] == "invalid_request_error"
        assert word in error["message"]
        assert "SECRET" not in answer.text
        assert "/" not in error["message"]


def test_what_is_no_json_or_no_route_is_said_so(http: httpx.Client) -> None:
    assert http.post("/generate", content=b"{nope", headers={"content-type": "application/json"}).status_code == 400
    assert http.post("/generate", content=b"prompt=a").status_code == 400
    missing = http.get("/nowhere")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "invalid_request_error")
    assert http.get("/generate").status_code == 405


def test_what_breaks_inside_stays_inside(served: Served, http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Any:
        raise ValueError("/home/person/model: SECRET prompt")

    with monkeypatch.context() as patch:
        patch.setattr(served.engine._speculator, "cycle", broken)
        answer = http.post("/generate", json=ASK)
        assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
        assert "SECRET" not in answer.text
        assert "home" not in answer.text
    assert http.post("/generate", json=ASK).status_code == 200


def test_health_docs_and_metrics(http: httpx.Client, served: Served) -> None:
    http.post("/generate", json={**ASK, "depth": 4})
    assert http.get("/health").json() == {"status": "ok", "model": "bundled", "running": 0, "waiting": 0}
    assert "swagger" in http.get("/docs").text
    answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in answer.text.splitlines()
        if not line.startswith("#")
    }
    drafted = values["helix:spec_decode_num_draft_tokens_total"]
    accepted = values["helix:spec_decode_num_accepted_tokens_total"]
    assert drafted >= values["helix:spec_decode_num_drafts_total"] > 0
    assert drafted >= accepted > 0
    places = [v for k, v in values.items() if "accepted_tokens_per_pos_total" in k]
    assert sum(places) == accepted
    assert values["helix:num_requests_running"] == values["helix:num_requests_waiting"] == 0
    assert values["helix:kv_cache_usage_perc"] == 0
    assert values["helix:time_to_first_token_seconds_count"] > 0
    assert values['helix:time_per_output_token_seconds_bucket{le="+Inf"}'] > 0


# Leaving, waiting and stopping


# Who may come in
