"""Leaving, waiting and stopping: nobody's blocks are kept, and everybody hears how it ends."""

from __future__ import annotations

import json
import signal
import socket
import threading
from typing import Any

import httpx
import pytest
import tiny
from serving import ASK, CHAT, LONG, Served, serving
from waiting import until

from engine import Engine


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
