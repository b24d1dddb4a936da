"""Both verifiers give exactly the target's law: every draft, coin and follower is enumerated, none is sampled."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from engine.verify import Ruling, kept, residual, rule, verify, verify_greedy

Path = tuple[int, ...]
Law = dict[Path, Tensor]
Stop = Callable[[Path, Law], bool]
VERIFIERS = ("token", "block")
KINDS = ("dense", "sparse", "equal", "half equal", "disjoint", "one-hot")


def laws(kind: str, vocab: int, depth: int, seed: int) -> tuple[Law, Law]:
    """Random p and q [vocab] for every context of up to `depth` tokens."""
    generator = torch.Generator().manual_seed(seed)

    def row(allowed: Tensor | None = None, sparse: bool = False) -> Tensor:
        weights = torch.rand(vocab, generator=generator, dtype=torch.float64) ** 3 + 1e-3
        if sparse:
            weights[torch.rand(vocab, generator=generator) < 0.5] = 0
            weights[int(torch.randint(vocab, (), generator=generator))] += 0.3
        if allowed is not None:
            weights = weights * allowed
        return weights / weights.sum()

    p, q = {}, {}
    for context in (c for n in range(depth + 1) for c in itertools.product(range(vocab), repeat=n)):
        p[context] = row(sparse=kind == "sparse")
        q[context] = row(sparse=kind == "sparse")
        if kind == "equal" or (kind == "half equal" and sum(context) % 2 == 0):
            q[context] = p[context].clone()
        elif kind == "disjoint":
            half = torch.arange(vocab) < vocab // 2
            p[context], q[context] = row(half), row(~half)
        elif kind == "one-hot":
            q[context] = torch.nn.functional.one_hot(q[context].argmax(), vocab).double()
    return p, q


def no_stop(path: Path, q: Law) -> bool:
    return False


def stop_on_kept(path: Path, q: Law) -> bool:
    return bool(path) and float(q[path[:-1]][path[-1]]) < 0.45


def stop_before_drawing(path: Path, q: Law) -> bool:
    return float(q[path].max()) < 0.6


def drafts(q: Law, depth: int, stop: Stop, drop: float = 0.0) -> Iterator[tuple[float, Path]]:
    """Every draft with its probability. Tokens less likely than `drop` are thrown away after drawing: a mistake."""

    def go(path: Path, chance: float) -> Iterator[tuple[float, Path]]:
        if len(path) == depth or stop(path, q):
            yield chance, path
            return
        for token, one in enumerate(q[path].tolist()):
            if 0 < one < drop:
                yield chance * one, path
            elif one > 0:
                yield from go((*path, token), chance * one)

    yield from go((), 1.0)


def tensors(p: Law, q: Law, path: Path) -> tuple[Tensor, Tensor, Tensor]:
    vocab = len(p[()])
    before = [path[:i] for i in range(len(path) + 1)]
    rows = torch.stack([q[c] for c in before[:-1]]) if path else torch.empty(0, vocab, dtype=torch.float64)
    return torch.stack([p[c] for c in before]), rows, torch.tensor(path, dtype=torch.long)


def outcomes(coins: Tensor, verifier: str) -> Iterator[tuple[float, int]]:
    """Every throw of the coins: its probability and how many tokens are kept."""
    for passed in itertools.product((True, False), repeat=len(coins)):
        chance = 1.0
        for coin, this in zip(coins.tolist(), passed, strict=True):
            chance *= coin if this else 1 - coin
        if chance > 0:
            yield chance, int(kept(torch.tensor(passed, dtype=torch.bool), verifier))


def output_law(
    p: Law,
    q: Law,
    depth: int,
    verifier: str,
    stop: Stop = no_stop,
    drop: float = 0.0,
    cheat: Callable[[Ruling, Tensor, Tensor], Ruling] | None = None,
) -> tuple[dict[Path, float], float]:
    """The joint law of the next depth + 1 tokens of verified text, and the expected number of kept drafts."""
    joint: dict[Path, float] = {}
    expected = 0.0

    def extend(path: Path, chance: float) -> None:
        if len(path) == depth + 1:
            joint[path] = joint.get(path, 0.0) + chance
            return
        for token, one in enumerate(p[path].tolist()):
            if one > 0:
                extend((*path, token), chance * one)

    for drawn, path in drafts(q, depth, stop, drop):
        ps, qs, ids = tensors(p, q, path)
        ruling = rule(ps, qs, ids, verifier)
        assert ((ruling.coins >= 0) & (ruling.coins <= 1)).all()
        if cheat:
            ruling = cheat(ruling, ps, ids)
        for chance, accepted in outcomes(ruling.coins, verifier):
            expected += drawn * chance * accepted
            law = residual(ps, qs, ruling, torch.tensor(accepted))
            for token, one in enumerate((law / law.sum()).tolist()):
                if one > 0:
                    extend((*path[:accepted], token), drawn * chance * one)
    return joint, expected


def variation(joint: dict[Path, float], p: Law, depth: int) -> float:
    """Total variation distance from the target's own law."""
    wanted = {}
    for path in itertools.product(range(len(p[()])), repeat=depth + 1):
        chance = 1.0
        for i, token in enumerate(path):
            chance *= float(p[path[:i]][token])
        wanted[path] = chance
    assert set(joint) <= set(wanted)
    return sum(abs(joint.get(path, 0.0) - chance) for path, chance in wanted.items()) / 2


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("vocab", "depth"), [(3, 0), (4, 1), (4, 2), (3, 3)])
def test_output_has_the_targets_law(kind: str, vocab: int, depth: int, verifier: str) -> None:
    for seed in range(3):
        p, q = laws(kind, vocab, depth, seed)
        joint, _ = output_law(p, q, depth, verifier)
        assert variation(joint, p, depth) < 1e-12


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize("stop", [stop_on_kept, stop_before_drawing])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_draft_may_stop_early_on_what_is_kept_or_not_yet_drawn(kind: str, stop: Stop, verifier: str) -> None:
    lengths = set()
    for seed in range(3):
        p, q = laws(kind, 3, 3, seed)
        lengths |= {len(path) for _, path in drafts(q, 3, stop)}
        joint, _ = output_law(p, q, 3, verifier, stop)
        assert variation(joint, p, 3) < 1e-12
    assert len(lengths) > 1, "the stop must make drafts of several lengths"


