"""Breaks the code in each way that tests/mutants.yaml lists, in a copy, and sees that its tests go red: `make mutants`.

One alone, by its number or a part of its file's name: `python -m tests.mutants 12 loader`
"""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_suffix(".yaml")
START = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"  # spawn: Windows
FORKS = multiprocessing.get_context(START)  # a forkserver's children share its loaded libraries: half of a run's time
FORKS.set_forkserver_preload(
    ["pytest", "pytorch_lightning.cli", "torchmetrics.image.fid", "torchvision", "matplotlib.figure"]
)
GREEN, RED = 0, 1  # pytest's exit codes; any other is neither: a test that is not there, say
TIMEOUT_S = 300


@dataclass(frozen=True)
class Mutant:
    """A way to break the code.

    Args:
        number: Its place in the list, from 1.
        file: What is changed, from the project's root.
        before: Text that occurs in it exactly once.
        after: What stands there instead.
        tests: The tests that must go red, as pytest takes them.
    """

    number: int
    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.number} {self.file}: {' '.join(self.before.split())} → {' '.join(self.after.split()) or 'nothing'}"
        )


def mutants() -> list[Mutant]:
    """All, in the order of the list."""
    listed = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    return [
        Mutant(number, each["file"], each["before"], each["after"], tuple(each["tests"].split()))
        for number, each in enumerate(listed, 1)
    ]


def copy_of_the_project(folder: Path) -> Path:
    """The files that git knows, or would take up, as they are now."""
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, check=True, capture_output=True, text=True, encoding="utf-8").stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def run_tests(project: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Runs tests in a copy of the project until the first is red; returns pytest's exit code and the end of what it said."""
    log = project / "said.txt"
    child = FORKS.Process(target=_pytest, args=(project, list(tests), log))
    child.start()
    child.join(TIMEOUT_S)
    if child.is_alive():
        child.kill()
        child.join()
        return RED, f"no end within {TIMEOUT_S} s"
    return child.exitcode or GREEN, log.read_text(errors="replace", encoding="utf-8")[-1500:]


def _pytest(project: Path, tests: list[str], log: Path) -> None:
    """In a process of its own, which has the libraries already but nothing of the project."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(project)
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(project)}  # for processes that the tests start
    sys.path[:] = [str(project), *(path for path in sys.path if path not in ("", str(ROOT)))]
    for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
        del sys.modules[name]
    sys.dont_write_bytecode = True
    import pytest
    import torch

    torch.set_num_threads(1)
    code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-W", "ignore", "--rootdir", str(project), *tests])
    os._exit(int(code))


def survives(mutant: Mutant, project: Path) -> str:
    """What is wrong with a mutant that its tests do not catch; empty for one that they do."""
    path = project / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.before) != 1:
        return f"its text occurs {text.count(mutant.before)} times in the file"
    path.write_text(text.replace(mutant.before, mutant.after), encoding="utf-8")
    try:
        code, said = run_tests(project, mutant.tests)
    finally:
        path.write_text(text, encoding="utf-8")
    if code == RED:
        return ""
    return "SURVIVED: its tests are green" if code == GREEN else f"its tests did not run (exit code {code}):\n{said}"


def main(argv: Sequence[str]) -> int:
    """Runs all mutants, or those that the arguments name; returns 0 where every one is caught."""
    chosen = [each for each in mutants() if not argv or any(a == str(each.number) or a in each.file for a in argv)]
    start, here = time.monotonic(), threading.local()
    columns = TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()
    failures: list[str] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        Progress(*columns, console=Console(stderr=True)) as bar,
    ):

        def own_copy() -> Path:
            if not hasattr(here, "project"):
                here.project = copy_of_the_project(Path(tempfile.mkdtemp(dir=folder)))
            return here.project

        def unbroken(file: str) -> str:
            code, said = run_tests(
                own_copy(), sorted({test for each in chosen for test in each.tests if test.split("::")[0] == file})
            )
            return "" if code == GREEN else f"{file} is not green on the unbroken code:\n{said}"

        if not os.environ.get("MNIST_DIR"):
            os.environ["DIGITS_DIR"] = folder  # rendered once for all
            render = f"from pathlib import Path; from first_gan.data.digits import make_digits; make_digits(Path({folder!r}))"
            subprocess.run([sys.executable, "-c", render], check=True, cwd=ROOT)
        files = sorted({test.split("::")[0] for each in chosen for test in each.tests})
        jobs = {pool.submit(unbroken, file): "the unbroken code" for file in files}
        jobs |= {pool.submit(lambda each=each: survives(each, own_copy())): str(each) for each in chosen}
        task = bar.add_task("breaking the code", total=len(jobs))
        for job in as_completed(jobs):
            if wrong := job.result():
                failures.append(f"{jobs[job]}\n    {wrong}")
                bar.console.print(failures[-1], markup=False, highlight=False, soft_wrap=True)
            bar.advance(task)
    minutes = (time.monotonic() - start) / 60
    print(f"{len(chosen)} mutants, {len(failures)} not caught, {minutes:.1f} minutes")
    return int(bool(failures) or not chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
