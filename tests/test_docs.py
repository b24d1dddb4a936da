"""What the README says is what is there: its commands, its links, its keys and its example."""

from __future__ import annotations

import re
import stat
import sys
import tomllib
from pathlib import Path

import pytest

from helix_tui.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
WORKS = (
    "Dolly", "OASST1", "OneStopEnglish", "Wordset", "OpenStax", "Pratham", "Self-dialogue", "Persona-Chat",
    "GSM8K", "Self-Instruct", "PersonalityChat", "ChatterBot", "World Factbook", "Gutenberg",
)  # fmt: skip


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_ci_runs_the_second_command_as_written() -> None:
    first, second = blocks("sh")[:2]
    assert first.strip().endswith("&& .venv/bin/helix-chat")
    assert second.strip().endswith("&& .venv/bin/python -m pytest") and '".[test]"' in second
    script = ROOT / ".ci/run"
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash" and "set -euo pipefail" in lines
    assert lines[-1] == second.strip()
    if sys.platform != "win32":
        assert script.stat().st_mode & stat.S_IXUSR


def test_windows_does_the_same_as_linux() -> None:
    for posix, windows in zip(blocks("sh")[:2], blocks("powershell"), strict=True):
        as_windows = (
            posix.replace(" && ", "; ").replace("python3 -m", "python -m").replace(".venv/bin/", ".venv\\Scripts\\")
        )
        assert windows == as_windows


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "assets/MODEL_CARD.md"])
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link.partition("#")[0]).exists()] == []


def test_the_model_card_names_licence_and_sources() -> None:
    card = (ROOT / "assets/MODEL_CARD.md").read_text(encoding="utf-8")
    assert "CC BY-SA 4.0" in card and "CC BY-SA 4.0" in README
    for work in (
        "Dolly",
        "OASST1",
        "OneStopEnglish",
        "Wordset",
        "OpenStax",
        "Pratham",
        "Self-dialogue",
        "Persona-Chat",
    ):
        assert work in card
    for work in ("GSM8K", "Self-Instruct", "PersonalityChat", "ChatterBot", "World Factbook", "Gutenberg"):
        assert work in card


def test_every_command_and_option_in_the_readme_exists(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.partition("#")[0] for block in blocks("sh") for line in block.splitlines()]
    lines += re.findall(r"`(helix-chat[^`]*)`", README)
    calls = [call.strip() for line in lines for call in re.findall(r"(?<!/)helix-chat(?: [^|&]*)?", line)]
    assert len(calls) > 7
    for call in calls:
        words = call.split()[1:]
        command = [w for w in words[:1] if w.isalpha()]
        assert main([*command, "--help"]) == 0, call
        known = capsys.readouterr().out
        for option in re.findall(r"--[a-z-]+", call):
            assert option in known, f"{call}: no {option}"


def test_the_keys_are_those_of_the_app() -> None:
    pytest.importorskip("textual")
    from helix_tui.keys import COMMANDS

    table = README[README.index("| Key |") : README.index("The short keys work")]
    said = set(re.findall(r"[^\s|,`]+", table))
    names = {"escape": "Esc", "space": "Space", "left_square_bracket": "[", "right_square_bracket": "]"}
    names |= {"question_mark": "?", "plus": "+", "equals_sign": "+", "minus": "-"}
    names |= {f"f{number}": f"F{number}" for number in range(1, 13)}
    names |= {"full_stop": ".", "comma": "(comma)"}
    for command in COMMANDS:
        for key in filter(None, (command.plain + "," + command.typing).split(",")):
            shown = names.get(key) or "+".join(k.title() if len(k) > 1 or "+" in key else k for k in key.split("+"))
            assert shown in said, f"{command.id}: {shown}"


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks("python")
    exec(compile(example, "README.md", "exec"), {})
    text = capsys.readouterr().out
    assert re.fullmatch(r".{20,} (0\.\d+|1\.0)\n", text, re.DOTALL)


def test_the_changelog_keeps_its_form() -> None:
    assert "keepachangelog.com" in CHANGELOG
    titles = re.findall(r"^## \[(.+?)\]", CHANGELOG, re.MULTILINE)
    assert titles[0] == "Unreleased"
    sections = set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", title) for title in titles[1:]) and re.fullmatch(
        r"\d+\.\d+\.\d+", version
    )
