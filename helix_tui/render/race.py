"""The race: two lanes, what is being measured, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content

from ..messages import Depth
from ..race import Lane, Name, Race, Round
from .bars import bar
from .digits import ROWS, fitting, large
from .heading import heading, stack
from .text import fit, label, safe
from .units import count, percent, rate, seconds

TITLES = {"baseline": "Baseline", "speculative": "Speculative"}
FAIR = (
    "measured one after the other, replayed together · decoding only, after one warm-up for both",
    "measured one after the other, replayed together",
    "measured in turn, replayed together",
)
"""The longest that fits is said."""
FLAG = "▚▞"
LEAST, MOST = 6.0, 30.0
"""Seconds that a replay takes at least, and at most if it can be helped."""
PACES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0)
TIE = 0.005
"""Closer to 1 than this is no difference."""
LOW = 0.5
"""Of acceptance: below this the draft itself is to blame for a loss."""
ASIDE = 40
"""Cells beside the large ratio, below which the words take its place."""
USUAL, BESIDE = "888.8", 30
"""What large figures are measured by, so that they keep their size, and the cells that their words want."""

Part = str | tuple[str, str]


def pace(duration: float) -> float:
    """Seconds of replay for each measured second, the same for both lanes: short runs are slowed down to be seen."""
    if duration <= 0 or LEAST <= duration <= MOST:
        return 1.0
    if duration < LEAST:
        return next((p for p in PACES if duration * p >= LEAST), PACES[-1])
    return max((p for p in PACES if duration * p <= MOST), default=PACES[0])


def in_words(pace: float) -> str:
    """`at the measured speed`, `8× slower than measured`."""
    if pace == 1:
        return "at the measured speed"
    return f"{pace:g}× slower than measured" if pace > 1 else f"{1 / pace:g}× faster than measured"


def fair(width: int) -> Content:
    """How it was measured."""
    return _longest([Content.assemble((words, "$muted")) for words in FAIR], width)


def _longest(variants: Sequence[Content], width: int) -> Content:
    """The first of them that fits; the last, cut, where none does."""
    found = next((words for words in variants if words.cell_length <= width), variants[-1])
    return found.truncate(width, ellipsis=True)


def title(race: Race, width: int) -> Content:
    """`Race  What is a black hole? ······ baseline first`."""
    question = safe(label(race.question.messages[-1]["content"])) if race.question.messages else ""
    order = f"{race.round.order[0]} first"
    room = max(0, width - len("Race  ") - len(order) - 2)
    return Content.assemble(
        ("Race  ", "bold $accent"), (fit(question, room), "bold $foreground"), ("  " + order, "$muted")
    ).truncate(width)


def measuring(race: Race) -> Content:
    """What is measured now, and how far it has come."""
    step = race.step
    if step == "warm-up":
        return Content.assemble(
            ("● ", "$corrected"),
            ("warming up", "bold"),
            (" · a short run first, so that neither lane starts cold", "$muted"),
        )
    if step is None:
        return Content("")
    place = 1 + race.round.order.index(step)
    tokens = count(len(race.lane.tokens), "token")
    return Content.assemble(
        ("● ", "$corrected"),
        (f"measuring {step}", "bold"),
        (f" … {tokens}", "$foreground"),
        (f"   {place} of 2, one after the other; both are replayed together", "$muted"),
    )


def replaying(at: float, speed: float) -> Content:
    """The clock of a replay."""
    return Content.assemble(
        ("▶ ", "$accent"),
        ("replaying both together", "bold"),
        (f", {in_words(speed)}", "$foreground"),
        (f"   {seconds(max(0.0, at))}", "$muted"),
    )


def waiting_lane(race: Race, name: Name, width: int, height: int) -> Content:
    """A lane while the measurement goes on: no figures before both are there."""
    run = race.round.lane(name)
    tokens = len(run.tokens)
    if race.step == name:
        words, style = "tokens, measuring …", "$corrected"
    elif run.ended is not None:
        words, style = "tokens, measured", "$muted"
    else:
        words, style = "waits for its turn", "$faint"
    shown = f"{tokens:,}" if tokens else "–"
    lines = [heading(TITLES[name], _depth(race, name, width), width)]
    if height < 5:
        lines.append(Content.assemble((f"{shown} {words}", style)))
        return stack(lines, width, height)
    for row, digits in enumerate(large(shown, fitting(USUAL, width - BESIDE, height - 3))):
        aside = (f"   {words}", style) if row == 0 else ""
        lines.append(Content.assemble((digits, "$foreground" if tokens else "$faint"), aside))
    lines += [Content("")] * max(0, height - len(lines) - 1)
    lines.append(bar(tokens / (race.question.max_tokens or 1), width, style))
    return stack(lines, width, height)


def lane(race: Race, name: Name, shown: int, place: int | None, width: int, height: int) -> Content:
    """A lane in the replay with so many tokens shown; `place` is 1 or 2 once it is past the finish line."""
    run = race.round.lane(name)
    goal = race.round.goal
    speed = run.rate(shown)
    figure = rate(speed) if speed is not None else "–"
    style = "bold $accent" if name == "speculative" else "bold $plain"
    if height < 5:
        head = heading(TITLES[name], f"{figure} tokens/s", width, style)
        return stack([head, track(min(shown, goal), goal, place, width, style)], width, height)
    lines = [heading(TITLES[name], _depth(race, name, width), width)]
    digits = large(figure, fitting(USUAL, width - BESIDE, height - 3))
    room = max(0, width - cell_len(digits[0]) - 3)
    aside = [Content.assemble(("tokens/s", "$muted")), _drafting(run, room), _first(run, room)]
    for row, drawn in enumerate(digits):
        lines.append(Content.assemble((drawn, style), "   ", aside[row] if row < len(aside) else ""))
    lines += [Content("")] * max(0, height - len(lines) - 1)
    lines.append(track(min(shown, goal), goal, place, width, style))
    return stack(lines, width, height)


def track(shown: int, goal: int, place: int | None, width: int, style: str) -> Content:
    """`━━━━━━━━╸─────▚▞ 41 of 100`: how far, and the finish line."""
    words = f" {shown} of {goal}" if place is None else f" {'1st' if place == 1 else '2nd'} · {goal} of {goal}"
    words = fit(words, max(len(f" 2nd · {goal} of {goal}"), len(words)))
    room = max(1, width - len(words) - len(FLAG))
    flag = "bold $accepted" if place == 1 else "$foreground"
    return Content.assemble(
        bar(shown / goal if goal else 0.0, room, style.removeprefix("bold ")),
        (FLAG, flag),
        (words, "bold $accepted" if place == 1 else "$muted"),
    ).truncate(width)


def _depth(race: Race, name: Name, width: int) -> str:
    depth: Depth = 0 if name == "baseline" else race.question.depth
    words = "adaptive depth" if depth == "auto" else f"depth {depth}"
    whole = f"{words} · measured {'first' if race.round.order[0] == name else 'second'}"
    return whole if cell_len(f"{TITLES[name]} ─ {whole}") <= width else words


def _drafting(run: Lane, width: int) -> Content:
    if not run.drafted or run.mean_length is None:
        return _longest([Content.assemble(("1 token a round", "$muted"))], width)
    share = (percent(run.acceptance), "$foreground")
    more = (f" accepted · {run.mean_length:.2f} tokens a round", f" · {run.mean_length:.2f} a round", " accepted")
    return _longest([Content.assemble(share, (words, "$muted")) for words in more], width)


def _first(run: Lane, width: int) -> Content:
    if run.ttft is None:
        return Content("")
    first = f"first token {seconds(run.ttft)}"
    said = (f"apart from it: {first}", first, "")
    return _longest([Content.assemble((words, "$faint")) for words in said], width)


def verdict(race: Race, width: int, height: int) -> Content:
    """The ratio in large figures, whether the outputs are the same, and how it was measured."""
    ratio = race.ratio
    lines = [heading("Result", _sameness(race), width, "$accepted" if race.identical else "$corrected")]
    if ratio is None:
        lines.append(Content.assemble(("Too short to compare: ask something with a longer reply.", "$corrected")))
        return stack(lines, width, height)
    style = "$accepted" if ratio >= 1 + TIE else "$corrected" if ratio < 1 - TIE else "$foreground"
    shown = f"{ratio:.2f}×"
    beside, above = fitting(shown, width - ASIDE - 4, height - 1), fitting(shown, width, height - 2)
    digits = large(shown, beside)
    room = max(0, width - cell_len(digits[0]) - 4)
    if height > ROWS and room >= ASIDE and beside >= above:
        aside = [_longest(_outcomes(race, style), room), _longest([_output(race), *_same(race)], room)]
        aside.append(_longest(_method(race), room))
        for row, drawn in enumerate(digits):
            lines.append(Content.assemble((drawn, f"bold {style}"), "    ", aside[row] if row < len(aside) else ""))
        return stack(lines, width, height)
    if height > ROWS + 3:
        lines += [Content.assemble((row, f"bold {style}")) for row in large(shown, above)]
    for part in (_outcomes(race, style)[0], _output(race), _method(race)[0]):
        lines += part.wrap(max(1, width))
    return stack(lines, width, height)


def _outcomes(race: Race, style: str) -> list[Content]:
    """In full; of a win also without the draft's share. A loss keeps its reason."""
    said = outcome(race)
    short = [said.partition(";")[0]] if race.ratio is not None and race.ratio >= 1 else []
    return [Content.assemble((words, f"bold {style}")) for words in (said, *short)]