def swap_residual(ruling: Ruling, p: Tensor, ids: Tensor) -> Ruling:
    """Block's coins with token-wise residuals: they belong together."""
    return ruling._replace(weights=torch.ones_like(ruling.weights))


def keep_impossible(ruling: Ruling, p: Tensor, ids: Tensor) -> Ruling:
    """What `u <= coin` does to a token of probability 0 when u is 0, for every u."""
    never = p[: len(ids)].gather(1, ids[:, None]).squeeze(1) == 0
    return ruling._replace(coins=torch.where(never, 1.0, ruling.coins))


def test_enumeration_catches_the_residual_of_the_other_verifier() -> None:
    p, q = laws("dense", 3, 3, 0)
    assert variation(output_law(p, q, 3, "block", cheat=swap_residual)[0], p, 3) > 0.01

    def other_way(ruling: Ruling, ps: Tensor, ids: Tensor) -> Ruling:
        return ruling._replace(weights=rule(ps, tensors(p, q, tuple(ids.tolist()))[1], ids, "block").weights)

    assert variation(output_law(p, q, 3, "token", cheat=other_way)[0], p, 3) > 0.01


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_enumeration_catches_a_drawn_token_thrown_away(verifier: str) -> None:
    p, q = laws("dense", 3, 3, 0)
    assert variation(output_law(p, q, 3, verifier, drop=0.45)[0], p, 3) > 0.01


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_enumeration_catches_impossible_tokens_kept(verifier: str) -> None:
    p, q = laws("sparse", 3, 3, 0)
    assert variation(output_law(p, q, 3, verifier, cheat=keep_impossible)[0], p, 3) > 0.01


