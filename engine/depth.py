"""How deep to draft: measured costs and measured acceptance in, the depth with most tokens a second out; 0 is a choice.

With acceptance r a cycle at depth g gives 1 + r + r^2 + ... + r^g tokens (Leviathan et al. 2023, section 3.1) and costs
g drafted tokens and one forward of g + 1 rows. Texts are easy or hard for a draft as a whole, so r is one for a text;
it follows what was kept and, as every judged token tells more than yes or no, how sure the draft was of it.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from operator import mul

from .confidence import Confidence
from .config import MAX_DEPTH
from .costs import Costs

FIRST_GUESS = 0.7
"""Acceptance before anything is known."""
STEP = 0.2
"""Weight of a judged token in its text's acceptance: about the last five count."""
LONG_STEP = 0.01
"""The same over all texts, which is what a new one starts from."""
OPEN_MIND = 0.5
"""Inside a draft the next token is thought at least this likely to be kept: a hard text has easy places."""
PROBE_EVERY = 8
PROBE_MOST = 192
"""Plain cycles between two tries of drafting again: doubled after each try that did not pay."""
MARGIN = 1.03
"""Drafting must promise this much over plain decoding, and the share of a cycle that is no forward on top: below it
lies the noise of the measurement. In a simulation on recorded texts that share turned 1.57 of plain speed into 1.68 and
the worst kind of text from 0.96 into 1.11 where costs were known wrongly, and 1.97 into 2.04 where they were known."""


@dataclass(frozen=True, slots=True)
class Choice:
    depth: int
    reason: str
    token_seconds: float = 0.0
    """What a token takes at the best depth: what one more drafted token has to be worth."""


@dataclass(slots=True)
class Pace:
    """What all sequences of an engine share about one drafter."""

    costs: Costs
    free: bool = False
    """Drafting costs nothing and is sure of everything (n-grams)."""
    acceptance: float = FIRST_GUESS
    confidence: Confidence = field(default_factory=Confidence)


class DepthController:
    """Chooses for one sequence and one drafter."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._acceptance = pace.acceptance
        self._plain = 0
        self._wait = PROBE_EVERY

    def choose(self, limit: int) -> Choice:
        """The depth, up to `limit`, that promises most tokens a second to a sequence alone."""
        return share_out([Wish(self, limit)], self._pace.costs, MAX_DEPTH + 1)[0]

    @property
    def free(self) -> bool:
        """Whether its drafts cost nothing."""
        return self._pace.free

    @property
    def acceptance(self) -> float:
        """How likely the next drafted token is to be kept, given that those before it are."""
        return self._acceptance

    def tokens(self) -> list[float]:
        """Expected tokens a cycle at each depth 0 .. MAX_DEPTH."""
        return list(accumulate(accumulate(repeat(self._acceptance, MAX_DEPTH), mul), initial=1.0))

    def settle(self, depth: int, gain: float, token_seconds: float = 0.0) -> Choice:
        """Take the depth that was found best, or try again now and then where that was 0."""
        if depth:
            self._plain, self._wait = 0, PROBE_EVERY
            reason = f"{self.tokens()[depth]:.1f} tokens a round, {gain:.2f}× of plain speed expected"
            return Choice(depth, reason, token_seconds)
        self._plain += 1
        if self._plain > self._wait:
            self._plain, self._wait = 0, min(self._wait * 2, PROBE_MOST)
            return Choice(1, "trying again whether drafting pays", token_seconds)
        return Choice(0, f"drafting would give {gain:.2f}× of plain speed", token_seconds)

    def observe(self, chances: Items[float], accepted: int) -> None:
        """What became of a cycle's drafts: their probabilities, and how many of them were kept."""
        pace = self._pace
        for place, chance in enumerate(chances[: accepted + 1]):
            kept = place < accepted
            evidence = float(kept) if pace.free else (pace.confidence.kept(chance) + kept) / 2
            self._acceptance += STEP * (evidence - self._acceptance)
            pace.acceptance += LONG_STEP * (evidence - pace.acceptance)
            pace.confidence.observe(chance, kept)

    def enough(self, choice: Choice) -> Enough:
        """When to end a draft of that choice."""
        return Enough(self._pace, max(self._acceptance, OPEN_MIND), choice.token_seconds)


class Enough:
    """Ends a draft where its next token would cost more time than it is likely to save.

    Asked after each token, about tokens that stay in the draft: what was drawn is verified, so the law is untouched.
    """

    def __init__(self, pace: Pace, acceptance: float, token_seconds: float) -> None:
        self._pace = pace
        self._worth = acceptance * token_seconds
        self._hope = 1.0
        """That all tokens so far are kept."""
        self._rows = 1

    def __call__(self, chance: float) -> bool:
        """`chance` is the draft's probability of the token that it just proposed."""
        costs = self._pace.costs
        self._hope *= self._pace.confidence.kept(chance)
        self._rows += 1
        price = costs.draft + max(0.0, costs.verify(self._rows + 1) - costs.verify(self._rows))
        return self._hope * self._worth <= price


@dataclass(frozen=True, slots=True)
class Wish:
    """A sequence that would draft up to `limit` tokens in this cycle."""

    controller: DepthController
    limit: int


def share_out(wishes: Items[Wish], costs: Costs, budget: int, taken: int = 0, others: int = 0) -> list[Choice]:
    """How deep each drafts: rows go to the tokens likeliest to be kept, as many as make the whole batch fastest.

    `budget` is the rows of the forward, of which `taken` are those of `others`, sequences with a depth of their own.
    """
    sequences = len(wishes) + others
    expected = [wish.controller.tokens() for wish in wishes]
    # Likelier first: a sequence's own tokens are less and less likely, so they come in order.
    offers = sorted(
        (expected[i][g - 1] - expected[i][g], g, i)
        for i, wish in enumerate(wishes)
        for g in range(1, min(wish.limit, MAX_DEPTH) + 1)
    )
    rows, tokens, drafting = taken + len(wishes), float(sequences), 0.0
    rest = costs.rest(False) * sequences
    more = costs.rest(True) - costs.rest(False)
    plain = tokens / (costs.verify(rows, sequences) + rest)
    best, chosen = 0.0, 0
    steps = [0] * (MAX_DEPTH + 1)
    for place, (loss, g, i) in enumerate(offers[: max(0, budget - rows)], 1):
        tokens -= loss
        rest += more if g == 1 else 0.0
        if not wishes[i].controller.free:
            drafting += costs.draft_step(steps[g] + 1, steps[g] + 1) - (
                steps[g] and costs.draft_step(steps[g], steps[g])
            )
            steps[g] += 1
        speed = tokens / (costs.verify(rows + place, sequences) + drafting + rest)
        if speed > best:
            best, chosen = speed, place
    gain = best / plain
    depths = [0] * len(wishes)
    overhead = costs.rest(True) * sequences
    # What a cycle takes besides its forwards is what is known least, and most of it where models are small.
    if gain >= MARGIN + overhead / (overhead + costs.verify(rows, sequences)):
        for _, g, i in offers[:chosen]:
            depths[i] = g
    return [
        wish.controller.settle(depth, gain, 1 / max(best, plain)) if wish.limit > 0 else Choice(0, "no room to draft")
        for wish, depth in zip(wishes, depths, strict=True)
    ]