def outcome(race: Race) -> str:
    """Who won, in a sentence; a loss is said as plainly as a win."""
    ratio = race.ratio or 0.0
    fast = race.round.speculative
    right = f"the draft was right {percent(fast.acceptance)} of the time"
    if ratio >= 1 + TIE:
        return f"speculation won: {ratio:.2f}× as fast; {right}" if fast.drafted else f"speculation won: {ratio:.2f}×"
    if ratio >= 1 - TIE:
        return "a tie: speculation cost nothing here and gained nothing"
    return f"speculation lost here: {ratio:.2f}×; {_why_lost(race.round)}"


def _why_lost(round: Round) -> str:
    """What the figures blame: a draft that was wrong, rounds that cost too much, or an engine that hardly drafted."""
    fast, step, cost = round.speculative, round.baseline.step, round.speculative.cost
    if not fast.drafted:
        return "the engine chose not to draft"
    right = f"right {percent(fast.acceptance)} of the time"
    if cost is None or step is None or len(fast.costs) * 2 < fast.cycles - 1:
        return f"the engine hardly drafted, {right}"
    drafting, checking, plain = (f"{1000 * part:.1f} ms" for part in (*cost, step))
    paid = f"{drafting} drafting and {checking} checking a round, against a plain step of {plain}"
    if (fast.acceptance or 0.0) >= LOW:
        return f"{right}, but {paid}"
    # Whether a draft that is always right would have won.
    if (1 + fast.drafted / fast.cycles) * step > sum(cost):
        return f"the draft was {right.replace('right', 'right only')}"
    return f"{right.replace('right', 'right only')}, and {paid}"


