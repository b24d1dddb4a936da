"""Too little memory to load: what is refused and what is offered or taken, and every allocation of a load failing."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from starving import Starving

from engine import Engine, EngineConfig, InvalidRequest, ModelNotFound, Offer, OutOfMemory, Request, estimate
from engine.events import DeviceMemory, Loading
from engine.models import estimate as weighing
from engine.models import plans
from engine.models.plans import Plan, smaller

MB = 1_000_000


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How much is free, as far as estimates are told."""
    told = {"free": 1 << 40}
    monkeypatch.setattr(weighing, "read_memory", lambda device: DeviceMemory(1 << 41, told["free"], 0))
    return told


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A pair with weights of some size beside a small pool; the draft is the smaller one."""
    folder = tmp_path_factory.mktemp("wide")
    wide = {"hidden_size": 128, "intermediate_size": 512, "vocab_size": 20_000, "max_position_embeddings": 4096}
    target = tiny.save(tiny.build("llama", **wide, num_hidden_layers=2), folder / "target")
    return target, tiny.save(tiny.build("llama", **wide, num_hidden_layers=1), folder / "draft")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forwards are timed in two turns, not as often as there is time for: loads allocate the same number of times. And
    garbage is collected where it matters only: that takes most of a tiny load's time. Float32 on every CPU."""
    monkeypatch.setattr("engine.models.load.TINY", 1 << 40)
    monkeypatch.setattr("engine.models.timing.BUDGET", 0)
    monkeypatch.setattr("engine.models.timing.recall", lambda key: None)
    monkeypatch.setattr("engine.engine.give_back", lambda device: None)
    monkeypatch.setattr("engine.models.plans.give_back", lambda device: None)


def asked(folders: tuple[Path, Path], **config: Any) -> Plan:
    return Plan(*folders, "cpu", None, EngineConfig(**config))


def load(folders: tuple[Path, Path], **settings: Any) -> tuple[Engine, list[str]]:
    said: list[str] = []
    engine = Engine.load(*folders, device="cpu", progress=lambda e: said.append(getattr(e, "stage", "")), **settings)
    return engine, said


def test_smaller_plans_come_in_order_and_each_says_what_it_saves(folders: tuple[Path, Path]) -> None:
    whole = asked(folders).weigh()
    steps = list(smaller(asked(folders)))
    assert [plan.words for plan, _ in steps] == [
        "in bfloat16",
        "in bfloat16 and with a context of 2,048 tokens",
        "in bfloat16, with a context of 2,048 tokens and without a draft model",
    ]
    totals = [whole.total, *(weighed.total for _, weighed in steps)]
    assert totals == sorted(set(totals), reverse=True)
    assert steps[0][1].weights * 2 == whole.weights
    assert steps[1][1].tokens >= 2048 and steps[1][1].kv <= steps[0][1].kv / 4 + 2 * MB
    assert steps[-1][0].changes == {"dtype": "bfloat16", "max_context": 2048, "kv_memory": steps[1][0].config.kv_memory,
                                    "draft": None}  # fmt: skip


