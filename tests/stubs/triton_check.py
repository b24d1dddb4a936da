"""Run in a process of its own, where TRITON_INTERPRET=1 makes the kernel run on a CPU: against plain attention."""

from __future__ import annotations

import itertools
import random

import torch

from engine.kv.blocks import BLOCK_SIZE
from engine.kv.fixed import plan
from engine.kv.triton_decode import paged_decode

ERROR = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}


def reference(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, past: int, scale: float, window: int | None
) -> torch.Tensor:
    """In float64, over the text's own KV `[kv_heads, length, dim]`."""
    group = query.shape[0] // keys.shape[0]
    k, v = keys.double().repeat_interleave(group, 0), values.double().repeat_interleave(group, 0)
    place = torch.arange(past, past + query.shape[1])[:, None]
    column = torch.arange(keys.shape[1])
    seen = column <= place
    if window is not None:
        seen &= place - column < window
    scores = (query.double() @ k.transpose(1, 2) * scale).masked_fill(~seen, float("-inf"))
    return scores.softmax(-1) @ v


def check(
    dtype: torch.dtype, dim: int, rows: int, count: int, length: int, window: int | None, heads: tuple[int, int]
) -> None:
    rng, generator = random.Random(length), torch.Generator().manual_seed(length)
    room = -(-length // 256) * 256
    blocks = rng.sample(range(room // BLOCK_SIZE + 8), -(-length // BLOCK_SIZE))
    slots = (room // BLOCK_SIZE + 8) * BLOCK_SIZE
    keys, values = (torch.full((heads[1], slots, dim), float("nan"), dtype=dtype) for _ in range(2))
    own = [blocks[at // BLOCK_SIZE] * BLOCK_SIZE + at % BLOCK_SIZE for at in range(length)]
    for slab in (keys, values):
        slab[:, own] = torch.randn(heads[1], length, dim, generator=generator).to(dtype)
    query = torch.randn(rows, heads[0], dim, generator=generator).to(dtype).transpose(0, 1)
    query[:, count:] = query[:, count - 1 : count]
    past = length - count
    numbers = torch.tensor(plan(past, count, blocks, rows, room))
    got = paged_decode(query, keys, values, numbers[rows:], numbers[:rows], dim**-0.5, window)
    assert got.dtype == dtype
    assert got.shape == query.shape
    wanted = reference(query[:, :count], keys[:, own], values[:, own], past, dim**-0.5, window)
    error = float((got[:, :count].double() - wanted).norm() / wanted.norm())
    case = f"{dtype} dim {dim} rows {count} of {rows} over {length} window {window} heads {heads}: {error:.1e}"
    assert error < ERROR[dtype], case
    assert torch.isfinite(got.float()).all(), case
    print(case)


def main() -> None:
    for dtype, dim in itertools.product(ERROR, (64, 80, 128)):
        check(dtype, dim, 5, 5, 77, None, (4, 2))
    for rows, count, length in ((1, 1, 1), (1, 1, 16), (1, 1, 17), (9, 6, 64), (17, 17, 300), (1, 1, 513), (5, 3, 256)):
        check(torch.float32, 64, rows, count, length, None, (4, 2))
    for window in (1, 7, 64, 300):
        check(torch.float32, 64, 5, 5, 290, window, (2, 2))
    check(torch.float32, 64, 2, 2, 40, None, (8, 1))
    check(torch.float32, 16, 3, 3, 40, 9, (6, 3))


if __name__ == "__main__":
    main()
