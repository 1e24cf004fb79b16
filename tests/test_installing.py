"""What is installed: ranges, the locks that make them reproducible, and the files that quote their versions."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import product
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import train

ROOT = Path(train.__file__).parent
LOCKS = {"requirements.lock": "requirements.txt", "requirements-dev.lock": "requirements-dev.txt"}
SYSTEMS = ("linux", "win32", "darwin")
PYTHONS = ("3.11", "3.12", "3.13")
posix_make = pytest.mark.skipif(
    shutil.which("make") is None or sys.platform == "win32", reason="needs make and a shell"
)


def ranges(name: str) -> list[Requirement]:
    """What a requirements file asks for, with the files that it includes."""
    found = []
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("-r "):
            found += ranges(line.removeprefix("-r "))
        elif line:
            found.append(Requirement(line))
    return found


def entries(name: str) -> list[tuple[Requirement, list[str]]]:
    """A lock's requirements, with the hashes of each."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (Requirement(line.split(" --hash")[0].strip()), re.findall(r" --hash=(\S+)", line))
        for line in text.splitlines()
    ]


def versions(name: str, system: str, python: str) -> dict[str, str]:
    """What a lock installs on an x86_64 machine, by normalized name; 3.11's newest patch, and so on."""
    there = {
        "sys_platform": system,
        "os_name": "nt" if system == "win32" else "posix",
        "python_version": python,
        "python_full_version": f"{python}.9",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_machine": "x86_64",
    }
    installed: dict[str, str] = {}
    for requirement, _ in entries(name):
        if requirement.marker is None or requirement.marker.evaluate(there):
            assert canonicalize_name(requirement.name) not in installed, (
                f"{requirement.name} twice on {system} {python}"
            )
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            installed[canonicalize_name(requirement.name)] = pin.version
    return installed


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_a_version_within_each_range_on_every_system_and_python(lock: str) -> None:
    for system, python in product(SYSTEMS, PYTHONS):
        installed = versions(lock, system, python)
        for wanted in ranges(LOCKS[lock]):
            assert wanted.specifier.contains(installed[canonicalize_name(wanted.name)]), (str(wanted), system, python)


def test_what_runs_is_what_is_tested() -> None:
    for system, python in product(SYSTEMS, PYTHONS):
        assert versions("requirements.lock", system, python).items() <= (
            versions("requirements-dev.lock", system, python).items()
        )


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_for_each_entry_and_names_no_place(lock: str) -> None:
    listed = entries(lock)
    assert len(listed) > 40
    for requirement, hashes in listed:
        assert hashes, requirement
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in hashes), requirement
    hashes_of = {requirement.name: len(hashes) for requirement, hashes in listed}
    assert min(hashes_of["torch"], hashes_of["numpy"]) > 10  # of each system's wheels, not of one's
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert [word for word in ("://", "--index", "--extra-index", "--find-links", "/tmp", "file:") if word in text] == []


def test_ranges_have_a_floor_and_what_breaks_by_design_a_ceiling() -> None:
    wanted = {each.name: each.specifier for each in ranges("requirements.txt")}
    assert all(any(one.operator == ">=" for one in specifier) for specifier in wanted.values())
    assert wanted["torch"].contains("2.8.0")
    assert wanted["torchvision"].contains("0.23.0")
    assert not wanted["torch"].contains("2.5.1")  # its weights_only lets a crafted checkpoint run code
    assert not wanted["pytorch-lightning"].contains("2.7.0")
    assert not wanted["jsonargparse"].contains("5.0.0")


HOLES = {  # packages, with the first version without the holes that were known when this was written
    "aiohttp": "3.13.3",
    "filelock": "3.20.3",
    "fonttools": "4.60.2",
    "jinja2": "3.1.6",
    "pillow": "12.1.1",
    "pytorch-lightning": "2.6.6",
    "pyyaml": "5.4",
    "requests": "2.32.4",
    "setuptools": "78.1.1",
    "torch": "2.6.0",
    "tqdm": "4.66.3",
    "urllib3": "2.6.3",
    "werkzeug": "3.1.5",
}


def test_what_is_allowed_and_what_is_locked_has_no_hole_that_is_known_here() -> None:
    for name in LOCKS:
        locked = versions(name, "linux", "3.11")
        assert {each for each in HOLES if each in locked and Version(locked[each]) < Version(HOLES[each])} == set()
    for wanted in ranges("requirements-dev.txt"):
        if safe := HOLES.get(canonicalize_name(wanted.name)):
            (floor,) = (Version(one.version) for one in wanted.specifier if one.operator in (">=", "=="))
            assert floor >= Version(safe), wanted