def test_what_cannot_fit_is_refused_before_it_is_read(
    folders: tuple[Path, Path], memory: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = asked(folders).weigh()
    memory["free"] = whole.weights - 1
    monkeypatch.setattr("engine.models.load.load_pair", lambda *args: pytest.fail("it was loaded"))
    with pytest.raises(OutOfMemory, match=r"needs about .* MB, but cpu has .* MB free; in bfloat16 it would") as caught:
        load(folders)
    assert caught.value.offer == Offer({"dtype": "bfloat16"}, "in bfloat16", caught.value.offer.needs)  # type: ignore[union-attr]
    memory["free"] = 10
    with pytest.raises(OutOfMemory, match=r"has 1 MB free; choose a smaller model, or free some memory\.$") as caught:
        load(folders, fit="shrink")
    assert caught.value.offer is None


@pytest.mark.parametrize(("share", "dtype", "draft"), [(0.95, "bfloat16", True), (0.52, "bfloat16", False)])
def test_what_fits_is_taken_if_allowed(
    folders: tuple[Path, Path], memory: dict[str, int], share: float, dtype: str, draft: bool
) -> None:
    """And the offer of a refusal is what makes it fit."""
    whole = asked(folders).weigh()
    workspace = 0 if draft else whole.workspace
    memory["free"] = int(whole.weights * share) + workspace
    with pytest.raises(OutOfMemory) as caught:
        load(folders)
    assert caught.value.offer is not None
    again, _ = load((folders[0], caught.value.offer.changes.get("draft", folders[1])),
                    **{k: v for k, v in caught.value.offer.changes.items() if k != "draft"})  # fmt: skip
    engine, said = load(folders, fit="shrink")
    with engine, again:
        for one in (engine, again):
            assert one.loaded.target.dtype == dtype and (one.loaded.draft is not None) == draft
        assert any("too large for the memory here: loading in bfloat16" in stage for stage in said)
        prompt = Request(prompt_ids=[5, 6, 7], max_tokens=4)
        assert engine.generate(prompt).token_ids == again.generate(prompt).token_ids


def test_the_estimate_can_be_ignored(folders: tuple[Path, Path], memory: dict[str, int]) -> None:
    memory["free"] = 10
    engine, said = load(folders, fit="ignore")
    with engine:
        assert engine.loaded.target.dtype == "float32" and not any("too large" in stage for stage in said)
    with pytest.raises(InvalidRequest, match="refuse, shrink or ignore"):
        load(folders, fit="maybe")


def test_a_pool_that_was_asked_for_is_weighed_too(folders: tuple[Path, Path], memory: dict[str, int]) -> None:
    memory["free"] = 40 * MB
    with pytest.raises(OutOfMemory, match="with a context of 2,048 tokens it would take") as caught:
        load(folders, kv_memory=100 * MB)
    assert caught.value.offer is not None and caught.value.offer.changes["kv_memory"] < 30 * MB


def test_weights_in_a_form_of_their_own_are_not_refused_by_a_guess(
    folders: tuple[Path, Path], memory: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = replace(weighing.read_facts(folders[0]), quantized=True)
    monkeypatch.setattr(weighing, "read_facts", lambda *args: facts)
    memory["free"] = 10
    assert plans._refusal(asked(folders)) is None
    assert estimate(*folders, device="cpu").fits is False


def test_int8_is_weighed_with_what_it_is_made_from(folders: tuple[Path, Path]) -> None:
    told, whole = (estimate(folders[0], None, "cpu", dtype) for dtype in ("int8", "float32"))
    assert whole.weights / 4 < told.weights < whole.weights, "the embedding stays beside the bytes"
    assert told.loading == whole.weights and told.total == told.weights + max(told.loading, told.kv + told.workspace)


def test_a_model_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        Engine.load(tmp_path / "nowhere", None, device="cpu", fit="shrink")


def starve(folders: tuple[Path, Path], place: int, **settings: Any) -> tuple[Engine | None, OutOfMemory | None]:
    """Load with one allocation failing."""
    with Starving(lambda number: number == place):
        try:
            return load(folders, **settings)[0], None
        except OutOfMemory as error:
            return None, error


@pytest.fixture(scope="module")
def counted(models: tiny.Models) -> int:
    """Allocations of a load of the tiny pair; the first of a process makes some more."""
    pair = (models.target("llama"), models.near("llama"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.models.timing.BUDGET", 0)
        patch.setattr("engine.models.timing.recall", lambda key: None)
        load(pair)
        with Starving() as device:
            load(pair)
    return device.made


def check_place(folders: tuple[Path, Path], place: int) -> None:
    engine, error = starve(folders, place)
    assert engine is None and error is not None, f"allocation {place}"
    assert error.offer is not None and error.offer.changes == {"dtype": "bfloat16"}
    assert str(error).endswith(f"; in bfloat16 it would take about {plans.size(error.offer.needs)}.")
    engine, error = starve(folders, place, fit="shrink")
    assert error is None and engine is not None, f"allocation {place}"
    with engine:
        assert engine.loaded.target.dtype == "bfloat16"
        assert len(engine.generate(Request(prompt_ids=[5, 6, 7], max_tokens=3)).token_ids) == 3


@pytest.mark.parametrize("part", [0, 0.3, 1])
def test_an_allocation_that_fails_in_a_load_is_an_offer(models: tiny.Models, counted: int, part: float) -> None:
    """Reading, checking, and timing."""
    check_place((models.target("llama"), models.near("llama")), int(part * (counted - 1)))


@pytest.mark.slow
def test_allocations_all_over_a_load(models: tiny.Models, counted: int) -> None:
    """Timing repeats itself, so that most of them are there: the steps are wide at the end."""
    pair = (models.target("llama"), models.near("llama"))
    place, step = 0, 1.0
    while place < counted:
        check_place(pair, place)
        place += int(step)
        step *= 1.12


def test_a_load_that_failed_leaves_nothing(models: tiny.Models) -> None:
    pair = (models.target("llama"), models.near("llama"))

    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())

    starve(pair, 300)
    before = tensors()
    for place in (50, 300, 1000):
        starve(pair, place)
    assert tensors() == before


def test_progress_says_what_is_loaded_instead(folders: tuple[Path, Path], memory: dict[str, int]) -> None:
    memory["free"] = int(asked(folders).weigh().weights * 0.95)
    events: list[Any] = []
    Engine.load(*folders, device="cpu", fit="shrink", progress=events.append).close()
    assert Loading("too large for the memory here: loading in bfloat16") in events
