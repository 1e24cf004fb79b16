"""What is printed: in any encoding, with any path in it, and no reason to end when nothing can be printed any more."""

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import evaluate
import train
from first_gan.run.cli import UserError, run_command
from first_gan.run.folder import LAST, read_config
from tests.conftest import offline
from tests.test_train import FOLDER, Run

ROOT = Path(train.__file__).parent
NAME = "データ[x] 225 ± 2, L\udce4t"  # the last is a byte that is not UTF-8, as Python reads it from a file's name


class Failing(io.StringIO):
    """A stream that takes the first so many texts, and then none."""

    def __init__(self, code: int, taken: int = 0) -> None:
        super().__init__()
        self.code, self.taken = code, taken

    def write(self, text: str) -> int:
        self.taken -= 1
        if self.taken < 0:
            raise OSError(self.code, os.strerror(self.code))
        return super().write(text)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def redirected(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a command with other streams: its exit code."""

    def call(body: Callable[[Any], Any], stdout: Any, stderr: Any = None) -> int:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stdout)
            patched.setattr(sys, "stderr", io.StringIO() if stderr is None else stderr)
            before = sys.stdout, sys.stderr
            try:
                return run_command("x.py", lambda argv: body(argv) or 0, [])
            finally:
                assert (sys.stdout, sys.stderr) == before

    return call


def printing(encoding: str, errors: str = "strict") -> tuple[io.BytesIO, io.TextIOWrapper]:
    raw = io.BytesIO()
    return raw, io.TextIOWrapper(raw, encoding=encoding, errors=errors, newline="")


@pytest.mark.parametrize(
    ("encoding", "errors", "shown"),
    [
        ("cp1252", "strict", b"???[x] 225 \xb1 2, L?t\n"),
        ("ascii", "strict", b"???[x] 225 ? 2, L?t\n"),
        ("utf-8", "strict", "データ[x] 225 ± 2, L?t\n".encode()),
        ("ascii", "surrogateescape", b"???[x] 225 ? 2, L?t\n"),
    ],
)
def test_what_an_encoding_lacks_is_replaced(redirected: Run, encoding: str, errors: str, shown: bytes) -> None:
    raw, stream = printing(encoding, errors)
    assert redirected(lambda _: print(NAME), stream) == 0
    assert raw.getvalue() == shown


def test_the_c_locale_still_shows_names_byte_by_byte(redirected: Run) -> None:
    raw, stream = printing("ascii", "surrogateescape")  # Python's stdout there
    assert redirected(lambda _: print("J\udcc3\udcb6rg"), stream) == 0
    assert raw.getvalue().decode() == "Jörg\n"


def test_errors_can_be_printed_too(redirected: Run) -> None:
    def fail(_: Any) -> None:
        raise UserError(NAME)

    raw, stream = printing("ascii")
    assert redirected(fail, io.StringIO(), stream) == 2
    assert raw.getvalue() == b"x.py: error: \\u30c7\\u30fc\\u30bf[x] 225 \\xb1 2, L\\udce4t\n"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EPIPE, errno.EIO])
def test_a_command_goes_on_where_nothing_can_be_printed(redirected: Run, code: int) -> None:
    done = []

    def work(_: Any) -> None:
        for step in range(4):
            print("a line", flush=True)
            done.append(step)

    out, err = Failing(code, taken=2), io.StringIO()  # a line is two writes
    assert redirected(work, out, err) == 0
    assert done == [0, 1, 2, 3]
    assert out.getvalue() == "a line\n"
    assert err.getvalue() == f"x.py: nothing can be printed any more ({os.strerror(code)}); all else goes on\n"
    assert redirected(work, Failing(code), Failing(code)) == 0
    assert done == [0, 1, 2, 3] * 2


@pytest.mark.parametrize(("code", "lines"), [(errno.ENOSPC, 1), (errno.EPIPE, 0), (errno.EINVAL, 0)])
def test_a_last_line_that_is_lost_is_said_but_to_a_reader_that_left(redirected: Run, code: int, lines: int) -> None:
    class Buffering(io.StringIO):
        def flush(self) -> None:
            raise OSError(code, os.strerror(code))

    err = io.StringIO()
    assert redirected(lambda _: print("a result"), Buffering(), err) == 0
    assert err.getvalue().count("\n") == lines


@pytest.mark.parametrize("option", ["--print_config", "--help"])
@pytest.mark.parametrize(
    ("stdout", "code", "said"),
    [
        (Failing(errno.ENOSPC), 1, "train.py: nothing can be printed any more (No space left on device)\n"),
        (None, 1, "train.py: nothing can be printed any more (it is closed)\n"),
        (Failing(errno.EPIPE), 0, ""),
    ],
)
def test_what_does_nothing_but_print_fails_if_it_cannot(
    monkeypatch: pytest.MonkeyPatch, option: str, stdout: Any, code: int, said: str
) -> None:
    err = io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stdout)
        patched.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as end:
            train.main([option])
    assert (end.value.code, err.getvalue()) == (code, said)


def test_a_process_without_streams(monkeypatch: pytest.MonkeyPatch, small: list[str]) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", None)
        patched.setattr(sys, "stderr", None)
        assert train.main([*small, "--max_epochs", "1"]) == 0
        assert train.main(["--bogus"]) == 2
    assert (FOLDER / LAST).is_file()


def in_a_process(script: str, **streams: Any) -> tuple[int, str]:
    """Runs a script that imports nothing heavy: its exit code and stderr."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **streams,
    )
    return done.returncode, done.stderr