def test_example_of_the_block_verification_paper() -> None:
    """Sun et al. 2025, section 3: p = (1/3, 2/3), q = (2/3, 1/3) at every position, two drafts: 10/9 and 11/9."""
    contexts = [c for n in range(3) for c in itertools.product(range(2), repeat=n)]
    p = {c: torch.tensor([1 / 3, 2 / 3], dtype=torch.float64) for c in contexts}
    q = {c: torch.tensor([2 / 3, 1 / 3], dtype=torch.float64) for c in contexts}
    for verifier, wanted in (("token", Fraction(10, 9)), ("block", Fraction(11, 9))):
        joint, expected = output_law(p, q, 2, verifier)
        assert expected == pytest.approx(float(wanted), abs=1e-12)
        assert variation(joint, p, 2) < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_block_keeps_at_least_as_many_as_token_wise(kind: str) -> None:
    gains = []
    for seed in range(6):
        p, q = laws(kind, 3, 3, seed)
        gains.append(output_law(p, q, 3, "block")[1] - output_law(p, q, 3, "token")[1])
    assert min(gains) > -1e-12
    if kind == "dense":
        assert max(gains) > 0.01


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize("kind", ["dense", "sparse", "half equal"])
def test_verify_decides_as_its_coins_say(kind: str, verifier: str) -> None:
    """Uniforms just below a coin pass it, just above fail it; the last one picks the follower by the residual."""
    p, q = laws(kind, 3, 3, 1)
    hair = 1e-9
    checked = 0
    for _, path in drafts(q, 3, no_stop):
        ps, qs, ids = tensors(p, q, path)
        ruling = rule(ps, qs, ids, verifier)
        for passed in itertools.product((True, False), repeat=len(path)):
            uniforms = [c - hair if ok else c + hair for c, ok in zip(ruling.coins.tolist(), passed, strict=True)]
            if not all(0 <= u < 1 for u in uniforms):
                continue
            accepted = kept(torch.tensor(passed), verifier)
            law = residual(ps, qs, ruling, accepted)
            cdf = (law / law.sum()).cumsum(0).tolist()
            for token, weight in enumerate(law.tolist()):
                if weight <= 0:
                    continue
                middle = cdf[token] - weight / float(law.sum()) / 2
                verdict = verify(ps, qs, ids, torch.tensor([*uniforms, middle], dtype=torch.float64), verifier)
                assert (int(verdict.accepted), int(verdict.next)) == (int(accepted), token)
                checked += 1
    assert checked > 30


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_a_uniform_of_zero_keeps_no_impossible_token(verifier: str) -> None:
    p = torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    q = torch.tensor([[1.0, 0.0]])
    verdict = verify(p, q, torch.tensor([0]), torch.zeros(2), verifier)
    assert (int(verdict.accepted), int(verdict.next)) == (0, 1)


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_equal_laws_keep_everything_in_single_precision(verifier: str) -> None:
    """p equal to q up to rounding: no residual of nothing, no NaN, and practically every draft is kept."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        p = (torch.randn(5, 50, generator=generator) * 4).softmax(-1)
        q = p[:4] * (1 + 1e-7 * torch.randn(4, 50, generator=generator))
        ids = q.multinomial(1, generator=generator).squeeze(1)
        ruling = rule(p, q, ids, verifier)
        assert not ruling.coins.isnan().any()
        verdict = verify(p, q, ids, torch.rand(5, generator=generator), verifier)
        assert int(verdict.accepted) == 4
        assert p[4, int(verdict.next)] > 0


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_greedy_is_the_same_as_one_hot_laws(verifier: str) -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = set()
    for depth in (0, 1, 2, 3, 5):
        for _ in range(30):
            choices = torch.randint(2, (depth + 1,), generator=generator)
            ids = torch.randint(2, (depth,), generator=generator)
            greedy = verify_greedy(choices, ids)
            p = torch.nn.functional.one_hot(choices, 2).float()
            q = torch.nn.functional.one_hot(ids, 2).float()
            verdict = verify(p, q, ids, torch.rand(depth + 1, generator=generator), verifier)
            assert (int(verdict.accepted), int(verdict.next)) == (int(greedy.accepted), int(greedy.next))
            lengths.add(int(greedy.accepted))
    assert {0, 1, 2, 3, 5} <= lengths
