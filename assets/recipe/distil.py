"""Train the draft on what the target says: its own replies to the prompts, and its distribution at every token.

python assets/recipe/distil.py draft --target .pair/target --out .pair/draft --minutes 9 --total-minutes 3.5

The first call asks the target for replies (--reply-minutes, 0 for none yet); later ones go on from the draft's state,
with the target as it then is: on two cores the draft can learn beside a target that is still learning.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from corpus import ASSISTANT, END, END_OF_TEXT
from shapes import SHAPES
from torch import Tensor
from train import load, options, planned, train
from training import Plan
from transformers import LlamaForCausalLM

from engine import Engine, Request, Sampling, Speculation

Answer = Callable[[list[list[int]], float], list[list[int]]]
"""Prompts and a temperature to the tokens of the replies, their end tokens included."""
ASKED = ("own", "tasks", "oasst", "dolly", "hello", "gsm8k")
"""Groups whose questions the target answers."""
PROMPT, REPLY = 160, 200
"""Tokens, at most."""
TEMPERATURES = (0.0, 0.7)
SHARE = 3.0
"""Of the batches beside the 1.0 of all the text: three of four windows are the target's own words."""
PLAN = Plan(minutes=3.5)


def prompts(data: Path) -> list[list[int]]:
    """Every first question as the template renders it, ready for the reply."""
    found = []
    for group in ASKED:
        path = data / f"{group}.bin"
        if not path.is_file():
            continue
        tokens = np.fromfile(path, dtype=np.uint16)
        for text in np.split(tokens, np.flatnonzero(tokens == END_OF_TEXT) + 1):
            starts = np.flatnonzero(text == ASSISTANT)
            if len(starts) and starts[0] < PROMPT:
                found.append(text[: starts[0] + 1].tolist())
    return found


def replies(target: Path, asked: list[list[int]], *, minutes: float, rows: int, seed: int = 0) -> Iterator[list[int]]:
    """Texts of question and reply, for as long as is given; half of them greedy, half at the app's temperature."""
    torch.manual_seed(seed)
    order = np.random.default_rng(seed).permutation(len(asked))
    start = time.monotonic()
    with _answering(target, rows) as answer:
        for turn, at in enumerate(range(0, len(order), rows)):
            if turn and time.monotonic() - start > minutes * 60:
                break
            batch = [asked[i] for i in order[at : at + rows]]
            for question, reply in zip(batch, answer(batch, TEMPERATURES[turn % 2]), strict=True):
                yield [*question, *reply, END_OF_TEXT]


@contextmanager
def _answering(target: Path, rows: int) -> Iterator[Answer]:
    """On a GPU transformers, many hundred rows at once; on a CPU Helix itself, which there is four times as fast."""
    if torch.cuda.is_available():
        yield partial(_by_transformers, load(target).to("cuda", torch.bfloat16))
        return
    with Engine.load(target, None, device="cpu", prefix_cache=False, max_running=rows) as engine:
        yield partial(_by_helix, engine)


def _by_transformers(model: LlamaForCausalLM, batch: list[list[int]], temperature: float) -> list[list[int]]:
    width = max(map(len, batch))
    padded = [[END_OF_TEXT] * (width - len(ids)) + ids for ids in batch]
    ids = torch.tensor(padded, device=model.device)
    seen = torch.tensor([[0] * (width - len(x)) + [1] * len(x) for x in batch], device=ids.device)
    drawn = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
    room = model.config.max_position_embeddings - width
    out: Tensor = model.generate(
        input_ids=ids,
        attention_mask=seen,
        max_new_tokens=min(REPLY, room),
        eos_token_id=END,
        pad_token_id=END_OF_TEXT,
        **drawn,
    )
    said: list[list[int]] = out[:, width:].tolist()
    return [reply[: reply.index(END) + 1] if END in reply else reply for reply in said]


def _by_helix(engine: Engine, batch: list[list[int]], temperature: float) -> list[list[int]]:
    sampling, plain = Sampling(temperature=temperature), Speculation(0)
    room = engine.loaded.target.context - max(map(len, batch))
    done = engine.generate_batch(
        [Request(prompt_ids=ids, max_tokens=min(REPLY, room), sampling=sampling, speculation=plain) for ids in batch]
    )
    return [[*reply.token_ids, *([END] if reply.finish_reason == "eos" else [])] for reply in done]


def collect(target: Path, data: Path, *, minutes: float, rows: int) -> None:
    """Write replies.bin beside the other token files, unless it is there."""
    path = data / "replies.bin"
    if path.is_file():
        return
    said = list(replies(target, prompts(data), minutes=minutes, rows=rows))
    np.array([token for text in said for token in text], dtype=np.uint16).tofile(path)
    print(f"{len(said)} replies of the target, {sum(map(len, said)) / 1e6:.2f}M tokens", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--target", type=Path, required=True, help="the folder that train.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--reply-minutes", type=float, default=1.5)
    parser.add_argument("--reply-rows", type=int, default=768, help="replies written at once")
    parser.add_argument("--share", type=float, default=SHARE, help="of replies, beside 1 of all the text")
    options(parser, PLAN)
    a = parser.parse_args(arguments)
    plan = planned(a)
    if a.reply_minutes:
        collect(a.target, a.data, minutes=a.reply_minutes, rows=a.reply_rows)
    extra = {"replies": a.share} if (a.data / "replies.bin").is_file() else None
    done = train(a.shape, a.data, a.out, plan, a.minutes, teacher=a.target, extra=extra, warm=a.warm)
    print("done" if done else "to be continued: call this again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
