"""Commands that are printed: typed anew, they do what they say, in any shell and whichever python is on PATH."""

import ast
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import train
from first_gan.diagnosis.advice import typed
from first_gan.run.shell import command, python, python_command, quoted

ROOT = Path(train.__file__).parent


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("plain/a-b_c.ckpt", "plain/a-b_c.ckpt"),
        ("two words", "'two words'"),
        ("[x]", "'[x]'"),
        ("it's", "'it'\"'\"'s'"),
        ("データ", "'データ'"),
        ("L\udce4t's", "$'L\\344t\\047s'"),  # bash and zsh
        ("two\nlines", "$'two\\012lines'"),
    ],
)
def test_quoting_for_a_posix_shell(word: str, shown: str) -> None:
    assert quoted(word, windows=False) == shown
    assert shown.startswith("$") or shlex.split(shown) == [word]


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        (r"C:\runs\version_0\last.ckpt", r"C:\runs\version_0\last.ckpt"),
        (r"C:\my runs\last.ckpt", r'"C:\my runs\last.ckpt"'),
        (r"C:\my runs" + "\\", r'"C:\my runs\\"'),
        ("[]", '"[]"'),
        ("a&b(1)", '"a&b(1)"'),
        (r"a\"b", r'"a\\\"b"'),
        ("", '""'),
    ],
)
def test_quoting_for_windows_shells(word: str, shown: str) -> None:
    """Emulated: by the rules that a C program there reads its words by."""
    assert quoted(word, windows=True) == shown


def test_advice_is_quoted_for_every_shell() -> None:
    assert typed((0.5, 0.999)) == '"[0.5,0.999]"'


def make_python(path: Path, target: Path | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if target is None:
        path.touch(0o755)
    else:
        path.symlink_to(target)
    return path


def test_python_is_named_as_it_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path / make_python(tmp_path / "here/.venv/bin/python").parents[2])
    base = make_python(tmp_path / "base/bin/python3.11")
    named = make_python(base.with_name("python"), base)
    venv = make_python(tmp_path / "an env/bin/python", base)

    def called(executable: Path | str, path: Path) -> str:
        monkeypatch.setattr(sys, "executable", str(executable))
        monkeypatch.setenv("PATH", str(path))
        return python()

    assert called(named, base.parent) == called(base, base.parent) == "python"
    assert called(venv, base.parent) == str(venv)  # the same interpreter, with other packages
    assert called(named, venv.parent) == str(named)
    assert called(named, tmp_path) == str(named)
    assert called(tmp_path / "here/.venv/bin/python", base.parent) == ".venv/bin/python"
    assert called("", tmp_path) == "python"
    named.unlink()
    assert called(base, base.parent) == "python3.11"
    called(venv, base.parent)
    assert python_command("-m", "x", Path("two words")) == f"'{venv}' -m x 'two words'"


def test_a_printed_command_runs(tmp_path: Path) -> None:
    (tmp_path / "[x] y.py").write_text("import sys; print(sys.argv[1:])", encoding="utf-8")
    words = command(str(tmp_path / "[x] y.py"), Path("run's folder"), "[]")
    done = subprocess.run(["sh", "-c", words], stdout=subprocess.PIPE, check=True, encoding="utf-8")
    assert ast.literal_eval(done.stdout) == ["run's folder", "[]"]


def test_tensorboard_can_be_started_by_its_module() -> None:
    done = subprocess.run([sys.executable, "-m", "tensorboard.main", "--version"], stdout=subprocess.PIPE, check=True)
    assert done.stdout[:1].isdigit()
