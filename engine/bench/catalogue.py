"""What there is to measure. Each section is a module of the same name in `sections`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """One table: `ours` and `theirs` head its two columns of figures."""

    name: str
    title: str
    about: str
    """How it was measured, in a sentence."""
    ours: str = "Helix"
    theirs: str = ""


_ALL = (
    Section(
        "rivals",
        "Against transformers and llama.cpp",
        "The same weights, prompt and number of new tokens, greedy; threads as torch has them.",
        theirs="rival",
    ),
    Section(
        "prompts",
        "Speculation by kind of prompt",
        "Greedy replies; all ways take turns on each prompt. Decode only, without the prefill.",
        ours="speculative",
        theirs="baseline",
    ),
    Section(
        "depth",
        "Speed-up against depth",
        "Expected: (1-a^(g+1))/(1-a) tokens in v(g+1) + cg of a plain step; v and c timed, a over all depths.",
        ours="speculative",
        theirs="baseline",
    ),
    Section(
        "prefix",
        "Time to first token of the second turn",
        "A long history and a new question; without reuse the prefix index is emptied first.",
        ours="reused",
        theirs="computed",
    ),
    Section(
        "cache",
        "One decode step over the paged cache",
        "The same random model of few layers and the same past; both caches in turns.",
        ours="paged",
        theirs="DynamicCache",
    ),
    Section(
        "utilisation",
        "KV memory that holds tokens",
        "Sixteen sequences growing to 20 to 1,500 tokens, drafts coming and going; no model runs.",
        ours="paged",
        theirs="contiguous",
    ),
    Section(
        "bandwidth",
        "Memory bandwidth, and a forward by its rows",
        "Bytes of weights that a plain step must read, over what this machine streams from memory.",
        ours="reached",
        theirs="stream",
    ),
    Section(
        "overhead",
        "What a cycle costs besides the models",
        "A cycle less its draft and its verification, over a plain target forward.",
    ),
    Section(
        "serve",
        "Many at once",
        "The same replies together and one after the other; long prompts on a copy with a longer context.",
        ours="together",
        theirs="against",
    ),
    Section(
        "logits",
        "Error of the logits",
        "Relative L2 error against the same weights in float32, over a fixed text.",
    ),
)
SECTIONS: dict[str, Section] = {section.name: section for section in _ALL}
