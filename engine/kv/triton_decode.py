"""Attention of a few rows over paged KV in one pass, by Triton: blocks are read where they lie, nothing is gathered.

Flash attention's running softmax (Dao et al. 2022, section 3.1), split over the KV as in Flash-Decoding (Dao et al.
2023): each program takes one KV head, all query heads of its group, and a part of the text; the parts are joined.

Import it only where triton is; `TRITON_INTERPRET=1` before the import runs it on a CPU.
"""

from __future__ import annotations

import os
from typing import Any

import torch
import triton  # type: ignore[import-not-found,unused-ignore]
import triton.language as tl  # type: ignore[import-not-found,unused-ignore]
from torch import Tensor

from .blocks import BLOCK_SIZE

TILE = 64
"""Places that a program reads at once: four blocks."""
PART = 256
"""Places of one part."""
LEAST_ROWS = 16
"""Of a matrix that tensor cores multiply."""
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""The interpreter multiplies bfloat16 as if it were integers: there the same numbers are multiplied as float32."""
NOWHERE = 2**30
"""A window that hides nothing."""


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _attend_part(  # type: ignore[no-untyped-def]
    query, keys, values, table, places, sums, largest, weights,
    scale, window, rows, group_rows, last_row,
    query_head, query_row, key_head, key_slot, value_head, value_slot,
    key_dim: tl.constexpr, value_dim: tl.constexpr, key_width: tl.constexpr, value_width: tl.constexpr,
    height: tl.constexpr, block: tl.constexpr, tile: tl.constexpr, part: tl.constexpr, wide: tl.constexpr,
):  # fmt: skip
    """A part of one KV head: unnormalised sums `[height, value_dim]`, the largest score and the weight of each row."""
    head = tl.program_id(0).to(tl.int64)  # Times a stride it may pass 2**31.
    number = tl.program_id(1)
    row = tl.arange(0, height)
    real = row < group_rows
    key_column = tl.arange(0, key_width)
    value_column = tl.arange(0, value_width)
    # Row r of the group is query head r // rows of it, at its row r % rows.
    at_query = (head * (group_rows // rows) + row // rows) * query_head + (row % rows) * query_row
    q = tl.load(
        query + at_query[:, None] + key_column[None, :],
        mask=real[:, None] & (key_column < key_dim)[None, :], other=0.0,
    )  # fmt: skip
    if wide:
        q = q.to(tl.float32)
    place = tl.load(places + row % rows, mask=real, other=0)
    end = (tl.load(places + last_row) + 1).to(tl.int32)
    top = tl.full((height,), float("-inf"), tl.float32)
    weight = tl.zeros((height,), tl.float32)
    total = tl.zeros((height, value_width), tl.float32)
    for start in range(number * part, tl.minimum((number + 1) * part, end), tile):
        column = start + tl.arange(0, tile)
        # Past the text there may be anything, NaN too: it is not read.
        text = column < end
        slot = tl.load(table + column // block, mask=text, other=0) * block + column % block
        k = tl.load(
            keys + head * key_head + slot[None, :] * key_slot + key_column[:, None],
            mask=text[None, :] & (key_column < key_dim)[:, None], other=0.0,
        )  # fmt: skip
        if wide:
            k = k.to(tl.float32)
        scores = tl.dot(q, k, input_precision="ieee") * scale
        distance = place[:, None] - column[None, :]
        scores = tl.where((distance >= 0) & (distance < window) & text[None, :], scores, float("-inf"))
        higher = tl.maximum(top, tl.max(scores, 1))
        # A row that has seen nothing yet has no largest score: 0 in its place keeps inf - inf away.
        base = tl.where(higher == float("-inf"), 0.0, higher)
        shares = tl.exp(scores - base[:, None])
        fade = tl.exp(top - base)
        v = tl.load(
            values + head * value_head + slot[:, None] * value_slot + value_column[None, :],
            mask=text[:, None] & (value_column < value_dim)[None, :], other=0.0,
        )  # fmt: skip
        if wide:
            v = v.to(tl.float32)
        weight = weight * fade + tl.sum(shares, 1)
        total = total * fade[:, None] + tl.dot(shares.to(v.dtype), v, input_precision="ieee")
        top = higher
    out = (number * tl.num_programs(0) + head) * group_rows + row
    tl.store(largest + out, top, mask=real)
    tl.store(weights + out, weight, mask=real)
    tl.store(
        sums + out[:, None] * value_dim + value_column[None, :], total,
        mask=real[:, None] & (value_column < value_dim)[None, :],
    )  # fmt: skip


def paged_decode(
    query: Tensor, keys: Tensor, values: Tensor, table: Tensor, places: Tensor, scale: float, window: int | None
) -> Tensor:
    """`query` `[heads, rows, dim]` over slabs `[kv_heads, slots, dim]`, to `[heads, rows, value_dim]`.

    `table` holds block numbers, as many as the longest text of this shape has; `places` `[rows]` are the rows'
    positions, the last of them the text's last. A row sees the places up to its own, of those the last `window`.
    """
    heads, rows, key_dim = query.shape
    kv_heads, _, value_dim = values.shape
    group_rows = heads // kv_heads * rows
    parts = triton.cdiv(len(table) * BLOCK_SIZE, PART)
    if query.stride(2) != 1:
        query = query.contiguous()
    sums = query.new_empty((parts, kv_heads, group_rows, value_dim), dtype=torch.float32)
    largest = query.new_empty((parts, kv_heads, group_rows), dtype=torch.float32)
    weights = torch.empty_like(largest)
    grid: Any = (kv_heads, parts)
    _attend_part[grid](
        query, keys, values, table, places, sums, largest, weights,
        scale, NOWHERE if window is None else window, rows, group_rows, rows - 1,
        query.stride(0), query.stride(1), keys.stride(0), keys.stride(1), values.stride(0), values.stride(1),
        key_dim=key_dim, value_dim=value_dim,
        key_width=triton.next_power_of_2(key_dim), value_width=triton.next_power_of_2(value_dim),
        height=max(LEAST_ROWS, triton.next_power_of_2(group_rows)), block=BLOCK_SIZE, tile=TILE, part=PART,
        wide=INTERPRETED and query.dtype == torch.bfloat16,
    )  # fmt: skip
    share = (largest - largest.amax(0)).exp()
    out = (sums * share[..., None]).sum(0) / (weights * share).sum(0)[..., None]
    return out.to(query.dtype).reshape(heads, rows, value_dim)
