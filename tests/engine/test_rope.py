"""A model with frequencies for short and for long texts uses one of them: what is cached fits what comes."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

from engine import ContextTooLong, Engine, Request, Speculation
from engine.models.facts import facts
from engine.models.rope import border

BORDER = 32
ROPE = {
    "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 4, "long_factor": [1.0, 4.0, 8.0, 16.0],
    "original_max_position_embeddings": BORDER, "factor": 5.0,
}  # fmt: skip
LONG, SHORT = tiny.prompt(60, 1), tiny.prompt(20, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny.build("phi3", rope_parameters=ROPE, original_max_position_embeddings=BORDER)
    return tiny.save(model, tmp_path_factory.mktemp("longrope"))


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny.build("phi3", rope_parameters=ROPE, original_max_position_embeddings=BORDER)
    return tiny.save(tiny.nudge(model, 0.04), tmp_path_factory.mktemp("longrope-near"))


def ask(prompt: list[int], depth: int = 0) -> Request:
    return Request(prompt_ids=prompt, max_tokens=10, speculation=Speculation(depth))


def test_unless_told_it_keeps_to_short_texts_and_is_transformers_own(folder: Path, near: Path) -> None:
    wanted = tiny.greedy(tiny.load(folder), SHORT, 10)
    with Engine.load(folder, near, device="cpu", dtype="float32") as engine:
        assert engine.loaded.context == BORDER
        assert [engine.generate(ask(SHORT, depth)).token_ids for depth in (0, 4)] == [wanted] * 2
        with pytest.raises(ContextTooLong):
            engine.generate(ask(LONG))


@pytest.mark.parametrize("chunk", [16, 512])
def test_with_a_long_context_neither_chunks_nor_company_nor_depth_change_the_text(
    folder: Path, near: Path, chunk: int
) -> None:
    wanted = tiny.greedy(tiny.load(folder), LONG, 10)
    options = {"device": "cpu", "dtype": "float32", "max_context": 160, "prefill_chunk": chunk, "prefix_cache": False}
    with Engine.load(folder, near, **options) as engine:
        assert engine.generate(ask(LONG)).token_ids == wanted
        alone = [engine.generate(ask(prompt)).token_ids for prompt in (SHORT, LONG)]
        together = engine.generate_batch([ask(SHORT), ask(LONG)])
        assert [reply.token_ids for reply in together] == alone
        crossing = ask(tiny.prompt(BORDER - 4, 3)), ask(tiny.prompt(BORDER - 4, 3), 4)
        plain, drafted = (engine.generate(request) for request in crossing)
        assert drafted.usage.accepted > 0 and drafted.token_ids == plain.token_ids


def test_the_border_is_found_in_old_and_new_configurations() -> None:
    old = {"rope_scaling": {"type": "su", "short_factor": []}, "original_max_position_embeddings": 4096}
    assert border(old) == border(
        {"rope_parameters": {"full_attention": ROPE | {"original_max_position_embeddings": 4096}}}
    )
    assert border(old) == 4096
    for plain in ({}, {"rope_scaling": None}, {"rope_parameters": {"rope_type": "llama3", "factor": 8.0}}):
        assert border(plain) is None
    assert facts({**old, "max_position_embeddings": 131072}, 1).usual == 4096
