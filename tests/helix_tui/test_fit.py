"""A model that does not fit: the options that say how much it may take, and the smaller plan by one key or one flag."""

from __future__ import annotations

from typing import Any

import pytest
from driving import ask, cards, drive, send, until
from scripted import ScriptedEngine
from textual.pilot import Pilot

from engine import Event, InvalidRequest, Offer, OutOfMemory
from engine.events import Shortage
from helix_tui.app import HelixApp
from helix_tui.cli import main
from helix_tui.options import of_memory
from helix_tui.settings.kinds import bytes_of
from helix_tui.sources import LiveSource

OFFER = Offer(
    {"dtype": "bfloat16", "max_context": 2048, "kv_memory": 47_000_000, "draft": None},
    "in bfloat16, with a context of 2,048 tokens and without a draft model",
    2_100_000_000,
)
SENTENCE = "org/model needs about 15.2 GB, but cpu has 3.1 GB free; in bfloat16 it would take about 2.1 GB."


class Loads:
    """The first fails with the offer."""

    def __init__(self, offer: Offer | None) -> None:
        self.offer = offer
        self.engine = ScriptedEngine()
        self.options: list[dict[str, Any]] = []

    def __call__(self, **options: Any) -> ScriptedEngine:
        options.pop("progress", None)
        self.options.append(options)
        if len(self.options) == 1:
            raise OutOfMemory(SENTENCE, self.offer)
        return self.engine


@pytest.mark.parametrize("key", ["F", "ctrl+f"])
def test_a_key_loads_the_smaller_plan_and_what_waited_is_there(key: str) -> None:
    loads = Loads(OFFER)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        if key == "ctrl+f":
            await send(pilot, app, "hello")
        await until(pilot, lambda: cards(app))
        assert cards(app)[0].startswith(
            f"Not enough memory\n{SENTENCE}\nF (ctrl+f in the prompt) loads it in bfloat16,"
        )
        await pilot.press(key)
        await until(pilot, lambda: app.chat.ready)
        assert loads.options[1] == {"target": "big", "device": "auto", "exact": False, **OFFER.changes}
        assert app.chat.prompt.text == ("hello" if key == "ctrl+f" else "")
        assert (await ask(pilot, app, "again")).text

    drive(scenario, source=LiveSource("big", loader=loads, exact=False), ready=False)


def test_without_an_offer_the_key_does_nothing() -> None:
    loads = Loads(None)

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        await until(pilot, lambda: cards(app))
        assert "loads it" not in cards(app)[0]
        await pilot.press("F")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.chat.ready)
        assert loads.options[1] == loads.options[0]

    drive(scenario, source=LiveSource("big", loader=loads), ready=False)


def test_a_shortage_in_mid_reply_is_said() -> None:
    engine = ScriptedEngine()
    step, told = engine.step, Shortage("returned", "The device had no memory for this step.")

    def short() -> list[Event]:
        return [told, *step()] if engine.steps == 2 else step()

    engine.step = short  # type: ignore[method-assign]

    async def scenario(pilot: Pilot[None], app: HelixApp) -> None:
        assert (await ask(pilot, app, "hello")).text
        assert [n.message for n in app._notifications] == [told.message]

    drive(scenario, engine)


@pytest.mark.parametrize("command", [["ask", "hello"], ["serve"]])
def test_a_refusal_names_the_options_that_make_it_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    loads = Loads(OFFER)
    monkeypatch.setattr("engine.Engine.load", lambda *args, **options: loads(**options))
    assert main(command) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line == (
        f"helix-chat: {SENTENCE[:-1]} "
        "(--dtype bfloat16 --context 2048 --kv-memory 47MB --draft none, or --fit to have it chosen)."
    )


@pytest.mark.parametrize("command", [["ask", "hello"], ["serve"]])
def test_the_options_reach_the_engine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    loads = Loads(None)
    monkeypatch.setattr("engine.Engine.load", lambda *args, **options: loads(**options))
    assert main([*command, "--fit", "--context", "2048", "--kv-memory", "1.5 GB"]) == 1
    (said,) = loads.options
    assert {"fit": "shrink", "max_context": 2048, "kv_memory": 1_500_000_000}.items() <= said.items()
    assert main([*command, "--kv-memory", "much"]) == 1
    assert "must be a size, such as 2GB" in capsys.readouterr().err


def test_sizes() -> None:
    assert [bytes_of(t) for t in ("1000", 5, "2GB", "1.5g", "3 MiB", "10kb")] == [
        1000, 5, 2_000_000_000, 1_500_000_000, 3_000_000, 10_000,
    ]  # fmt: skip
    for wrong in ("", "GB", "-1", "2TB", True, "0"):
        with pytest.raises(InvalidRequest):
            bytes_of(wrong)
    assert of_memory(None, None, fit=False) == {}
    with pytest.raises(InvalidRequest, match="max_context is 1"):
        of_memory(1, None, fit=False)