def sameness(race: Race) -> str:
    """Whether both lanes said the same, token by token."""
    if not race.greedy:
        chance = f"{race.question.sampling.temperature:g}"
        return f"drawn at temperature {chance}: the outputs differ by chance, only the law is the same"
    if race.identical:
        return f"identical output: all {count(len(race.round.baseline.tokens), 'token')} are the same"
    parted = next((r for r in [race.round, *race.rounds] if r.parts_at is not None), None)
    if parted is None or parted.parts_at is None:
        return ""
    at = parted.parts_at
    said = [
        f"“{label(run.tokens[at].text)}”" if at < len(run.tokens) else "the end"
        for run in (parted.baseline, parted.speculative)
    ]
    return f"the outputs part at token {at + 1}: {said[0]} without speculation, {said[1]} with it"


def _sameness(race: Race) -> str:
    if race.identical is None:
        return "drawn by chance" if not race.greedy else ""
    return "identical output" if race.identical else "outputs differ"


def _output(race: Race) -> Content:
    return Content.assemble((sameness(race), "$foreground" if race.identical is not False else "$corrected"))


def _same(race: Race) -> list[Content]:
    """The same in two words, where they are true."""
    return [Content.assemble(("identical output", "$foreground"))] if race.identical else []


def _method(race: Race) -> list[Content]:
    """How often, and what each time gave; also without it."""
    base, fast = race.rate("baseline"), race.rate("speculative")
    parts: list[Part] = []
    if base is not None and fast is not None:
        parts.append((f"{rate(base)} → {rate(fast)} tokens/s, decoding only", "$muted"))
    if len(race.rounds) > 1:
        each = "  ".join(f"{r.ratio:.2f}×" for r in race.rounds if r.ratio is not None)
        parts.append((f" · middle of {len(race.rounds)}, in both orders: {each}", "$muted"))
    else:
        parts.append((" · r measures again, in the other order", "$faint"))
    return [Content.assemble(*parts), Content.assemble(*parts[:1])]
