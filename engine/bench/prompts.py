"""Short questions of five kinds, and a passage. They fit a context of 512 tokens with a reply."""

from __future__ import annotations

PASSAGE = (
    "A river begins where water collects on high ground. Rain and melting snow run down the slopes, join into "
    "streams, and the streams join into a river. On its way the water carries sand and small stones, cuts valleys "
    "into soft rock and goes around hard rock. Near the sea the ground is flat and the river slows down. It can no "
    "longer carry its load, drops it, and builds new land that people call a delta. Farmers like such land, because "
    "it is rich and easy to water. Ships like the river itself, which is why so many old cities stand on a bank. "
)
_CODE = (
    "def total(prices, tax):\n    result = 0\n    for price in prices:\n        result = result + price\n"
    "    return result + result * tax\n"
)
_LETTER = (
    "Dear Ms Hill, thank you for your letter about the garden. We want to meet you on Monday at the old gate. "
    "Please bring the plan of the garden and the list of plants."
)
_SHORT = PASSAGE[:305]

PROMPTS: dict[str, tuple[str, ...]] = {
    "chat": (
        "What is speculative decoding?",
        "Why is the sky blue?",
        "What is machine learning?",
        "How are you today?",
    ),
    "summarise": (
        f"Summarise this text in one sentence: {_SHORT}",
        f"What is this text about? {PASSAGE[305:]}",
        f"Summarise this letter: {_LETTER}",
        f"Give the main point of this text: {PASSAGE[120:420]}",
    ),
    "rewrite": (
        f"Repeat this text exactly: {_SHORT}",
        f"Rewrite this letter and change Monday to Friday: {_LETTER}",
        f"Correct the spelling of this text: {PASSAGE[200:430]}",
        f"Copy this letter: {_LETTER}",
    ),
    "code": (
        f"Rename prices to costs in this code:\n{_CODE}",
        f"Add a comment to this code:\n{_CODE}",
        f"Explain this code:\n{_CODE}",
        "Write a Python function that adds two numbers.",
    ),
    "list": (
        "Name five fruits.",
        "List the days of the week.",
        "Count from one to twenty.",
        "Give me a list of ten animals.",
    ),
}
"""By kind, the most telling first."""
