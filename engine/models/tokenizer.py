"""Text to tokens and back: the chat template, and an incremental detokeniser."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import IncompatibleDraft, ModelNotFound
from .chat import render, takes_system
from .source import first_line, own_code, pretrained, quiet

UNFINISHED = "\ufffd"
"""What decoding gives for the first bytes of a character whose other bytes are still to come."""
PATIENCE = 8
"""Tokens to wait for such a character; no encoding needs more than four bytes."""
FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "tokenizer.model", "spiece.model", "vocab.txt")
SEAM = "\ue0f5"
"""Stands, until the text is encoded, where a text that only spells a control token is cut in two (private use)."""


class Tokenizer:
    """A transformers tokenizer as the engine uses it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self._pieces: dict[int, str] = {}

    @classmethod
    def load(cls, path: Path, *, code: bool = False) -> Tokenizer | None:
        """The tokenizer in a folder or GGUF file; None where there is none: then only `prompt_ids` can be asked.

        Python code in the folder runs only with `code`. Raises ModelNotFound or UnsupportedModel.
        """
        from transformers import AutoTokenizer

        if path.is_dir() and not any((path / name).exists() for name in FILES):
            return None
        try:
            with quiet():
                tokenizer = cls(AutoTokenizer.from_pretrained(**pretrained(path, code=code)))
                if not tokenizer.inner.get_vocab():
                    raise ValueError("it has no vocabulary")
                # Some settings that are wrong show only in use.
                tokenizer.decode([*tokenizer.encode("Hello."), *tokenizer.inner.all_special_ids])
                return tokenizer
        except BaseException as error:
            # What panics in tokenizers' Rust is no Exception.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            if not code and "custom code" in str(error):
                raise own_code(path) from error
            raise ModelNotFound(
                f"The tokenizer in {path} cannot be read ({first_line(error)}); download the model again."
            ) from error

    def check_fits(self, vocab: int, path: Path) -> None:
        """Raise ModelNotFound unless a model of `vocab` tokens knows all of its words.

        Added tokens may lie beyond: they are often for training only, and a prompt that has one is refused.
        """
        added = self.inner.added_tokens_decoder
        last = max((number for number in self.inner.get_vocab().values() if number not in added), default=0)
        if last >= vocab:
            raise ModelNotFound(
                f"The tokenizer in {path} has {last + 1} tokens but the model only {vocab}, so they do not belong "
                "together; download the model again."
            )

    def encode(self, text: str) -> list[int]:
        return list(self.inner.encode(text))

    def render(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """A chat as the token ids of the model's own template, up to where the assistant's reply begins.

        What is said stays text: a message that spells `<|end|>` never becomes that token, whatever the template does.
        """
        chat = [{**m, "content": self._guarded(m["role"], m["content"])} for m in messages]
        if not self.inner.chat_template:
            lines = [f"{m['role'].capitalize()}: {m['content']}" for m in chat]
            return self._encode_cut("\n\n".join([*lines, "Assistant:"]), opening=True)
        text = render(self._template, chat, takes_system=self._takes_system)
        return self._encode_cut(text, opening=False)

    @cached_property
    def _takes_system(self) -> bool:
        return takes_system(self._template)

    @cached_property
    def _controls(self) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
        """What spells a special token, and that or an added token by which the template steers (`<tool_call>`).

        Other added tokens are text: runs of spaces, tags of HTML.
        """
        added = list(self.inner.added_tokens_decoder.values())
        special = {*(token.content for token in added if token.special), *self.inner.all_special_tokens}
        template = str(self.inner.chat_template or "")
        steering = {token.content for token in added if token.content.strip() and token.content in template}
        return _any_of(special), _any_of(special | steering)

    def _guarded(self, role: str, text: str) -> str:
        """The text with a seam behind the first character of everything that spells a control token.

        Of the model's own replies only special tokens are cut: a template may look for the others (`</think>`).
        """
        special, steering = self._controls
        found = special if role == "assistant" else steering
        text = text.replace(SEAM, "\ufffd")
        return found.sub(lambda match: match[0][:1] + SEAM + match[0][1:], text) if found else text

    def _encode_cut(self, text: str, *, opening: bool) -> list[int]:
        """Token ids of the text, each part between seams for itself; `opening`: after the opening token."""
        first, *rest = text.split(SEAM)
        if not rest:
            return list(self.inner.encode(text, add_special_tokens=opening))
        begin = self.inner.bos_token_id
        ids = [begin] if opening and begin in self.inner.encode("") else []
        for part in (first, *rest):
            ids += self.inner.encode(part, add_special_tokens=False)
        return ids

    def _template(self, chat: list[dict[str, str]]) -> str:
        return str(self.inner.apply_chat_template(chat, add_generation_prompt=True, tokenize=False))

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.inner.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def piece(self, token: int) -> str:
        """One token as it can be shown alone: special tokens by name, part of a character as U+FFFD."""
        if token not in self._pieces:
            self._pieces[token] = str(self.inner.decode([token], clean_up_tokenization_spaces=False))
        return self._pieces[token]


def _any_of(names: set[str]) -> re.Pattern[str] | None:
    """Matches each of the names, the longest first; None for no names. One character cannot be cut: it stays."""
    ordered = sorted((name for name in names if len(name) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None


class Detokenizer:
    """Turns a growing list of ids into text, giving out only whole characters.

    What it gives, joined, is `decode` of the ids. `context` are ids before them whose text is not wanted but which
    decide how the first one reads (a leading space).
    """

    def __init__(self, tokenizer: Tokenizer, context: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._ids = list(context)
        self._start = 0
        self._read = len(self._ids)
        self._given = len(tokenizer.decode(self._ids))
        """Characters of the window from `_start` that are out already."""

    def push(self, token: int) -> str:
        """The text that became complete with this token, possibly none."""
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids[self._start :])
        if not text.endswith(UNFINISHED):
            return self._take(text)
        if len(self._ids) - self._read < PATIENCE:
            return ""
        # Broken bytes: what stands before the last of them can no longer become a character.
        shown = text[self._given : -1]
        self._given += len(shown)
        return shown

    def flush(self) -> str:
        """What is left, unfinished characters as U+FFFD."""
        return self._take(self._tokenizer.decode(self._ids[self._start :]))

    def _take(self, text: str) -> str:
        shown = text[self._given :]
        if shown:
            # The last tokens given out stay in the window: the next may read differently after them.
            self._start, self._read = self._read, len(self._ids)
            self._given = len(self._tokenizer.decode(self._ids[self._start :]))
        return shown


def check_same(target: Tokenizer | None, draft: Tokenizer | None, target_vocab: int, draft_vocab: int) -> None:
    """Raise IncompatibleDraft unless every token id means the same to both models."""
    if target is None or draft is None:
        if target_vocab != draft_vocab:
            raise IncompatibleDraft(
                f"The draft has {draft_vocab} tokens and the target {target_vocab}; "
                "choose a draft with the target's tokenizer."
            )
        return
    ours, theirs = target.inner.get_vocab(), draft.inner.get_vocab()
    if ours != theirs:
        different = (t for t in {**ours, **theirs} if ours.get(t) != theirs.get(t))
        token = min(different, key=lambda t: (ours.get(t, len(ours)), t))
        raise IncompatibleDraft(
            f"The draft's tokenizer is not the target's: token {token!r} is number {theirs.get(token, 'none')} there "
            f"and {ours.get(token, 'none')} here; choose a draft from the same family."
        )
    sample = "Helix: 3.14 naïve Καλημέρα 日本語 🙂\n\tdef f(x):  return x"
    if target.inner.encode(sample) != draft.inner.encode(sample):
        raise IncompatibleDraft(
            "The draft splits text into other tokens than the target; choose a draft from the same family."
        )
