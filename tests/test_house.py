"""The house: which files are the experiment, and that arrows run one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import train

ROOT = Path(train.__file__).parent
EXPERIMENT = {
    "gan_module",
    "gan_networks",
    "datamodule",
    "train",
    "evaluate",
    "generate",
    "lesson",
    "study",
    "networks",
    "notebooks",
    "benchmarks",
    "tests",
}
MACHINERY = sorted((ROOT / "first_gan").rglob("*.py"))
TRAINERS = ("pytorch_lightning", "lightning", "lightning_fabric", "first_gan.callbacks")


def imported(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it, with what it takes from them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def below(names: set[str], *packages: str) -> set[str]:
    return {name for name in names if any(f"{name}.".startswith(f"{package}.") for package in packages)}


def test_a_newcomer_sees_which_files_are_the_experiment() -> None:
    files = {path.name for path in ROOT.glob("*.py")}
    modules = ("lesson", "gan_module", "gan_networks", "datamodule", "train", "evaluate", "generate", "study")
    assert files == {f"{name}.py" for name in modules}


@pytest.mark.parametrize("path", MACHINERY, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_run_one_way(path: Path) -> None:
    names, room = imported(path), path.relative_to(ROOT / "first_gan").parts[0]
    assert not below(names, *EXPERIMENT)
    if room in ("diagnosis", "doctor", "report", "scores", "data", "drawing", "study"):
        assert not below(names - {"first_gan.callbacks.terminal.say"}, *TRAINERS)
    if room in ("diagnosis", "report", "study"):
        assert not below(names, "torch", "torchvision")
    if room != "study":
        assert not below(names, "first_gan.study", "optuna")
    if room not in ("run", "callbacks") and path.name != "__main__.py":
        assert not below(names, "jsonargparse", "argparse", "first_gan.run.options")


def test_what_must_be_there_first_loads_nothing_heavy() -> None:
    script = "import sys, first_gan.run.stopping, first_gan.diagnosis.rules; "
    script += "assert not {'torch', 'pytorch_lightning', 'matplotlib', 'jsonargparse'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_the_report_needs_no_torch() -> None:
    script = "import sys, first_gan.report.page; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def texts_in_the_locale(path: Path) -> list[str]:
    """Where a file reads or writes text without saying in which encoding."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        mode = given.get("mode", node.args[-1] if node.args else None)
        binary = isinstance(mode, ast.Constant) and "b" in str(mode.value)
        of_bytes = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") in (
            "Image",
            "gzip",
            "os",
        )
        opened = name in ("open", "fdopen") and not (binary or of_bytes)
        if (opened or name in ("read_text", "write_text") or ("text" in given and name in ("run", "Popen"))) and (
            "encoding" not in given
        ):
            found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:60]}")
    return found


def test_text_files_are_utf8_in_every_locale() -> None:
    folders = ("first_gan", "networks", "benchmarks", "tests")
    files = [*ROOT.glob("*.py"), *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    assert [place for path in files for place in texts_in_the_locale(path)] == []
