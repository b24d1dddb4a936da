"""State spaces, linear attention and hybrids run without speculation; what is no causal language model is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import zoo
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoModelForSeq2SeqLM

from engine import Engine, Request, Speculation, UnsupportedModel
from engine.events import Cycle, Event, Loading
from engine.models.paged import Span
from engine.models.stateful import StatefulModel

LENGTH = 14
PROMPTS = [tiny.prompt(3, 1), tiny.prompt(37, 2), tiny.prompt(18, 3)]
COMMON = ["jamba", "lfm2", "mamba", "qwen3_next"]
KINDS = [pytest.param(name, marks=[] if name in COMMON else [pytest.mark.slow]) for name in sorted(zoo.STATEFUL)]
VISION = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28,
    "patch_size": 14,
}  # fmt: skip
SMALL_T5 = {"vocab_size": 97, "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
SMALL_BART = {
    "vocab_size": 97, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16,
}  # fmt: skip
LOOKING = {
    "text_config": {"model_type": "gemma3_text", **tiny.KINDS["gemma3_text"]},
    "vision_config": {"model_type": "siglip_vision_model", **VISION}, "image_token_index": 5, "boi_token_index": 6,
    "eoi_token_index": 7, "mm_tokens_per_image": 4,
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_greedy_tokens_are_those_of_generate(name: str, tmp_path: Path) -> None:
    """Texts of different lengths together, prompts in pieces, a draft that is left out."""
    folder = tiny.save(zoo.Kind(name).build(), tmp_path)
    reference = tiny.load(folder)
    wanted = [tiny.greedy(reference, prompt, LENGTH) for prompt in PROMPTS]
    assert any(len(set(reply)) > 2 for reply in wanted), "constant replies prove nothing"
    said: list[Event] = []
    requests = [Request(prompt_ids=p, max_tokens=LENGTH, speculation=Speculation(3)) for p in PROMPTS]
    with Engine.load(folder, folder, device="cpu", prefill_chunk=16, progress=said.append, drafter="auto") as engine:
        replies = engine.generate_batch(requests)
        assert [reply.token_ids for reply in replies] == wanted
        assert [reply.usage.drafted for reply in replies] == [0, 0, 0]
        assert engine.loaded.draft is None and engine.loaded.target.attention == "state"
        again = engine.generate(requests[1])
        assert again.token_ids == wanted[1] and again.usage.cached_tokens == 0
        assert tiny.held(engine) == 0
    assert any(isinstance(e, Loading) and "runs without speculation" in e.stage for e in said)


def test_a_text_that_is_cut_is_read_again() -> None:
    model = zoo.Kind("mamba").build()
    paged = StatefulModel(model, [], 8)
    text = tiny.prompt(30, 4)
    wanted = tiny.logits(model, text)
    table = paged.table()
    paged.forward([Span(table, torch.tensor(text[:20]), 1)])
    paged.forward([Span(table, torch.tensor(text[5:8]), 2)])
    for cut in (20, 3, 17, 16):
        table.rollback(cut)
        got = paged.forward([Span(table, torch.tensor(text[cut:]), 4)])
        assert torch.allclose(got, wanted[-4:], atol=1e-4)
    table.release()
    assert paged.allocator.available == 8 and table.state is None


def test_a_full_pool_preempts_and_nothing_is_wrong(tmp_path: Path) -> None:
    folder = tiny.save(zoo.Kind("lfm2").build(), tmp_path)
    wanted = [tiny.greedy(tiny.load(folder), prompt, 40) for prompt in PROMPTS]
    with Engine.load(folder, None, device="cpu") as engine:
        pool = 8 * tiny.block_bytes(engine)
    with Engine.load(folder, None, device="cpu", kv_memory=pool) as engine:
        replies = engine.generate_batch([Request(prompt_ids=p, max_tokens=40) for p in PROMPTS])
    assert [reply.token_ids for reply in replies] == wanted


def test_it_drafts_for_nobody_and_is_not_exact(models: tiny.Models, tmp_path: Path) -> None:
    folder = tiny.save(zoo.Kind("mamba").build(), tmp_path)
    with pytest.raises(UnsupportedModel, match="state that cannot be rolled back; choose another draft, or none"):
        Engine.load(models.target("llama"), folder, device="cpu")
    with pytest.raises(UnsupportedModel, match="cannot run with exact; leave that out"):
        Engine.load(folder, None, device="cpu", exact=True)


@pytest.mark.parametrize(
    ("name", "kind", "settings", "words"),
    [
        ("t5", AutoModelForSeq2SeqLM, SMALL_T5, r"\(t5\) is an encoder-decoder"),
        ("bart", AutoModelForSeq2SeqLM, SMALL_BART, r"\(bart\) is an encoder-decoder"),
        ("vit", AutoModel, VISION, r"\(vit\) is no causal language model .*; choose one that writes text"),
        ("siglip_vision_model", AutoModel, VISION, "is no causal language model"),
    ],
)
def test_what_writes_no_text_is_refused(
    tmp_path: Path, name: str, kind: Any, settings: dict[str, Any], words: str
) -> None:
    tiny.save(kind.from_config(AutoConfig.for_model(name, **settings)), tmp_path)
    with pytest.raises(UnsupportedModel, match=words):
        Engine.load(tmp_path, None, device="cpu")


def test_a_model_that_can_also_look_at_pictures_runs_with_text(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tiny.save(AutoModelForImageTextToText.from_config(AutoConfig.for_model("gemma3", **LOOKING)), tmp_path)
    with Engine.load(tmp_path, None, device="cpu") as engine:
        got = engine.generate(Request(prompt_ids=PROMPTS[1], max_tokens=LENGTH)).token_ids
    assert got == tiny.greedy(tiny.load(tmp_path), PROMPTS[1], LENGTH)


def test_a_shortage_in_the_middle_of_a_prompt_loses_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.save(zoo.Kind("mamba").build(), tmp_path)
    request = Request(prompt_ids=PROMPTS[1], max_tokens=LENGTH, logprobs=0)

    def chances(engine: Engine) -> list[float | None]:
        return [
            token.logprob for event in engine.stream(request) if isinstance(event, Cycle) for token in event.emitted
        ]

    with Engine.load(folder, None, device="cpu", prefill_chunk=16) as engine:
        wanted = chances(engine)
        model = engine._pair.target
        assert isinstance(model, StatefulModel)
        step, calls = model._step, iter(range(1000))

        def short_of_memory(*arguments: Any) -> torch.Tensor:
            if next(calls) == 1:
                raise torch.OutOfMemoryError("out of memory, says the test")
            return step(*arguments)

        monkeypatch.setattr(model, "_step", short_of_memory)
        assert chances(engine) == pytest.approx(wanted)
