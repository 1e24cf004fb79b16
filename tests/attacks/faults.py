"""Faults: a full disk, failing calls, a vanished folder, kills. Nothing is lost, and one line says what is wrong."""

import builtins
import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.attacks.rig import BAD, FAILED, FOLDER, LAST, OK, Result, Rig, begin, call, setting

KIB = 1024
LARGER = {"model__generator__widths": "[256]", "model__discriminator__widths": "[256]"}  # checkpoints of half a MiB


def whole(folder: Path) -> list[str]:
    """What is wrong with the checkpoint and the table of a run folder."""
    wrong = []
    if (folder / "checkpoints/last.ckpt").exists():
        try:
            torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
        except Exception as error:
            wrong.append(f"last.ckpt is broken: {error}")
    if (folder / "metrics.csv").exists():
        header, *rows = (folder / "metrics.csv").read_text(encoding="utf-8").splitlines()
        if any(row.count(",") != header.count(",") for row in rows):
            wrong.append("metrics.csv is broken")
    return wrong


def after_a_fault(rig: Rig, kind: str, what: str, place: Path, done: Result, resumed: bool) -> None:
    """Whatever happened, the run can go on, or begin anew, as soon as the fault is gone."""
    wrong = whole(place / FOLDER)
    if done.code in (FAILED, BAD) and (place / LAST).exists():
        again = call("train", ["--ckpt_path=last", "--max_epochs=3", "--max_time=00:00:00:09"], place)
        if again.code != OK and not (again.code == BAD and "has trained 3 of 3" in again.err):
            wrong.append(f"cannot be resumed: {again.err[-300:]}")
    elif resumed:
        wrong += [] if (place / LAST).exists() else ["the checkpoint is lost"]
    if wrong:
        rig.note(kind, wrong, what, done)


def full_disk(rig: Rig, count: int) -> None:
    """A file system of 0 to 2 MiB, in so many steps, for a new run and for one that is resumed."""
    mounted = rig.root / "tmpfs"
    mounted.mkdir(exist_ok=True)
    ended: dict[int | None, int] = {}
    for step in range(count):
        size = 20 * KIB + step * 2048 * KIB // max(1, count)
        resumed = step % 3 == 0
        used = sum(path.stat().st_blocks * 512 for path in rig.template.rglob("*")) if resumed else 60 * KIB
        options = f"size={used + size},nr_inodes=0"
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", mounted], capture_output=True).returncode:
            print("a full disk is not tried: this needs the right to mount one")
            return
        try:
            place = mounted / "x"
            try:
                shutil.copytree(rig.template, place) if resumed else place.mkdir()
                shutil.copy(rig.template / "images.npz", place)
            except OSError:
                rig.note("full disk", [], "")  # nothing fits, not even the images
                continue
            argv = ["--ckpt_path=last", "--max_epochs=3"] if resumed else setting(**LARGER)
            with rig.place() as outside:
                before = (place / LAST).read_bytes() if resumed else b""
                inner = [*argv, f"--default_root_dir={place}"]
                if not resumed:
                    inner.append(f"--data.data_dir={place / 'images.npz'}")
                else:
                    inner += [f"--data.data_dir={place / 'images.npz'}"]
                done = call("train", inner, outside)
                wrong = [] if done.code in (OK, FAILED) else [f"exit code {done.code}"]
                wrong += whole(place / FOLDER)
                from tests.attacks.rig import broken

                wrong += broken(done, (OK, FAILED))
                if done.code == FAILED and "No space left" not in done.err:
                    wrong.append("does not say that the disk is full")
                if resumed and done.code == FAILED and not (place / LAST).exists():
                    wrong.append("the checkpoint is lost")
                if (
                    resumed
                    and (place / LAST).exists()
                    and done.code == FAILED
                    and (place / LAST).read_bytes() != before
                ):
                    torch.load(place / LAST, weights_only=True)
                ended[done.code] = ended.get(done.code, 0) + 1
                rig.note(
                    "full disk", sorted(set(wrong)), f"{size // KIB} KiB free, {'resumed' if resumed else 'new'}", done
                )
        finally:
            subprocess.run(["umount", "-l", mounted], capture_output=True, check=False)
    print(f"full disk: {ended.get(FAILED, 0)} runs failed, {ended.get(OK, 0)} fitted")


CALLS: dict[str, tuple[Any, str]] = {  # what can fail
    "open": (os, "open"),
    "fsync": (os, "fsync"),
    "replace": (Path, "replace"),
    "mkdir": (os, "mkdir"),
    "builtin open": (builtins, "open"),
}
ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EMFILE)


def failing(name: str, number: int, code: int, inside: str) -> Callable[[], None]:
    """Lets that call fail from its `number`th on, of those that write below a folder."""

    def prepare() -> None:
        owner, attribute = CALLS[name]
        real, calls = getattr(owner, attribute), [0]

        def fails(*args: Any, **kwargs: Any) -> Any:
            writes = name in ("fsync", "replace", "mkdir") or any(each in str(args[1:2]) for each in "wxa")
            if name == "open":
                writes = len(args) > 1 and bool(args[1] & (os.O_WRONLY | os.O_RDWR))
            if writes and (name == "fsync" or inside in str(args[0]) or not str(args[0]).startswith("/")):
                calls[0] += 1
                if calls[0] > number:
                    raise OSError(code, os.strerror(code), str(args[0]))
            return real(*args, **kwargs)

        setattr(owner, attribute, fails)

    return prepare


