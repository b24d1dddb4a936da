"""`helix-chat race` on the bundled pair: text, JSON, and the app in a real terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from scripted import STORY, ScriptedEngine
from terminal import Terminal

import engine
from engine import Request
from helix_tui.cli import main
from helix_tui.starters import STARTERS

ROOT = Path(__file__).parents[2]


def test_json_holds_both_runs_and_what_came_of_them(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["race", "Why is the sky blue?", "--json", "--depth", "4", "--max-tokens", "24", "--runs", "2"])
    out, err = capfd.readouterr()
    assert code == 0 and err == ""
    told = json.loads(out)
    assert told["question"] == "Why is the sky blue?"
    assert told["identical"] is True and told["parts_at"] is None
    assert [r["order"] for r in told["rounds"]] == [["baseline", "speculative"], ["speculative", "baseline"]]
    for r in told["rounds"]:
        base, fast = r["baseline"], r["speculative"]
        assert base["token_ids"] == fast["token_ids"] and len(base["token_ids"]) == 24
        assert base["drafted"] == 0 and base["cycles"] == 24
        assert fast["drafted"] > 0 and fast["cycles"] < 24
        assert r["ratio"] == pytest.approx(fast["decode_tokens_per_s"] / base["decode_tokens_per_s"])
        assert base["cached_tokens"] == fast["cached_tokens"]
    assert told["ratio"] == pytest.approx(told["speculative_tokens_per_s"] / told["baseline_tokens_per_s"])
    assert told["settings"]["depth"] == 4 and told["settings"]["draft"] == "bundled"


def test_to_a_pipe_it_prints_and_above_temperature_0_it_claims_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["race", "--temperature", "0.7", "--seed", "1", "--max-tokens", "12"])
    out, _ = capfd.readouterr()
    assert code == 0
    assert out.startswith(STARTERS[0])
    assert "baseline " in out and "speculative " in out and "tokens/s" in out
    assert "the outputs differ by chance, only the law is the same" in out and "identical" not in out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["race", "hi", "--json", "--draft", "none"], 1, "nothing to race against"),
        (["race", " ", "--json"], 1, "The last message is empty"),
        (["race", "hi", "--runs", "0"], 2, "--runs"),
    ],
)
def test_what_cannot_be_raced_is_refused(
    arguments: list[str], code: int, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    out, err = capfd.readouterr()
    assert out == "" and says in err


def test_a_run_that_fails_ends_with_its_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(ScriptedEngine):
        @classmethod
        def load(cls, **_: object) -> Failing:
            return cls([STORY], failing=("OutOfMemory", "The device is out of memory."))

        def stream(self, request: Request) -> object:
            self.submit(request)
            while self.busy:
                yield from self.step()

        def __enter__(self) -> Failing:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

    monkeypatch.setattr(engine, "Engine", Failing, raising=False)
    assert main(["race", "hi", "--json"]) == 1
    assert "out of memory" in capfd.readouterr().err


def test_in_a_terminal_it_opens_straight_into_the_race(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import sys; from helix_tui.cli import main; sys.exit(main())", "race"]
    env = {
        "PYTHONPATH": str(ROOT),
        "XDG_STATE_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "TEXTUAL_ANIMATIONS": "full",
    }
    with Terminal([*argv, "What is a black hole?", "--depth", "4", "--max-tokens", "32"], (120, 35), env) as terminal:
        terminal.wait_for("Race  What is a black hole?")
        terminal.wait_for("replaying both together", 120)
        terminal.send("enter")
        terminal.wait_for("identical output: all 32 tokens are the same")
        terminal.send("escape")
        terminal.wait_for("Ask anything")
        terminal.send("ctrl+q")
        assert terminal.wait_exit() == 0
