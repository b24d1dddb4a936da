"""Speculative decoding and paged attention, told to five kinds of listeners. Each lesson knows the round on screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.events import Cycle

from .example import Cast, given_back, held, refusal, story, table, times
from .units import count

Topic = Literal["speculation", "paging"]
TITLES: dict[Topic, str] = {"speculation": "Speculative decoding", "paging": "Paged attention"}
LEVELS = ("child", "teenager", "student", "programmer", "engineer")

FRIENDS = Cast("the little friend", "the big one", "said")
MODELS = Cast("the small model", "the large one")
ROLES = Cast()


@dataclass(frozen=True, slots=True)
class Lesson:
    """Paragraphs before and after the example; lines that begin with two spaces are code or formulas."""

    before: str
    example: Callable[[Cycle], str]
    """The round in the words of this level, as a clause: no capital, no full stop."""
    after: str


def _paged(cycle: Cycle) -> str:
    blocks = cycle.blocks
    return (
        f"this chat holds {count(held(blocks), 'block')} for {count(blocks.length, 'token')}, "
        f"and {blocks.free:,} of {blocks.total:,} are free"
    )


def _cards(cycle: Cycle) -> str:
    blocks = cycle.blocks
    return f"the notes of this chat fill {count(held(blocks), 'card')}, and {blocks.free:,} cards are still in the box"


def _shared(cycle: Cycle) -> str:
    shared = cycle.blocks.shared
    return f"{_paged(cycle)}; " + (
        f"{count(shared, 'block')} came from an earlier turn and {'was' if shared == 1 else 'were'} not computed again"
        if shared
        else "none came from an earlier turn"
    )


def _table(cycle: Cycle) -> str:
    blocks = cycle.blocks
    return (
        f"the table reads {table(blocks)} for {count(blocks.length, 'token')}; the round held "
        f"{count(max(cycle.peak_blocks, held(blocks)), 'block')} at its peak, and {given_back(cycle)}"
    )


def _waste(cycle: Cycle) -> str:
    blocks = cycle.blocks
    room = held(blocks) * blocks.size
    return f"{_table(cycle)}; {blocks.length:,} of {room:,} slots are filled"


def _judged(cycle: Cycle) -> str:
    fallen = refusal(cycle)
    return f"{story(cycle, ROLES)}; {times(cycle)}" + (f"; {fallen}" if fallen else "")


LESSONS: dict[Topic, tuple[Lesson, ...]] = {
    "speculation": (
        Lesson(
            "Two friends tell a story. The little one is quick and guesses the next few words. The big one is slow "
            "but always knows what comes next, and can look at all the guesses at once. Right guesses stay. At the "
            "first wrong one the big friend says the right word, and the little one guesses on from there.",
            lambda cycle: story(cycle, FRIENDS),
            "The story is exactly the one that the big friend would have told alone. It is only told sooner.",
        ),
        Lesson(
            "A language model writes in tokens, which are words or pieces of words, and it goes through the whole "
            "of itself for every single one. Most of that time is spent fetching its numbers from memory, hardly "
            "any on the arithmetic. So a much smaller model runs ahead and guesses the next few tokens, and the "
            "large one checks them all in one go, for about the price of one.",
            lambda cycle: story(cycle, MODELS),
            "A wrong guess costs a little time and never changes the text: every token is one that the large model "
            "agreed to.",
        ),
        Lesson(
            "The draft proposes some tokens, one after another. The target reads them all in a single forward pass, "
            "and because it predicts at every position, that one pass says what it would have written after each of "
            "them. Greedily, a guess stays if the target would have chosen it too; when sampling, with probability "
            "min(1, p/q). The first that fails goes, and with it everything behind it; the target puts a token of "
            "its own there. If all stay, the same pass gives one more, the bonus.",
            lambda cycle: story(cycle, ROLES),
            "So a pass gives at least one token. If each guess is right with chance α, a round of γ guesses gives "
            "(1 − α^(γ+1)) / (1 − α) tokens on average: 3.4 for α = 0.8 and γ = 4.",
        ),
        Lesson(
            "  drafts, q = draft.propose(gamma)           # gamma small forwards\n"
            "  p = target.forward(drafts)                 # one forward, gamma + 1 rows\n"
            "  n = 0\n"
            "  while n < gamma and random() < p[n][drafts[n]] / q[n][drafts[n]]:\n"
            "      n += 1\n"
            "  own = sample(p[n] if n == gamma else relu(p[n] - q[n]))\n"
            "  emit(drafts[:n] + [own]);  kv.rollback(gamma - n)",
            lambda cycle: f"{story(cycle, ROLES)}; {times(cycle)}",
            "One forward over five rows costs little more than over one while memory is the bottleneck, and that is "
            "the whole trick. With c = cost of a draft step / cost of a target step, the speed-up is tokens per "
            "round / (1 + γc): if the guesses are poor or the draft is dear, it is below 1, and the right depth is "
            "0.",
        ),
        Lesson(
            "Leviathan et al. 2023, Chen et al. 2023: keep x ~ q with probability min(1, p(x)/q(x)), else draw from "
            "the residual (p − q)₊ / Σ(p − q)₊. The law of the token is then min(p, q) + (p − q)₊ = p: lossless. "
            "The chance to keep is β = Σ min(p, q) = 1 − TV(p, q); with i.i.d. β = α,\n"
            "  E[tokens a round] = (1 − α^(γ+1)) / (1 − α)      speed-up = E / (1 + γc)\n"
            "Here p and q are the laws after temperature, top-k, top-p, min-p and penalty.",
            _judged,
            "Block verification (Sun et al. 2024) judges prefixes, not tokens: with w₀ = 1 and wᵢ = min(1, wᵢ₋₁ "
            "p(xᵢ)/q(xᵢ)), the i-th coin shows heads with Σ(wᵢp − q)₊ / (Σ(wᵢp − q)₊ + 1 − wᵢ), the last one with "
            "w_γ; the longest prefix with heads is kept, and the next token drawn from (wp − q)₊. Same law, never "
            "fewer tokens in expectation. Helix uses it where q is a real law, and the token-wise test for n-grams "
            "(q one-hot); at temperature 0 all of it becomes a comparison with the argmax.",
        ),
    ),
    "paging": (
        Lesson(
            "While it writes, the model keeps notes about every word so far, so that it need not read everything "
            "again for the next one. The notes are kept on small cards, sixteen words to a card. A new card comes "
            "out of the box only when the last one is full, and cards that nobody needs any more go back in.",
            _cards,
            "Ask something else about the same story, and the cards are still there: only what is new has to be read.",
        ),
        Lesson(
            "For every token the model remembers a key and a value in each of its layers: the KV cache. It makes "
            "the next token cheap, and it grows with the chat. Reserve room for the longest possible chat, and most "
            "of it stays empty. Paged attention hands out memory in small blocks of 16 tokens instead, only when "
            "they are needed, as your computer does with the memory of its programs.",
            _paged,
            "A wrong guess gives its block back at once, and the next question of a chat reuses the blocks of the "
            "last.",
        ),
        Lesson(
            "A new token attends to the keys and values of all earlier ones. Kept in one piece per conversation, "
            "they need room for the longest reply from the start, and what is freed leaves gaps of odd sizes. "
            "Blocks of one size end both. A block table says where each stretch of 16 tokens lies; the blocks may "
            "lie anywhere, and only the last one can be partly empty, so at most 15 slots are wasted. Blocks with "
            "the same beginning are shared between turns and forks.",
            _shared,
            "Without paging, every turn would compute the whole chat again, or keep memory that nobody else can use.",
        ),
        Lesson(
            "  block, slot = table[pos // 16], pos % 16   # where a token's K and V are\n"
            "  if slot == 0: table.append(free.pop())     # handed out on demand\n"
            "  pool.k[layer][block, slot], pool.v[layer][block, slot] = k, v\n"
            "  rollback: cut the table behind the kept tokens; refs[b] -= 1; at 0, b is free\n"
            "  prefix index: hash(parent's hash, 16 token ids) -> block",
            _table,
            "Only full blocks are in the index, and nobody writes into a full block: so a turn, a regenerate or a "
            "fork takes them by counting one reference more, copies nothing, and prefill begins at the first new "
            "token. Blocks without references stay as a cache until the room is needed, the oldest first to go.",
        ),
        Lesson(
            "Kwon et al. 2023 (PagedAttention, vLLM). A token's KV takes\n"
            "  bytes = 2 · layers · kv_heads · head_dim · bytes per number\n"
            "A contiguous reservation wastes max_len − len of that per sequence; blocks of B waste (B − 1) / 2 "
            "tokens on average, and fragmentation is internal only. Attention reads through the table; the softmax "
            "is combined over blocks as in any tiled kernel.",
            _waste,
            "A round at depth γ needs at most ⌈(γ + 1) / B⌉ blocks more, and rollback returns them in O(1) a block: "
            "no copy, since rejected tokens are only behind the new length. Prefixes: a hash chained over full "
            "blocks, reference counts, eviction from the leaves. The allocator prefers neighbours, because a run of "
            "blocks is read as a view where a scattered table has to be gathered. The draft's KV is paged in the "
            "same way.",
        ),
    ),
}