def failing_calls(rig: Rig, count: int) -> None:
    """The nth call of a kind fails, and all after it."""
    chance = random.Random(0)
    for _ in range(count):
        name, code, number = chance.choice([*CALLS]), chance.choice(ERRORS), chance.randrange(25)
        resumed = chance.random() < 0.5
        argv = ["--ckpt_path=last", "--max_epochs=3"] if resumed else setting(max_epochs="3")
        with rig.place() as place:
            if not resumed:
                shutil.rmtree(place / "lightning_logs")
            what = f"{name} {number} {errno.errorcode[code]} {'resumed' if resumed else 'new'}"
            prepare = failing(name, number, code, place.name)
            done = rig.attempt("failing calls", "train", argv, place, what, (OK, FAILED, BAD), prepare)
            after_a_fault(rig, "failing calls", what, place, done, resumed)


def file_sizes(rig: Rig, count: int) -> None:
    """No file may be larger than so many bytes."""
    for step in range(count):
        most = 2 * KIB + step * 60 * KIB // max(1, count)  # stderr, which says so, is a file as well

        def prepare(most: int = most) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

        with rig.place() as place:
            resumed = step % 2 == 0
            argv = ["--ckpt_path=last", "--max_epochs=3"] if resumed else setting(max_epochs="3")
            done = rig.attempt("file sizes", "train", argv, place, f"{most} bytes", (OK, FAILED), prepare)
            after_a_fault(rig, "file sizes", f"{most} bytes", place, done, resumed)


def vanishing(rig: Rig, count: int) -> None:
    """The run folder, or one of its own, is removed while the run goes on: once its config.yaml is there (before, it is 2)."""
    chance = random.Random(2)
    for _ in range(count):
        with rig.place() as place:
            shutil.rmtree(place / "lightning_logs")
            begun = place / FOLDER / "config.yaml"
            which = place / FOLDER / chance.choice(["", "checkpoints", "samples", "report"])
            wait = chance.uniform(0, 0.3)

            def remove(begun: Path = begun, which: Path = which, wait: float = wait) -> None:
                for _ in range(2000):
                    if begun.is_file() and which.is_dir():
                        time.sleep(wait)
                        shutil.rmtree(which, ignore_errors=True)
                        return
                    time.sleep(0.002)

            thread = threading.Timer(0, remove)

            def prepare(thread: threading.Timer = thread) -> None:
                thread.start()

            done = rig.attempt(
                "vanishing folders", "train", setting(max_epochs="12"), place, which.name, (OK, FAILED), prepare
            )
            if done.code == OK and not begun.exists() and which.name == FOLDER.name:
                rig.note("vanishing folders", ["ended well though its folder was gone"], which.name, done)


def kills(rig: Rig, count: int) -> None:
    """Killed at random moments and resumed until it ends: its results are, bit by bit, those of a run that never was."""
    argv = setting(max_epochs="40", max_time="00:00:01:00")
    chance, done_kills, ended = random.Random(0), 0, 0
    with rig.place() as place:
        shutil.rmtree(place / "lightning_logs")
        call("train", argv, place)
        wanted = results(place)
    while done_kills < count:
        with rig.place() as place:
            shutil.rmtree(place / "lightning_logs")
            command = argv
            for _ in range(400):
                child, (_, err) = begin("train", command, place)
                ends = time.monotonic() + (chance.uniform(0.1, 1.2) if done_kills < count else 60)
                status = None
                while time.monotonic() < ends and status is None:
                    done, found = os.waitpid(child, os.WNOHANG)
                    status = found if done else None
                    time.sleep(0.002)
                if status is None:
                    os.killpg(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                    done_kills += 1
                    rig.note("kills", [], "")
                else:
                    code, said = os.waitstatus_to_exitcode(status), err.read_text(encoding="utf-8")
                    if code == BAD and "has trained 40 of 40" in said:
                        code = OK  # it was killed when all was written
                    wrong = [] if code == OK else [f"exit code {code}: {said[-300:]}"]
                    if code == OK and (differing := unlike(wanted, results(place))):
                        wrong.append(f"other results than without kills: {differing}")
                    if wrong:
                        rig.note("kills", wrong, f"after {done_kills} kills")
                    ended += 1
                    break
                command = [f"--ckpt_path={LAST}"] if (place / LAST).exists() else argv
                if command is argv:
                    shutil.rmtree(place / "lightning_logs", ignore_errors=True)
    print(f"kills: {done_kills}, in {ended} runs that ended")


def results(place: Path) -> dict[str, Any]:
    """What a run leaves that must not depend on how often it was killed."""
    checkpoint = torch.load(place / LAST, weights_only=True)
    folder = place / FOLDER
    rows = (folder / "metrics.csv").read_text(encoding="utf-8").splitlines()
    speed = rows[0].split(",").index("train/images_per_second")
    table = [",".join(cell for at, cell in enumerate(row.split(",")) if at != speed) for row in rows]
    pictures = {path.name: path.read_bytes() for path in folder.glob("samples/*.png")}
    return {
        "weights": checkpoint["state_dict"],
        "optimizers": [each["state"] for each in checkpoint["optimizer_states"]],
        "metrics": table,
        "pictures": pictures,
        "summary": (folder / "summary.json").read_bytes(),
        "report": (folder / "report.html").is_file(),
    }


def unlike(one: Any, other: Any) -> list[str]:
    """Names of what differs between two `results`."""

    def same(a: Any, b: Any) -> bool:
        if isinstance(a, torch.Tensor):
            return bool(torch.equal(a, b))
        if isinstance(a, dict):
            return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
        if isinstance(a, list):
            return len(a) == len(b) and all(map(same, a, b))
        return bool(a == b)

    return [name for name in one if not same(one[name], other[name])]
