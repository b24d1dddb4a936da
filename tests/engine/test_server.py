"""Helix's own routes over a real socket: replies, streams, limits, and who may come in."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import tiny
from serving import Served, serving

from engine import Engine, InvalidRequest, Request, Sampling, Speculation
from engine.events import Cycle, Finished, Loaded, Prefilled, Started, from_json
from engine.server import ServerSettings

CHAT = [{"role": "user", "content": "What is the capital of France?"}]
ASK = {"messages": CHAT, "max_tokens": 24}
LONG = {**ASK, "temperature": 50, "max_tokens": 400, "baseline": True}
"""So hot that it does not end by itself."""


@pytest.fixture(scope="module")
def served(bundled: Engine) -> Iterator[Served]:
    with serving(bundled) as server:
        yield server


@pytest.fixture(scope="module")
def http(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=60) as client:
        yield client


def until(true: Callable[[], bool]) -> None:
    """Wait for a state that another thread brings about."""
    give_up = time.monotonic() + 30
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.005)


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


def test_who_hangs_up_frees_the_blocks(served: Served, bundled: Engine) -> None:
    """In the middle of a stream, and while waiting for a whole reply."""
    long = json.dumps(LONG).encode()
    for route in ("/generate/stream", "/generate", "/generate/batch"):
        body = b'{"requests":[' + long + b"," + long + b"]}" if "batch" in route else long
        host, port = served.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as line:
            head = f"POST {route} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            line.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            until(lambda: tiny.held(bundled) > 0)
        until(lambda: not bundled.busy and tiny.held(bundled) == 0)
        until(lambda: served.desk._inside == 0)
    assert served.desk.metrics.running == served.desk.metrics.waiting == 0


def test_who_hangs_up_while_waiting_is_forgotten(bundled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first event there is not even a status."""
    with serving(bundled) as served, monkeypatch.context() as patch:
        patch.setattr(bundled._loop._scheduler, "admit", list)
        for route in ("/generate/stream", "/v1/chat/completions"):
            with pytest.raises(httpx.ReadTimeout):
                body = {"messages": CHAT, "max_tokens": 5, "stream": True} if "v1" in route else ASK
                httpx.post(served.url + route, json=body, timeout=0.3)
            until(lambda: not bundled.busy and served.desk._inside == 0)


def test_a_full_queue_says_when_to_come_back(bundled: Engine) -> None:
    with serving(bundled, max_queue=2, max_batch=4) as served, httpx.Client(base_url=served.url, timeout=60) as http:
        with http.stream("POST", "/generate/stream", json=LONG) as first:
            lines = first.iter_lines()
            next(lines)
            answer = http.post("/generate/batch", json={"requests": [ASK, ASK]})
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["type"] == "rate_limit_error"
            assert http.post("/generate", json=ASK).status_code == 200, "one place is left"
        until(lambda: served.desk._inside == 0)
        assert http.post("/generate/batch", json={"requests": [ASK, ASK]}).status_code == 200
        assert http.post("/generate/batch", json={"requests": [ASK] * 5}).status_code == 400


def test_limits_of_size_and_time(bundled: Engine) -> None:
    with serving(bundled, max_body=2000, max_prompt=500, time_limit=0.0) as served:
        with httpx.Client(base_url=served.url, timeout=60) as http:
            assert http.post("/generate", json={"prompt": "a" * 3000}).status_code == 413
            assert http.post("/generate", json={"prompt": "a" * 600}).status_code == 413
            assert http.post("/generate", content=(b"a" * 300 for _ in range(20))).status_code == 413, "no length"
            late = http.post("/generate", json=ASK)
            assert (late.status_code, late.json()["error"]["code"]) == (504, "timeout")
        until(lambda: not bundled.busy)
    with serving(bundled, body_seconds=0.05) as served:
        host, port = served.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as line:
            line.sendall(b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
            assert line.recv(1000).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("grace", [30.0, 0.0])
def test_stopping_finishes_or_fails_every_request(bundled: Engine, grace: float) -> None:
    ends: list[Any] = []

    def follow(url: str) -> None:
        with httpx.stream("POST", f"{url}/generate/stream", json={**LONG, "max_tokens": 60}, timeout=60) as answer:
            began.release()
            ends.append([line for line in answer.iter_lines() if line][-1])

    began = threading.Semaphore(0)
    with serving(bundled, grace=grace) as served:
        threads = [threading.Thread(target=follow, args=(served.url,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in threads:
            began.acquire()
        served.server.handle_exit(signal.SIGTERM, None)
        for thread in threads:
            thread.join()
    if grace:
        assert ends == ["data: [DONE]"] * 3
    else:
        assert {json.loads(end.removeprefix("data: "))["error"]["code"] for end in ends if "DONE" not in end} <= {
            "stopping"
        }
        assert len(ends) == 3
    until(lambda: not bundled.busy)
    assert tiny.held(bundled) == 0


# Who may come in


def test_only_loopback_without_a_key() -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "localhost.example"):
        with pytest.raises(InvalidRequest, match="API key"):
            ServerSettings(host=host)
        ServerSettings(host=host, api_key="long enough")
    for host in ("127.0.0.1", "127.8.9.1", "::1", "localhost"):
        ServerSettings(host=host)
    with pytest.raises(InvalidRequest, match="too short"):
        ServerSettings(api_key="short")
    assert "long enough" not in repr(ServerSettings(api_key="long enough"))


def test_other_names_and_other_sites_are_refused(http: httpx.Client) -> None:
    """A page may rebind its own name to this machine, or post a form here."""
    for host, code in (("evil.example", 403), ("evil.example:8000", 403), ("localhost:1", 200), ("[::1]", 200)):
        assert http.get("/health", headers={"host": host}).status_code == code
    assert http.post("/generate", json=ASK, headers={"origin": "https://evil.example"}).status_code == 403
    assert http.post("/generate", json=ASK, headers={"origin": "null"}).status_code == 403
    assert http.post("/generate", json=ASK, headers={"origin": "http://localhost:8000"}).status_code == 200
    asked = {"origin": "https://chat.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in http.options("/generate", headers=asked).headers


def test_a_page_that_was_asked_for_may_call(bundled: Engine) -> None:
    with serving(bundled, origins=("https://chat.example",)) as served:
        origin = {"origin": "https://chat.example"}
        answer = httpx.post(f"{served.url}/generate", json=ASK, headers=origin, timeout=60)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin["origin"])
        assert answer.headers["access-control-expose-headers"] == "Retry-After"
        asked = {**origin, "access-control-request-method": "POST"}
        assert httpx.options(f"{served.url}/generate", headers=asked).status_code == 200


@pytest.mark.parametrize("origin", ["*", "chat.example", "https://chat.example/", "https://*.example"])
def test_what_is_no_origin_is_said_so(origin: str) -> None:
    """No browser sends one of these, so none would match; and `*` would let every site in."""
    with pytest.raises(InvalidRequest, match="no origin"):
        ServerSettings(origins=(origin,))


def test_a_key_opens_and_is_never_told(bundled: Engine, caplog: pytest.LogCaptureFixture) -> None:
    key = "correct horse battery"
    with serving(bundled, api_key=key) as served, httpx.Client(base_url=served.url, timeout=60) as http:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {key}x"}):
            answer = http.post("/generate", json=ASK, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
            assert http.get("/metrics", headers=headers).status_code == 401
            assert key not in answer.text
        assert http.post("/generate", json=ASK, headers={"authorization": f"Bearer {key}"}).status_code == 200
        assert http.get("/health").status_code == 200
    assert key not in caplog.text
