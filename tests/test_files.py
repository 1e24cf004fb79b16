"""One writer and one reader, whatever lies where they write or read."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from first_gan import files

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX links and pipes")


@posix
def test_a_link_is_replaced_and_what_it_leads_to_is_kept(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    (tmp_path / "x").symlink_to(tmp_path / "precious")
    files.write(tmp_path / "x", b"new")
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "x").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["precious", "x"]


@posix
def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match="no file is there"):
            files.write(tmp_path / name, b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def test_the_half_written_file_has_a_name_that_nobody_knows_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = set()
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, to: (names.add(self.name), replace(self, to))[1])
    for _ in range(20):
        files.write(tmp_path / "x", b"new")
    assert len(names) == 20
    assert all(files.PART.fullmatch(name) for name in names)


@posix
def test_where_the_name_is_taken_all_the_same_nothing_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "0" * 16)
    (tmp_path / f".{'0' * 16}.part").symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        files.write(tmp_path / "x", b"new")
    assert not (tmp_path / "precious").exists()


def test_a_folder_that_someone_removed_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.write(tmp_path / "gone" / "x", b"new")
    assert not (tmp_path / "gone").exists()


def test_where_a_write_fails_the_old_file_stays_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "x").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_what_a_killed_writer_left_is_swept_away_and_nothing_else(tmp_path: Path) -> None:
    script = "import os, signal; from pathlib import Path; from first_gan import files;"
    script += "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL); files.write(Path('x'), b'new')"
    environment = os.environ | {"PYTHONPATH": str(Path(files.__file__).parents[1])}
    killed = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment)
    assert killed.returncode == -signal.SIGKILL
    (tmp_path / ".notes.part").touch()
    (left,) = (path for path in tmp_path.iterdir() if path.name != ".notes.part")
    assert files.PART.fullmatch(left.name)
    files.sweep([tmp_path, tmp_path / "none"])
    assert [path.name for path in tmp_path.iterdir()] == [".notes.part"]


@posix
def test_only_regular_files_are_read_and_only_as_much_as_they_may_hold(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for path, why in ((tmp_path / "pipe", "no regular"), (tmp_path / "zero", "no regular"), (tmp_path, "folder")):
        with pytest.raises(OSError, match=why):
            files.read(path, 10)
    with pytest.raises(OSError, match="no file can have that name"):
        files.read(tmp_path / "a\0b", 10)
    (tmp_path / "x").write_bytes(bytes(10))
    (tmp_path / "link").symlink_to("x")
    assert files.read(tmp_path / "link", 10) == bytes(10)
    with pytest.raises(OSError, match="larger than"):
        files.read(tmp_path / "x", 9)


def test_text_is_utf_8_with_any_line_ends(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes("\ufeffä\r\nb\rc\n".encode())
    assert files.text(tmp_path / "x") == "ä\nb\nc\n"
