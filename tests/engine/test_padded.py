"""One tokenizer, output layers of different widths: families pad their embeddings as suits their size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from tokenizers import Tokenizer as Fast
from tokenizers import models as kinds
from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerFast

from engine import Engine, IncompatibleDraft, InvalidRequest, ModelNotFound, Request, Sampling, Speculation

WORDS = 90
PROMPTS = [tiny.prompt(5, 1, WORDS), tiny.prompt(23, 2, WORDS)]


def save(folder: Path, rows: int, *, words: int = WORDS, model: Any = None) -> Path:
    """A tiny llama with `rows` rows in its embeddings, and a tokenizer of `words` words."""
    tiny.save(model or tiny.build("llama", vocab_size=rows), folder)
    fast = Fast(kinds.WordLevel({f"w{number}": number for number in range(words)}, unk_token="w0"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=fast).save_pretrained(folder)
    return folder


def widened(rows: int) -> Any:
    """The target's weights, nudged, in embeddings of another width."""
    model = tiny.nudge(tiny.build("llama", vocab_size=97), 0.03)
    other = tiny.build("llama", vocab_size=rows)
    shared = min(rows, 97)
    state = model.state_dict()
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        grown = other.state_dict()[name].clone()
        grown[:shared] = state[name][:shared]
        state[name] = grown
    other.load_state_dict(state)
    return other


@pytest.mark.parametrize("rows", [128, 91])
def test_a_wider_or_narrower_draft_is_lossless(tmp_path: Path, rows: int) -> None:
    target = save(tmp_path / "target", 97)
    draft = save(tmp_path / "draft", rows, model=widened(rows))
    wanted = [tiny.greedy(tiny.load(target), prompt, 24) for prompt in PROMPTS]
    assert max(map(max, wanted)) >= 91 or rows == 128, "the target says tokens that the draft does not have"
    with Engine.load(target, draft, device="cpu") as engine:
        for depth in (0, 3, 7):
            requests = [Request(prompt_ids=p, max_tokens=24, speculation=Speculation(depth)) for p in PROMPTS]
            replies = engine.generate_batch(requests)
            assert [reply.token_ids for reply in replies] == wanted
            assert not depth or sum(reply.usage.accepted for reply in replies) > 0


@pytest.mark.slow
@pytest.mark.parametrize("rows", [128, 91])
def test_sampling_follows_the_target_s_law(tmp_path: Path, rows: int) -> None:
    """The first two tokens of many replies, against the law that the target alone gives them."""
    target = save(tmp_path / "target", 97)
    draft = save(tmp_path / "draft", rows, model=widened(rows))
    prompt = PROMPTS[0]
    model = tiny.load(target)
    sampling = Sampling(temperature=0.7, top_k=4)
    with Engine.load(target, draft, device="cpu") as engine:
        runs = 400
        replies = engine.generate_batch(
            [
                Request(prompt_ids=prompt, max_tokens=2, sampling=sampling, seed=s, speculation=Speculation(2))
                for s in range(runs)
            ]
        )
    law = _law(model, prompt, sampling)
    chances = torch.zeros(97)
    for first in law.nonzero().flatten().tolist():
        chances += law[first] * _law(model, [*prompt, first], sampling)
    counts = torch.bincount(torch.tensor([reply.token_ids[1] for reply in replies]), minlength=97)[:97]
    assert int(counts[chances == 0].sum()) == 0
    expected = chances[chances > 0] * runs
    chi = ((counts[chances > 0] - expected) ** 2 / expected).sum()
    degrees = int((chances > 0).sum()) - 1
    assert chi < degrees + 5 * (2 * degrees) ** 0.5, "five standard deviations"


def _law(model: Any, tokens: list[int], sampling: Sampling) -> torch.Tensor:
    logits = tiny.logits(model, tokens)[-1] / sampling.temperature
    kept = logits >= logits.topk(sampling.top_k).values[-1]
    return logits.masked_fill(~kept, float("-inf")).softmax(-1)


def test_other_words_are_refused_by_name(tmp_path: Path) -> None:
    target, draft = save(tmp_path / "target", 97), save(tmp_path / "draft", 97, words=89)
    with pytest.raises(IncompatibleDraft, match=r"token 'w89' is number none there and 89 here; choose"):
        Engine.load(target, draft, device="cpu")


def test_a_tokenizer_with_more_words_than_the_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="has 120 tokens but the model only 97, so they do not belong together"):
        Engine.load(save(tmp_path, 97, words=120), None, device="cpu")


def test_an_added_token_beyond_the_model_is_refused_where_it_is_used(tmp_path: Path) -> None:
    folder = save(tmp_path, 97, words=97)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.add_tokens(["<far>"])
    tokenizer.save_pretrained(folder)
    with Engine.load(folder, None, device="cpu") as engine:
        assert engine.generate(Request(prompt="w5 w6", max_tokens=3)).token_ids
        with pytest.raises(InvalidRequest, match="Token id 97 is not in the vocabulary"):
            engine.generate(Request(prompt="w5 <far>", max_tokens=3))
