"""Every command once: the bindings, the palette and the help screen are made from this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class Command:
    id: str
    action: str
    label: str
    """In the footer: short."""
    help: str
    """In the palette and on the help screen: what it does."""
    plain: str = ""
    """Keys that work while the cursor is not in the prompt."""
    typing: str = ""
    """Keys that work everywhere."""
    shown: str = ""
    """How the plain key is written, where its name is not what is on it."""
    footer: bool = True
    when: Literal["always", "live", "replay"] = "always"


COMMANDS = (
    Command("chat.stop", "stop", "Stop", "Stop the reply and keep what is there", typing="escape", when="live"),
    Command("chat.read", "read", "Scroll", "Leave the prompt to scroll and use the short keys", typing="escape",
            when="live"),
    Command("slow.hold", "hold", "Hold", "Hold between two rounds, or go on", "space", "f10"),
    Command("slow.step", "step", "Round", "Slow motion: one round, then hold", "full_stop", "f11", ".", footer=False),
    Command("slow.back", "look_back", "Back", "Slow motion: look back at the round before", "comma", "f12", ",",
            footer=False),
    Command("kv.map", "map", "Map", "The KV map: every block of the pool, with a cursor", "m", footer=False),
    Command("token.inspect", "inspect", "Token", "Put a cursor on the tokens of the chosen reply: where each came from",
            "t", footer=False),
    Command("replay.back", "skip_reply(-1)", "Reply", "In a replay: go back to the start of a reply", typing="left",
            when="replay"),
    Command("replay.on", "skip_reply(1)", "Reply", "In a replay: go on to the next reply", typing="right",
            when="replay"),
    Command("replay.back5", "skip(-5)", "Back", "In a replay: go back 5 seconds", typing="shift+left", footer=False,
            when="replay"),
    Command("replay.on5", "skip(5)", "On", "In a replay: go on 5 seconds", typing="shift+right", footer=False,
            when="replay"),
    Command("replay.slower", "speed(-1)", "Speed", "In a replay: slower, down to a quarter", "minus", shown="-",
            when="replay"),
    Command("replay.faster", "speed(1)", "Speed", "In a replay: faster, up to eight times", "plus,equals_sign",
            shown="+", when="replay"),
    Command("replay.restart", "restart", "Restart", "In a replay: play it from the start", "r", "home", when="replay"),
    Command("replay.leave", "leave", "Back", "Leave the demo and go back to the chat", typing="escape", when="replay"),
    Command("chat.demo", "demo", "Demo", "Play the recording that comes with Helix", "d", "f4", footer=False,
            when="live"),
    Command("chat.record", "record", "Record", "Record from now on, for a replay; again to end it", "o", "ctrl+o",
            footer=False, when="live"),
    Command("chat.retry", "retry", "Try again", "After a failed load: try it again", plain="r", typing="ctrl+r",
            when="live"),
    Command("chat.fit", "fit", "Load smaller", "After a model did not fit: load it in the smaller way offered",
            "F", "ctrl+f", when="live"),
    Command("depth.down", "depth(-1)", "Depth", "Draft one token less in a round", "left_square_bracket",
            "ctrl+down", "[", when="live"),
    Command("depth.up", "depth(1)", "Depth", "Draft one token more in a round", "right_square_bracket",
            "ctrl+up", "]", when="live"),
    Command("depth.baseline", "baseline", "Baseline", "Switch speculation off, and on at the same depth", "b,0",
            "ctrl+b", "b", when="live"),
    Command("depth.auto", "adaptive", "Adaptive", "Let the engine choose the depth by what pays", "a", "ctrl+t",
            footer=False, when="live"),
    Command("chat.library", "library", "Chats", "Your chats: search, open, rename, delete", "h", "f2", when="live"),
    Command("chat.new", "new_chat", "New", "Start a new chat", "n", "ctrl+n", when="live"),
    Command("model.pick", "models", "Models", "Choose another model, or fetch one; the chat stays", "M", "f3",
            footer=False, when="live"),
    Command("chat.setup", "setup", "Settings", "System prompt, sampling, depth and theme of this chat", "u", "ctrl+y",
            footer=False, when="live"),
    Command("view.origins", "origins", "Origins", "Colour each token by where it came from", "c", "ctrl+l",
            footer=False),
    Command("view.tokens", "tokens", "Tokens", "Finished replies as Markdown, or as the tokens they came in", "v",
            footer=False),
    Command("turn.previous", "select(-1)", "Previous", "Choose the message before", "k",
            footer=False),
    Command("turn.next", "select(1)", "Next", "Choose the message after", "j", footer=False),
    Command("turn.copy", "copy", "Copy", "Copy the chosen message, or the last one", "y",
            footer=False),
    Command("turn.copy_code", "copy_code", "Copy code", "Copy a code block of it; again for the next one", "Y",
            footer=False),
    Command("turn.edit", "edit", "Edit", "Edit the chosen question, and send it as another version", "e", footer=False,
            when="live"),
    Command("turn.leave_edit", "leave_edit", "Leave it", "Leave a question as it was", typing="escape", when="live"),
    Command("turn.regenerate", "regenerate", "Again", "Ask for another reply to the chosen question", "g", "ctrl+g",
            footer=False, when="live"),
    Command("turn.rewind", "rewind", "Rewind", "Go on from the chosen message; what came later stays in its branch",
            "w", footer=False, when="live"),
    Command("turn.fork", "fork", "Fork", "Begin a new chat with everything up to the chosen message", "f",
            footer=False, when="live"),
    Command("branch.previous", "branch(-1)", "Version", "Look at the version before of the chosen message", "left",
            footer=False, when="live"),
    Command("branch.next", "branch(1)", "Version", "Look at the version after of the chosen message", "right",
            footer=False, when="live"),
    Command("chat.export", "export", "Export", "Write this chat to a Markdown file in this folder", "x", footer=False,
            when="live"),
    Command("chat.export_json", "export('json')", "Export", "Write this chat, all branches, to a JSON file", "X",
            footer=False, when="live"),
    Command("race.open", "race", "Race", "Race baseline against speculative on the last question", "r", "f5",
            footer=False, when="live"),
    Command("swarm.open", "swarm", "Swarm", "Ask many questions at once and watch the blocks fill", "s", "f6",
            footer=False, when="live"),
    Command("card.write", "card(False)", "Card", "Write a card of the figures to share: SVG and Markdown, no text", "z",
            "f9", footer=False, when="live"),
    Command("card.write_text", "card(True)", "Card", "The same, with the question and its reply", "Z", "shift+f9",
            footer=False, when="live"),
    Command("learn.open", "learn", "Learn", "What is happening, for a child up to an engineer", "l", "f7",
            footer=False),
    Command("stage.show", "stage", "Stage", "Before an audience: large figures, nothing personal; again to leave",
            typing="f8", footer=False),
    Command("stage.starter", "next_starter", "Starter", "Write the next question to begin with into the prompt", "p",
            "ctrl+s", footer=False, when="live"),
    Command("app.help", "help", "Help", "What the keys, colours and shapes mean", "question_mark", "f1", "?"),
    Command("app.quit", "app.quit", "Quit", "Quit Helix", "q", "ctrl+q"),
)  # fmt: skip


GROUPS = {
    name: Binding.Group(label, compact=True)
    for name, label in (("depth", "Depth"), ("skip_reply", "Reply"), ("speed", "Speed"))
}
"""Pairs of keys that share a place in the footer, by action."""


def bindings() -> list[Binding]:
    """Two bindings a command at most: `ID` for its plain keys, `ID.typing` for those that work in the prompt too."""
    made = []
    for c in COMMANDS:
        group = GROUPS.get(c.action.partition("(")[0])
        for keys, name in ((c.plain, c.id), (c.typing, f"{c.id}.typing" if c.plain else c.id)):
            if keys:
                typing = keys == c.typing
                made.append(
                    Binding(
                        keys,
                        c.action,
                        c.label,
                        show=c.footer,
                        key_display=None if typing else c.shown or None,
                        priority=typing,
                        tooltip=c.help,
                        id=name,
                        group=group,
                    )
                )
    return made


def written(command: Command, keymap: Mapping[str, str] | None = None) -> str:
    """Its keys as a person reads them: `[  ctrl+down`; a `keymap` by the ids of bindings has other ones."""
    own = keymap or {}
    typing_id = f"{command.id}.typing" if command.plain else command.id
    plain = command.shown or command.plain.replace(",", " ")
    if command.id == "depth.baseline":
        plain = "b 0"
    if command.plain and command.id in own:
        plain = own[command.id].replace(",", " ")
    typing = own.get(typing_id, command.typing).replace(",", " ")
    typing = "esc" if typing == "escape" else typing
    return "   ".join(part for part in (plain, typing) if part)
