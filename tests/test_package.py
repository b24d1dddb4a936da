"""The package: what is in the wheel, what importing it brings, and that the code passes its checkers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODEL_FILES = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"}


def run(*command: str | Path, cwd: Path = ROOT, **options: Any) -> str:
    """The command's output; the test fails with all of it if the command fails."""
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def python(program: str, cwd: Path = ROOT, path: Path | None = None) -> str:
    environment = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    return run(sys.executable, "-c", program, cwd=cwd, env=environment).strip()


def test_ruff_finds_nothing() -> None:
    run(sys.executable, "-m", "ruff", "check", ".")


def test_the_code_is_formatted() -> None:
    run(sys.executable, "-m", "ruff", "format", "--check", ".")


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_types_are_right_on_every_platform(platform: str) -> None:
    # A cache of its own: sharing one between platforms makes each run start over.
    run(sys.executable, "-m", "mypy", "--platform", platform, "--cache-dir", f".mypy_cache/{platform}")


def test_imports_go_one_way() -> None:
    tool = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert tool, "import-linter is not installed"
    run(tool)


def test_no_file_is_long() -> None:
    code = [p for top in ("engine", "helix_tui") for p in (ROOT / top).rglob("*.py")]
    lengths = {str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in code}
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_the_command_line_starts_without_torch_or_textual() -> None:
    program = "import sys, helix_tui.cli; print([m for m in ({}) if m in sys.modules])"
    assert python(program.format('"torch", "transformers", "textual", "numpy", "huggingface_hub"')) == "[]"


def test_help_and_version_bring_nothing_heavy() -> None:
    for arguments in (["--help"], ["--version"], ["ask", "--help"], ["ask", ""]):
        program = (
            "import sys; from helix_tui.cli import main\n"
            f"main({arguments})\n"
            "print([m for m in ('torch', 'transformers', 'textual') if m in sys.modules])"
        )
        assert python(program).endswith("[]")


def test_the_engine_imports_without_torch() -> None:
    assert python("import sys, engine; print([m for m in ('torch', 'transformers') if m in sys.modules])") == "[]"


def test_the_engine_works_without_the_app_s_packages() -> None:
    blocked = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("textual", "platformdirs", "helix_tui"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
import engine
for name in engine.__all__:
    getattr(engine, name)
print(engine.Engine.__name__, "textual" in sys.modules)
"""
    assert python(blocked) == "Engine False"


def test_every_name_of_the_public_api_is_there() -> None:
    import engine

    assert sorted(engine.__all__) == sorted(set(engine.__all__))
    assert all(getattr(engine, name) is not None for name in engine.__all__)
    with pytest.raises(AttributeError):
        _ = engine.Motor


def test_every_package_is_listed() -> None:
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    found = {
        ".".join(folder.relative_to(ROOT).parts)
        for top in ("engine", "helix_tui")
        for folder in [ROOT / top, *(ROOT / top).rglob("*")]
        if folder.is_dir() and any(folder.glob("*.py"))
    }
    assert found | {"helix_assets"} == listed


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins), "constraints.txt holds exact versions only"
    return {normal(pin.partition("==")[0]): pin.partition("==")[2] for pin in pins}


def wanted(*extras: str) -> list[str]:
    """Names of what pyproject.toml asks for, with those extras."""
    optional = PROJECT["project"]["optional-dependencies"]
    lines = [*PROJECT["project"]["dependencies"], *(line for extra in extras for line in optional[extra])]
    return [normal(re.split(r"[\s<>=!~;\[]", line, maxsplit=1)[0]) for line in lines]


def test_the_constraints_pin_every_dependency() -> None:
    assert [name for name in wanted("test", "serve") if name not in constraints()] == []
    assert constraints()["torch"] == "2.13.0"


def installed(name: str) -> str | None:
    try:
        # Without a local part: torch's CPU build calls itself 2.13.0+cpu.
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


@pytest.mark.skipif(bool(installed("torch-directml")), reason="DirectML has pins of its own")
def test_what_is_tested_is_what_is_pinned() -> None:
    pins = constraints()
    found = {name: installed(name) for name in wanted("test")}
    assert found == {name: pins[name] for name in found}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that no build folder is left here."""
    copy = tmp_path_factory.mktemp("source")
    junk = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("engine", "helix_tui", "assets"):
        shutil.copytree(ROOT / name, copy / name, ignore=junk)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    out = tmp_path_factory.mktemp("wheel")
    offline = ("--no-build-isolation", "--no-deps", "--no-index")
    run(sys.executable, "-m", "pip", "wheel", *offline, "-w", out, ".", cwd=copy)
    (found,) = out.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_has_everything(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert wheel.name == f"helix_chat-{PROJECT['project']['version']}-py3-none-any.whl"
    for top in ("engine", "helix_tui"):
        files = {
            p.relative_to(ROOT).as_posix() for p in (ROOT / top).rglob("*") if p.suffix in (".py", ".tcss", ".typed")
        }
        assert files - names == set()
    for model in ("target", "draft"):
        assert {f"helix_assets/{model}/{file}" for file in MODEL_FILES} <= names
    assert "helix_assets/MODEL_CARD.md" in names
    assert not any(name.startswith("helix_assets/recipe") for name in names), "who runs the pair needs no recipe"
    assert "helix_assets/demo.jsonl.gz" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.partition("/")[0] for name in names if "dist-info" not in name} == {
        "engine",
        "helix_tui",
        "helix_assets",
    }
    assert wheel.stat().st_size < 100 * 2**20


@pytest.mark.slow
def test_the_wheel_answers_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    zipfile.ZipFile(wheel).extractall(site)
    elsewhere.mkdir()
    program = """
import engine, helix_assets, helix_tui, sys
from pathlib import Path
from helix_tui.cli import main
for module in (engine, helix_assets, helix_tui):
    assert Path(module.__file__).is_relative_to(sys.path[1]), module
sys.exit(main(["ask", "Why is the sky blue?", "--max-tokens", "5"]))
"""
    assert python(program, cwd=elsewhere, path=site)
