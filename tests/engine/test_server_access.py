"""Who may come in: names, other sites, pages that were asked for, and keys."""

from __future__ import annotations

import httpx
import pytest
from serving import ASK, serving

from engine import Engine, HelixError, InvalidRequest
from engine.server import ServerSettings
from engine.server.run import listen


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
        asked["access-control-request-headers"] = "authorization, content-type, x-stainless-lang, x-stainless-os"
        assert httpx.options(f"{served.url}/v1/chat/completions", headers=asked).status_code == 200


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "nowhere.invalid"])
def test_a_host_that_cannot_be_is_said(host: str) -> None:
    with pytest.raises(HelixError, match="choose another --host or --port"):
        listen(ServerSettings(host=host, port=0, api_key="12345678"))


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