def test_the_package_asks_for_the_ranges() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert setup["project"]["dynamic"] == ["dependencies"]
    assert setup["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements.txt"]}


def test_ci_tests_three_systems_on_the_locked_and_on_the_lowest_versions() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    ubuntu, elsewhere = (jobs[name]["strategy"]["matrix"] for name in ("ubuntu", "elsewhere"))
    assert jobs["ubuntu"]["runs-on"] == "ubuntu-latest"
    assert ubuntu == {"python": ["3.11", "3.13"], "command": ["bash .ci/run", "make test-lowest"]}
    assert elsewhere["os"] == ["windows-latest", "macos-latest"]
    locked, lowest = elsewhere["install"]
    assert locked.endswith("-r requirements-dev.lock")
    assert lowest.endswith("--resolution lowest-direct -r requirements-dev.txt")
    runs = {job: [step.get("run", "") for step in jobs[job]["steps"]] for job in jobs}
    assert "${{ matrix.command }}" in runs["ubuntu"]
    assert runs["elsewhere"][-2:] == ["${{ matrix.install }}", "python -m pytest -n 2 --dist loadfile"]
    assert "\nmake test" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_citation_and_changelog_are_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert (citation["title"], citation["license"]) == (project["name"], project["license"])
    assert citation["version"] == project["version"]
    assert citation["authors"][0]["name"] in (ROOT / "LICENSE").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1].split(" - ")[0] == project["version"]


def test_pre_commit_runs_make_lint() -> None:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    (hook,) = repo["hooks"]
    assert (repo["repo"], hook["entry"], hook["language"]) == ("local", "make lint", "system")
    assert hook["pass_filenames"] is False


@pytest.fixture
def make(tmp_path: Path):
    """Calls make on the project's Makefile in an empty folder, with programs in place of uv and of the Python in .venv."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in (*LOCKS, *LOCKS.values(), "requirements-onnx.txt", "requirements-study.txt"):
        (tmp_path / name).touch()
    (tmp_path / "bin").mkdir()

    def program(path: Path, code: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f'#!/bin/sh\necho "{path.name} $*, index <$UV_DEFAULT_INDEX>, MNIST <$MNIST_DIR>" >> "{tmp_path}/said"\nexit {code}\n',
            encoding="utf-8",
        )
        path.chmod(0o755)

    def call(*argv: str, uv: int, pip: int = 0, **extra: str) -> subprocess.CompletedProcess:
        program(tmp_path / "bin/uv", uv)
        for environment in (".venv", ".venv-lowest"):
            program(tmp_path / environment / "bin/python", pip)
        without = {
            key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MNIST", "PIP_", "UV_"))
        }
        path = f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"
        command = ["make", *argv, f"PYTHON={sys.executable}"]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=without | {"PATH": path} | extra,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        done.args = (tmp_path / "said").read_text(encoding="utf-8").splitlines()
        return done

    return call


@posix_make
def test_uv_installs_the_lock_where_it_is_on_path(make, tmp_path: Path) -> None:
    done = make("install", uv=0, PIP_INDEX_URL="mirror")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.args == [
        "uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements.lock, index <mirror>, MNIST <>"
    ]
    assert (tmp_path / ".venv/.installed").exists()


@posix_make
def test_where_uv_fails_pip_installs_the_lock(make, tmp_path: Path) -> None:
    done = make("install", uv=2)
    assert done.returncode == 0
    assert "uv could not install requirements.lock, as it says above; now pip tries" in done.stderr
    assert [line.split()[0] for line in done.args] == ["uv", "python"]
    assert "--require-hashes -r requirements.lock, index <>" in done.args[1]
    assert (tmp_path / ".venv/.installed").exists()


@posix_make
def test_where_both_fail_nothing_is_marked_installed(make, tmp_path: Path) -> None:
    done = make("install", uv=2, pip=1)
    assert done.returncode == 2
    assert "pip could not install requirements.lock" in done.stderr
    assert not (tmp_path / ".venv/.installed").exists()


@posix_make
def test_the_lowest_versions_are_installed_elsewhere_and_tested_without_real_mnist(make, tmp_path: Path) -> None:
    done = make("test-lowest", uv=0, MNIST_DIR="/somewhere")
    options = "pip install --quiet --python .venv-lowest/bin/python"
    assert done.returncode == 0, done.stderr
    assert done.args == [
        f"uv {options} --resolution lowest-direct -r requirements-dev.txt, index <>, MNIST </somewhere>",
        "python -m pytest -n 2 --dist loadfile, index <>, MNIST <>",
    ]
    (tmp_path / ".venv-lowest/.installed").unlink()
    assert make("test-lowest", uv=2).returncode == 2
    assert not (tmp_path / ".venv-lowest/.installed").exists()
