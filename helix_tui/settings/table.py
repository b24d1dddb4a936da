"""Every setting once: the file, the environment, `helix-chat config` and its example are made from this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .kinds import CONTEXT, DEPTH, DRAFTER, FLAG, FOLDERS, NAME, NUMBER, SIZE, TEXT, WHOLE, Kind, one_of


@dataclass(frozen=True, slots=True)
class Setting:
    section: str
    name: str
    """Unique over all sections, and the option's name on the command line where there is one."""
    default: Any
    """None where nothing holds unless it is set."""
    kind: Kind
    help: str
    example: Any = None
    """Shown where the default is None."""

    @property
    def id(self) -> str:
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it too."""
        return f"HELIX_{self.name.upper()}"


SETTINGS = (
    Setting("model", "target", "bundled", NAME, 'The model: "bundled", a folder, or a name on the Hugging Face hub.'),
    Setting("model", "draft", "auto", NAME, 'The small model that drafts: as target, or "auto", or "none".'),
    Setting("model", "device", "auto", NAME, "Where to run: auto, cpu, cuda, cuda:1, mps, xpu or directml."),
    Setting("model", "dtype", "auto", one_of("auto", "float32", "bfloat16", "float16", "int8"),
            "Of the weights: auto, float32, bfloat16, float16 or int8."),
    Setting("model", "drafter", "model", DRAFTER, "Who drafts: model, ngram, chain or auto."),
    Setting("model", "exact", False, FLAG, "Bit-identical logits at every depth; slower, least so in int8."),
    Setting("model", "context", None, CONTEXT, "Use at most so many tokens of the model's context.", 4096),
    Setting("model", "kv_memory", None, SIZE, "Room for the KV cache; a share of the free memory unless set.", "2GB"),
    Setting("model", "fit", False, FLAG, "Where memory is short, load the first smaller plan that fits."),
    Setting("model", "folders", (), FOLDERS, "Folders with models for the model picker: models, or folders of models."),
    Setting("chat", "system", "", TEXT, "A system prompt before each chat, or the name of a preset."),
    Setting("chat", "depth", "auto", DEPTH, 'Tokens to draft in a round, 0 to 16; 0 is baseline; or "auto".'),
    Setting("chat", "max_tokens", None, WHOLE, "The longest reply in tokens; what the context holds unless set.", 512),
    Setting("chat", "seed", None, WHOLE, "Of the random generator; drawn anew for each reply unless set.", 1),
    Setting("chat", "save", True, FLAG, "Keep conversations on this machine, to be found and opened again."),
    Setting("chat", "history", True, FLAG, "Keep what was sent, for the up arrow in the next session."),
    Setting("sampling", "preset", "precise", NAME, "A preset: precise, balanced, creative, or one from below."),
    Setting("sampling", "temperature", None, NUMBER, "How freely tokens are drawn; 0 always takes the likeliest.", 0.7),
    Setting("sampling", "top_p", None, NUMBER, "Keep the likeliest tokens of this total probability.", 0.9),
    Setting("sampling", "top_k", None, NUMBER, "Keep this many of the likeliest tokens; 0 keeps all.", 40),
    Setting("sampling", "min_p", None, NUMBER, "Keep tokens this likely, relative to the likeliest.", 0.05),
    Setting("sampling", "repetition_penalty", None, NUMBER, "Above 1: make tokens that occurred less likely.", 1.1),
    Setting("look", "theme", "helix-dark", NAME, "helix-dark, helix-light, helix-contrast, or another of Textual's."),
    Setting("look", "reduced_motion", False, FLAG, "Nothing turns or blinks, and panels are drawn less often."),
    Setting("look", "colours", True, FLAG, "Colour each token by where it came from."),
)  # fmt: skip

BY_ID = {setting.id: setting for setting in SETTINGS}
BY_NAME = {setting.name: setting for setting in SETTINGS}
SECTIONS = tuple(dict.fromkeys(setting.section for setting in SETTINGS))
NUMBERS = tuple(s.name for s in SETTINGS if s.section == "sampling" and s.name != "preset")
"""The fields of a sampling preset."""