@contextmanager
def pipe_that_nobody_reads() -> Iterator[int]:
    read, write = os.pipe()
    os.close(read)
    try:
        yield write
    finally:
        os.close(write)


def test_python_itself_ends_in_peace_when_the_reader_has_left() -> None:
    script = "from first_gan.run.output import safe_output\nwith safe_output('x.py'):\n    print('a result')\n"
    with pipe_that_nobody_reads() as write:
        assert in_a_process(script, stdout=write) == (0, "")


def test_an_interrupted_process_without_streams_has_its_exit_code() -> None:
    script = "import sys\nfrom first_gan.run import stopping\nsys.stdout = None\nstopping.leave(130)\n"
    assert in_a_process(script) == (130, "")


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    script = f"""
import os
from first_gan.run.output import safe_output
os.close(1)
with safe_output('x.py'):
    with open({str(tmp_path / "precious")!r}, "w", encoding="utf-8") as file:
        os.write(1, b"what a library says by itself")
os._exit(0)
"""
    assert in_a_process(script, stdout=subprocess.DEVNULL) == (0, "")
    assert (tmp_path / "precious").read_text(encoding="utf-8") == ""


def test_a_run_outlives_its_reader_in_any_locale_and_is_resumed_in_another(run: Run, small: list[str]) -> None:
    Path("Jörg[x]").symlink_to(small[1])
    Path("c.yaml").write_text("data:\n  data_dir: Jörg[x]\n", encoding="utf-8")
    words = [sys.executable, str(ROOT / "train.py"), "--config", "c.yaml", *small[2:], "--max_epochs", "1"]
    environment = offline(LC_ALL="C", PYTHONUTF8="0", OMP_NUM_THREADS="1")
    with subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith("images from Jörg[x]\n")
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
    assert process.returncode == 0, err
    assert err == "train.py: nothing can be printed any more (Broken pipe); all else goes on\n"
    assert sorted(path.name for path in Path().iterdir()) == ["Jörg[x]", "c.yaml", "lightning_logs"]
    assert "\n  data_dir: Jörg[x]\n" in (FOLDER / "config.yaml").read_text(encoding="utf-8")
    assert read_config(FOLDER / "config.yaml")["data"]["data_dir"] == "Jörg[x]"
    code, out, err = run("--ckpt_path", "last", "--max_epochs", "2")
    assert (code, err) == (0, "")
    assert "images from Jörg[x]\n" in out


def test_scores_are_on_disk_before_they_are_printed_and_printed_where_they_cannot_be(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*small, "--max_epochs", "1")
    scores: dict[str, Any] = {"raw": {"diversity": 0.5}, "floor": {"diversity": 1.0}}
    monkeypatch.setattr(evaluate, "all_scores", lambda *_: scores["raw"])
    monkeypatch.setattr(evaluate, "floor_scores", lambda *_: scores["floor"])
    monkeypatch.setattr(evaluate, "judge_of", lambda *_: None)
    monkeypatch.setattr(evaluate, "sample_count", lambda _: 2)
    kept, table, found = FOLDER / "checkpoints/last.evaluation.json", evaluate.table, []

    def printed(*arguments: Any) -> Any:
        found.append(kept.is_file() and json.loads(kept.read_text(encoding="utf-8"))["scores"])
        return table(*arguments)

    monkeypatch.setattr(evaluate, "table", printed)
    assert evaluate.main([str(FOLDER / LAST)]) == 0
    assert found == [scores]
    kept.unlink()
    kept.mkdir()
    capsys.readouterr()
    assert evaluate.main([str(FOLDER / LAST)]) == 2
    out, err = capsys.readouterr()
    assert "diversity of pixels" in out
    assert err.startswith("evaluate.py: error: ")
    assert "last.evaluation.json cannot be written" in err


def test_a_terminal_that_cannot_redraw_gets_a_line_per_epoch(small: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    with monkeypatch.context() as patched:
        patched.setenv("TERM", "dumb")
        patched.setattr(sys, "stdout", terminal)
        assert train.main(small) == 0
    epochs = [line for line in terminal.getvalue().splitlines() if line.startswith("Epoch ")]
    assert [line.split()[1] for line in epochs] == ["1/2", "2/2"]
    assert "d_loss" in epochs[0]
    assert "\x1b" not in terminal.getvalue()


def test_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    data: Any = SimpleNamespace(prepare_data=lambda: None, setup=lambda _: None, fallback_reason="no [x] in [/y]")
    data.dataset, data.folder, data.images = "digits", "data", SimpleNamespace(published=True)
    train.fetch(data)
    assert "no [x] in [/y]" in capsys.readouterr().err
