"""What the README, its further pages in docs/ and the Makefile promise."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import generate
import train
from first_gan.report.__main__ import main as reporting_main
from tests.conftest import UNREACHABLE
from tests.other_loggers import stand_ins  # noqa: F401 - a fixture

ROOT = Path(train.__file__).parent
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
README, DOCUMENTS = PAGES[ROOT / "README.md"], "\n".join(PAGES.values())
BLOCKS = re.findall(r"^ *```sh\n(.*?)```", DOCUMENTS, re.DOTALL | re.MULTILINE)


def commands() -> list[list[str]]:
    """Every command line of the pages that starts train.py, as words after `train.py`; each once."""
    lines = [line for line in "\n".join(BLOCKS).replace("\\\n", " ").splitlines() if "train.py" in line]
    lines += re.findall(r"`(python train\.py[^`]*)`", DOCUMENTS)
    found = [shlex.split(line.split("train.py", 1)[1], comments=True) for line in lines]
    return [argv for number, argv in enumerate(found) if argv not in found[:number]]


def test_the_readme_opens_with_the_two_commands_and_the_way_without_make() -> None:
    texts = (
        "git clone",
        "make train",
        "make test",
        "pip install -r requirements.txt",
        "python train.py",
        "tensorboard",
    )
    places = [README.index(text) for text in texts]
    assert places == sorted(places)
    assert places[-1] < 1500
    assert len(README.splitlines()) <= 200


@pytest.mark.parametrize("argv", commands(), ids=" ".join)
def test_every_command_of_the_readme_works(
    argv: list[str], small: list[str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Runs each, cut down: few images, one or two epochs, and one process where it asks for a GPU or for many."""
    if "--logger" in argv:  # whose packages need not be installed
        request.getfixturevalue("stand_ins")
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    one_process = ["--accelerator", "cpu", "--devices", "1", "--num_nodes", "1", "--strategy", "auto"]
    if {"--help", "--print_config"} & set(argv):
        with pytest.raises(SystemExit) as end:
            train.main(argv)
        assert end.value.code == 0
    elif "--init_from" in argv:
        assert train.main(small) == 0
        shutil.copy("lightning_logs/version_0/checkpoints/last.ckpt", "copy.ckpt")
        assert train.main([*argv, *small]) == 0
    elif "last" in argv:
        assert train.main(small) == 0
        assert train.main([*argv, "--max_epochs", "3"]) == 0
    elif {"folder", "npz"} & set(argv):
        images = np.random.default_rng(0).integers(0, 256, (240, 28, 28, 3), dtype=np.uint8)
        np.savez("mnist.npz", images=images)
        for number, image in enumerate(images):
            path = Path("pictures", "ab"[number % 2], f"{number}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
        quick = ["--max_epochs", "1", "--quality.every_n_epochs", "0"]
        assert train.main([*argv, *quick, *one_process]) == 0
    else:
        assert train.main([*argv, *small, *one_process, "--data.dataset", "mnist"]) == 0


NAMED = set(re.findall(r"--name ([\w-]+)", "\n".join(BLOCKS)))  # the runs that the pages' commands make
DRAWING = [
    shlex.split(line, comments=True)[1:]
    for line in dict.fromkeys(line.strip() for line in "\n".join(BLOCKS).splitlines())
    if line.startswith(("python generate.py", "python -m first_gan.report"))
]


@pytest.mark.parametrize("argv", DRAWING, ids=" ".join)
def test_every_command_that_draws_or_reports_works(argv: list[str], trained_run: Path, tmp_path: Path) -> None:
    for name in ("version_0", "version_1", *NAMED & set(argv)):
        shutil.copytree(trained_run, tmp_path / "lightning_logs" / name)
        (tmp_path / "lightning_logs" / name / "report.html").unlink()
    if argv[0] == "-m":
        assert reporting_main(argv[2:]) == 0
        alone = len(argv) == 3 and "--all" not in argv
        assert (tmp_path / "lightning_logs/index.html").exists() == ("--all" in argv)
        out = argv[argv.index("--out") + 1] if "--out" in argv else "comparison.html"
        assert (tmp_path / out).exists() == (len(argv) > 3)
        assert (tmp_path / "lightning_logs/version_0/report.html").exists() == alone
    else:
        assert generate.main(argv[1:]) == 0
        assert (tmp_path / Path(argv[-1] if len(argv) > 2 else "samples.png")).is_file()


def test_quickstart_is_the_best_recipe_for_fewer_epochs_on_what_can_be_had() -> None:
    quick, best = (
        yaml.safe_load((ROOT / f"configs/{name}.yaml").read_text(encoding="utf-8")) for name in ("quickstart", "best")
    )
    assert quick == {"data": {"dataset": "auto"}, "max_epochs": 8}
    assert best["max_epochs"] == 50
    assert "--config configs/best.yaml --config configs/quickstart.yaml" in (ROOT / "Makefile").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_and_pictures_exist(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", PAGES[page]) if "://" not in link]
    for link in links:
        file, _, heading = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not heading or heading in headings(PAGES[target.resolve()]), link
    assert page.name != "README.md" or len(links) > 30


def headings(text: str) -> set[str]:
    """As they are linked to."""
    lines = [line for line in text.splitlines() if line.startswith("#")]
    return {re.sub(r"[^a-z -]", "", line.lower()).strip().replace(" ", "-") for line in lines}


def test_every_page_is_linked_from_the_readme() -> None:
    assert [path.name for path in PAGES if path.name != "README.md" and f"](docs/{path.name})" not in README] == []


def test_the_lab_has_eight_experiments_whose_answers_are_hidden() -> None:
    page = PAGES[ROOT / "docs/lab.md"]
    experiments = re.findall(r"^## \d.*?(?=^## )", page, re.DOTALL | re.MULTILINE)
    assert len(experiments) == 8
    for experiment in experiments:
        asked, opened, answer = experiment.partition(
            "<details>\n<summary>What happened, and why</summary>\n\n"
        )  # GitHub wants the empty line
        assert opened
        name = re.findall(r"^python train\.py .*--name (\S+)", asked, re.MULTILINE)
        assert "**What do you expect?**" in asked
        assert f"](lab_{name[0]}.png)" in answer
        assert "Verdict: " in answer
        assert answer.rstrip().endswith("</details>")
    pictures = [path.stat().st_size for path in (ROOT / "docs").glob("lab_*.png")]
    assert max(pictures) < 150_000
    assert sum(pictures) < 400_000


def test_pictures_are_small_enough_to_load() -> None:
    assert all(path.stat().st_size < 1024 * 1024 for path in (ROOT / "docs").iterdir())


def test_requirements_are_what_train_imports() -> None:
    names = set(re.findall(r"^([\w-]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE))
    card = {"torch", "torchvision", "pytorch-lightning", "tensorboard", "matplotlib"}
    assert names - card == {"jsonargparse", "rich", "filelock", "Jinja2", "pillow", "PyYAML"}
    assert card <= names


@pytest.mark.skipif(shutil.which("make") is None or sys.platform == "win32", reason="needs make and a shell")
def test_an_unreachable_index_is_said_plainly_and_nothing_is_marked_installed(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": UNREACHABLE, "PIP_FIND_LINKS": "", "PIP_RETRIES": "0"}
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_", "MAKE"))} | pip
    done = subprocess.run(
        ["make", "train"], cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 2
    assert "the package index cannot be reached" in done.stderr
    assert not (tmp_path / ".venv/.installed").exists()
