"""A page in a real browser reads the stream, if it was asked in."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from serving import Served, serving

from engine import Engine, Request

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")]

CHAT = [{"role": "user", "content": "What is the capital of France?"}]
ASK = {"messages": CHAT, "max_tokens": 24, "temperature": 0}
ROUTES = ("/generate/stream", "/v1/chat/completions")
KEY = "correct horse battery"

PAGE = """<!doctype html><meta charset="utf-8"><title>A page</title>
<div id="reply"></div><div id="state">waiting</div><img src="/held">
<script type="module">
const [reply, state] = ["reply", "state"].map((id) => document.getElementById(id));
const asked = new URLSearchParams(location.search);
const headers = { "Content-Type": "application/json", Authorization: `Bearer ${asked.get("key")}` };

async function read(answer) {
  if (!answer.ok) return `${answer.status} ${(await answer.json()).error.code}`;
  const pieces = answer.body.pipeThrough(new TextDecoderStream());
  let rest = "", end = "cut off";
  for await (const piece of pieces) {
    const lines = (rest + piece).split("\\n");
    rest = lines.pop();
    for (const line of lines.filter((line) => line.startsWith("data: "))) {
      if (line === "data: [DONE]") { end = "done"; continue; }
      const said = JSON.parse(line.slice(6));
      const text = said.text ?? said.choices?.[0]?.delta.content ?? "";
      const first = text && !reply.textContent;
      reply.textContent += text;
      if (first) await fetch("/seen", { method: "POST" });
    }
  }
  return end;
}

fetch(asked.get("url"), { method: "POST", headers, body: asked.get("body") }).then(read).catch((error) => error.name)
  .then((end) => { state.textContent = end; return fetch("/ended", { method: "POST" }); });
</script>
"""


class Site:
    """Another site on this machine: the page, and word from it of its first text and of its end.

    The page's picture is held until then: the browser prints the DOM once everything is loaded.
    """

    def __init__(self) -> None:
        self.seen, self.ended = threading.Event(), threading.Event()
        told = {"/seen": self.seen, "/ended": self.ended}
        ended = self.ended

        class Pages(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/held":
                    ended.wait(60)
                self._answer(b"" if self.path == "/held" else PAGE.encode())

            def do_POST(self) -> None:
                told[self.path].set()
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(scope="module")
def wanted(bundled: Engine) -> str:
    """The engine's own greedy reply."""
    return bundled.generate(Request(messages=CHAT, max_tokens=24)).text


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever)
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.fixture
def opened(site: Site, tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Open the page on a route; the reply that it shows, and how that ended."""

    def opened(served: Served, route: str, key: str = "") -> tuple[str, str]:
        site.ended.clear()
        body = json.dumps({**ASK, "stream": True} if route.startswith("/v1") else ASK)
        asked = urlencode({"url": served.url + route, "key": key, "body": body})
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
                 "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
                 f"--user-data-dir={tmp_path}", "--dump-dom"]  # fmt: skip
        command = [str(BROWSER), *flags, f"{site.origin}/?{asked}"]
        dom = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=True).stdout
        reply, state = (re.search(f'<div id="{name}">(.*?)</div>', dom, re.DOTALL) for name in ("reply", "state"))
        assert reply and state, dom
        return html.unescape(reply[1]), html.unescape(state[1])

    return opened


@pytest.fixture
def rounds(bundled: Engine, site: Site, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The rounds decoded; each but the first waits until the page shows text. Whether it did."""
    rounds: list[bool] = []
    cycle = bundled._speculator.cycle

    def held(*args: Any) -> Any:
        rounds.append(not rounds or site.seen.wait(60))
        return cycle(*args)

    monkeypatch.setattr(bundled._speculator, "cycle", held)
    return rounds


@pytest.mark.parametrize("route", ROUTES)
def test_a_page_shows_the_reply_while_it_comes(
    route: str, bundled: Engine, wanted: str, site: Site, opened: Callable[..., tuple[str, str]], rounds: list[bool]
) -> None:
    with serving(bundled, origins=(site.origin,)) as served:
        assert opened(served, route) == (wanted, "done")
    assert len(rounds) > 1
    assert all(rounds), "the first text was shown before the rest was made"


@pytest.mark.parametrize("route", ROUTES)
def test_a_page_that_was_not_asked_in_is_refused(
    route: str, bundled: Engine, opened: Callable[..., tuple[str, str]], rounds: list[bool]
) -> None:
    for origins in ((), ("http://127.0.0.1:9",)):
        with serving(bundled, origins=origins) as served:
            assert opened(served, route) == ("", "TypeError")
    assert not rounds, "nothing was decoded for it"


def test_a_page_with_a_key(bundled: Engine, wanted: str, site: Site, opened: Callable[..., tuple[str, str]]) -> None:
    """The browser asks first without it; a page can read why it was refused."""
    with serving(bundled, origins=(site.origin,), api_key=KEY) as served:
        assert opened(served, ROUTES[0], KEY) == (wanted, "done")
        assert opened(served, ROUTES[0], "another") == ("", "401 invalid_api_key")
