"""`helix-chat serve`: what it refuses before a model is loaded, and a server that comes and goes."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request

import pytest

import engine.server
from helix_tui.cli import main


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.Engine.load", lambda *args, **options: pytest.fail("a model was loaded"))
    monkeypatch.delenv("HELIX_API_KEY", raising=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "needs an API key"),
        (["--host", "0.0.0.0", "--api-key", "short"], "at least 8 characters"),
        (["--port", "70000"], "port is 70000"),
        (["--max-queue", "2"], "raise --max-queue"),
        (["--drafter", "oracle"], 'no drafter "oracle"'),
    ],
)
def test_what_is_not_safe_or_not_possible_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["serve", *arguments]) == 1
    assert words in capsys.readouterr().err.replace("'", '"')


def test_without_the_extra_it_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The import in the command binds `engine.server` anew: both places are put back.
    monkeypatch.setattr(engine, "server", engine.server)
    for name in [m for m in sys.modules if m.startswith(("fastapi", "engine.server"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve"]) == 1
    assert "helix-chat[serve]" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_it_serves_until_it_is_told_to_stop() -> None:
    program = "import sys; from helix_tui.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "serve", "--port", "0", "--device", "cpu"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        line = next(line for line in server.stderr if "Serving at" in line)
        url = line.split()[2]
        assert urllib.request.urlopen(f"{url}/health").status == 200
        server.send_signal(signal.SIGTERM)
        rest = server.stderr.read()
        assert "Traceback" not in rest
    assert server.returncode == 0
