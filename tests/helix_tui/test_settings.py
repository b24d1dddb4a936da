"""The settings file: what it may say, what is said about the rest, and which of all sources holds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine import InvalidRequest, Sampling
from helix_tui.settings import Settings, config_path, gather
from helix_tui.settings.example import effective, example, toml
from helix_tui.settings.table import BY_ID, NUMBERS, SECTIONS, SETTINGS


def written(tmp_path: Path, text: str | bytes) -> Path:
    file = tmp_path / "config.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def settings(tmp_path: Path, text: str | bytes = "", given: dict[str, Any] | None = None, **environ: str) -> Settings:
    return gather(given, written(tmp_path, text), environ)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    found = gather(environ={"HELIX_CONFIG": str(written(tmp_path, ""))})
    assert found.problems == () and found["model.target"] == "bundled" and found["chat.depth"] == "auto"
    assert found.sampling == Sampling() and found.system is None
    assert found.values == Settings().values | {f"sampling.{n}": getattr(Sampling(), n) for n in NUMBERS}
    assert {origin for id, origin in found.origins.items() if id.split(".")[1] not in NUMBERS} == {"default"}


def test_the_file_is_read(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        """
        [model]
        target = "there"
        folders = ["/a", "/b"]
        [chat]
        depth = 3
        max_tokens = 50
        [look]
        reduced_motion = true
        theme = "helix-light"
        [keys]
        "depth.up" = "plus"
        chat.new = "f8"
        """,
    )
    assert found.problems == ()
    assert (found["model.target"], found["model.folders"]) == ("there", ("/a", "/b"))
    assert (found["chat.depth"], found["chat.max_tokens"]) == (3, 50)
    assert found["look.reduced_motion"] is True and found["look.theme"] == "helix-light"
    assert found.keys == {"depth.up": "plus", "chat.new": "f8"}
    assert found.origins["chat.depth"] == "config.toml, line 6"


def test_the_command_line_is_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    text = '[model]\ntarget = "file"\ndevice = "file"\ndtype = "int8"\n'
    found = settings(tmp_path, text, {"target": "line"}, HELIX_TARGET="env", HELIX_DEVICE="env")
    assert [found[f"model.{n}"] for n in ("target", "device", "dtype", "draft")] == ["line", "env", "int8", "auto"]
    assert [found.origins[f"model.{n}"] for n in ("target", "device", "dtype", "draft")] == [
        "command line", "HELIX_DEVICE", "config.toml, line 4", "default"
    ]  # fmt: skip


def test_every_setting_has_a_variable_of_its_own(tmp_path: Path) -> None:
    assert len({s.variable for s in SETTINGS}) == len({s.name for s in SETTINGS}) == len(SETTINGS)
    values = {
        "depth": "3",
        "max_tokens": "9",
        "seed": "4",
        "save": "no",
        "exact": "yes",
        "reduced_motion": "1",
        "colours": "off",
    }
    values |= {"preset": "creative", "temperature": "0.5", "top_p": "0.5", "top_k": "5", "min_p": "0.1"}
    values |= {"repetition_penalty": "1.5", "dtype": "int8", "drafter": "chain", "folders": "/a", "history": "false"}
    values |= {"context": "2048", "kv_memory": "2GB", "fit": "yes"}
    found = settings(tmp_path, **{s.variable: values.get(s.name, f"own-{s.name}") for s in SETTINGS})
    assert found.problems == ()
    assert all(found.origins[s.id] == s.variable for s in SETTINGS)
    assert (found["chat.depth"], found["chat.save"], found["look.reduced_motion"]) == (3, False, True)
    assert found["model.folders"] == ("/a",)
    assert found.sampling == Sampling(0.5, 5, 0.5, 0.1, 1.5)


def test_textual_s_own_variables_are_heard_where_ours_say_nothing(tmp_path: Path) -> None:
    found = settings(tmp_path, TEXTUAL_THEME="nord", TEXTUAL_ANIMATIONS="none")
    assert found["look.theme"] == "nord" and found["look.reduced_motion"] is True
    found = settings(tmp_path, TEXTUAL_ANIMATIONS="none", HELIX_REDUCED_MOTION="0")
    assert found["look.reduced_motion"] is False
    assert settings(tmp_path, TEXTUAL_ANIMATIONS="full")["look.reduced_motion"] is False


def test_a_wrong_variable_is_named_and_the_file_holds(tmp_path: Path) -> None:
    found = settings(tmp_path, "[chat]\ndepth = 2", HELIX_DEPTH="deep", HELIX_COLOURS="blue", HELIX_TEMPERATURE="hot")
    assert found["chat.depth"] == 2 and found["look.colours"] is True
    assert [p.split()[0] for p in found.problems] == ["HELIX_DEPTH", "HELIX_TEMPERATURE", "HELIX_COLOURS"]


def test_a_preset_sets_the_numbers_that_are_not_set_beside_it(tmp_path: Path) -> None:
    found = settings(tmp_path, '[sampling]\npreset = "creative"\ntemperature = 0.4')
    assert found.sampling == Sampling(temperature=0.4, min_p=0.05)
    assert found.origins["sampling.min_p"] == "preset creative"


def test_a_preset_from_above_takes_the_place_of_numbers_from_below(tmp_path: Path) -> None:
    text = "[sampling]\ntemperature = 0.4\ntop_k = 7"
    assert settings(tmp_path, text, {"preset": "balanced"}).sampling == Sampling(0.7, top_p=0.9)
    assert settings(tmp_path, text, {"temperature": 0.9}).sampling == Sampling(0.9, top_k=7)
    assert settings(tmp_path, text, {"temperature": 0.9}, HELIX_PRESET="balanced").sampling == Sampling(0.9, top_p=0.9)


def test_presets_of_one_s_own(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        """
        [chat]
        system = "pirate"
        [sampling]
        preset = "wild"
        [presets.sampling.wild]
        temperature = 2.0
        [presets.sampling]
        calm = { temperature = 0.1, top_k = 3 }
        [presets.system]
        pirate = "Arr."
        brief = "Be brief."
        """,
    )
    assert found.problems == () and found.system == "Arr." and found.sampling == Sampling(2.0)
    assert found.sampling_presets["calm"] == Sampling(0.1, 3) and "precise" in found.sampling_presets
    assert found.system_presets["brief"] == "Be brief."


def test_a_system_prompt_is_a_text_or_a_preset_and_none_is_none(tmp_path: Path) -> None:
    assert settings(tmp_path, given={"system": "Be kind."}).system == "Be kind."
    assert settings(tmp_path, given={"system": "none"}).system is None
    assert "patient" in str(settings(tmp_path, HELIX_SYSTEM="tutor").system)


BAD = {
    "[model\n": "is not TOML: ",
    "a = 1\na = 2": "is not TOML: ",
    'x = "': "is not TOML: ",
    "[model]\ntarget = ": "at end of document",
    "[model]\ntarget = \ndraft = 3": "at line 2, column 10",
    "[model]\ntarget = 3": "line 2: target must be a text",
    '[model]\ntarget = ""': "line 2: target is empty",
    '[model]\n\n"device" = true': "line 3: device must be a text",
    '[model]\ndtype = "int4"': 'dtype is "int4", but it must be auto, float32',
    '[model]\ndrafter = "me"': "There is no drafter 'me'",
    '[model]\ntagret = "x"': "there is no setting tagret in [model]; did you mean target?",
    '[model]\nfolders = "x"': "folders must be a list",
    "[model]\nfolders = [1]": "folders must be a list",
    "[modle]\n": "there is no section modle; did you mean model?",
    "model = 3": "model must be a section",
    'target = "x"': "there is no section target",
    "[[model]]\n": "model must be a section",
    "[chat]\ndepth = 99": "speculation depth is 99, but it must be from 0 to 16",
    '[chat]\ndepth = "deep"': "speculation depth must be a whole number",
    "[chat]\ndepth = true": "speculation depth must be a whole number",
    "[chat]\nmax_tokens = 0": "max_tokens is 0, but it must be 1 or more",
    "[chat]\nmax_tokens = 1.5": "max_tokens must be a whole number",
    "[chat]\nseed = -1": "seed is -1",
    "[chat]\nseed = 1979-05-27": "seed must be a whole number",
    "[chat]\nsystem = []": "system must be a text",
    "[sampling]\ntemperature = -1": "line 2: temperature is -1, but it must be 0 or more",
    "[sampling]\ntop_p = 0": "top_p is 0, but it must be above 0",
    "[sampling]\ntop_p = nan": "top_p must be a number",
    '[sampling]\npreset = "nice"': 'line 2: there is no preset "nice"; use one of precise',
    '[look]\nreduced_motion = "yes"': "reduced_motion must be true or false",
    "[look]\ncolours = 1": "colours must be true or false",
    "[look]\ncolors = true": "did you mean colours?",
    "[presets]\nx = 1": "presets are",
    "[presets.sampling.a]\nheat = 1": "there is no heat in a preset",
    "[presets.sampling.a]\ntemperature = -2": "in the preset a, temperature is -2",
    "[presets.sampling]\na = 1": "the preset a must be a section",
    "[presets.system]\na = 1": "the system prompt a must be a text",
    "[keys]\na.b = 1": "the key of a.b must be a text",
    '[keys]\n"a" = ""': "the key of a must be a text",
    "keys = 1": "keys must be a section",
    b"\xff\xfe[model]": "is not in UTF-8",
    b"\x00": "is not TOML",
    "a = " + "[" * 5000: "is not TOML",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_is_wrong_is_said_in_one_sentence_and_the_defaults_hold(tmp_path: Path, text: str | bytes) -> None:
    found = settings(tmp_path, text)
    (problem,) = found.problems
    assert BAD[text] in problem and "config.toml" in problem.partition(": ")[0]
    assert "\n" not in problem and problem.endswith((".", "?", "are")), problem
    assert found.values == settings(tmp_path).values and found.sampling == Sampling()
    assert found.keys == {} and found.system is None
    with pytest.raises(InvalidRequest, match=re.escape(problem)):
        found.insist()


def test_what_is_right_beside_something_wrong_still_holds(tmp_path: Path) -> None:
    found = settings(tmp_path, '[chat]\ndepth = -1\nmax_tokens = 7\n[nonsense]\n[look]\ntheme = "nord"')
    assert len(found.problems) == 2 and found["chat.max_tokens"] == 7 and found["look.theme"] == "nord"
    with pytest.raises(InvalidRequest, match=r"line 2: .* \(1 more: helix-chat config\)"):
        found.insist()


@pytest.mark.parametrize("where", ["missing.toml", "."])
def test_a_file_that_was_named_must_be_there(tmp_path: Path, where: str) -> None:
    found = gather(path=tmp_path / where, environ={})
    (problem,) = found.problems
    assert "cannot be read" in problem
    with pytest.raises(InvalidRequest):
        found.insist()
    spoken = gather(environ={"HELIX_CONFIG": str(tmp_path / where)})
    assert len(spoken.problems) == 1
    spoken.insist()


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    (problem,) = settings(tmp_path, b"#" * 1_000_001).problems
    assert "too large" in problem


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert settings(tmp_path, b"\xef\xbb\xbf[chat]\r\ndepth = 2\r\n")["chat.depth"] == 2


def test_the_path_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_path({"HELIX_CONFIG": "/a/b.toml"}) == Path("/a/b.toml")
    assert config_path({}).name == "config.toml" and "helix-chat" in str(config_path({}))


def test_the_example_has_every_setting_and_its_default(tmp_path: Path) -> None:
    text = example()
    assert settings(tmp_path, text).problems == () and settings(tmp_path, text).values == settings(tmp_path).values
    opened = "\n".join(re.sub(r"^# (?=[\w.\"]+ = |\[)", "", line) for line in text.splitlines())
    data = tomllib.loads(opened)
    assert set(data) == {*SECTIONS, "presets", "keys"}
    for setting in SETTINGS:
        value = data[setting.section].pop(setting.name)
        assert value == (list(setting.default) if setting.id == "model.folders" else setting.default) or (
            setting.default is None and value == setting.example
        )
    assert all(data[section] == {} for section in SECTIONS)
    assert settings(tmp_path, opened).problems == ()


@pytest.mark.parametrize(
    "value", ["a", 'q"uo\\te', "tab\tline\n", "\x7f\x1b", "ü 漢", True, False, 3, 0.5, [], ["a", "b"]]
)
def test_values_are_shown_as_the_file_writes_them(value: Any) -> None:
    assert tomllib.loads(f"v = {toml(value)}")["v"] == value


def test_what_holds_is_shown_with_where_it_came_from(tmp_path: Path) -> None:
    text = '[chat]\ndepth = 3\nwrong = 1\n[presets.system]\npirate = "Arr."\n[keys]\n"chat.new" = "f8"'
    shown = effective(settings(tmp_path, text, HELIX_SEED="5"))
    assert re.search(r"depth +3 +config.toml, line 2\n", shown) and re.search(r"seed +5 +HELIX_SEED\n", shown)
    assert all(re.search(rf"^  {s.name} ", shown, re.MULTILINE) for s in BY_ID.values())
    assert 'pirate              "Arr."' in shown and "chat.new" in shown and "there is no setting wrong" in shown
