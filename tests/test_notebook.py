"""notebooks/first_gan.ipynb: it runs from top to bottom, shows what it says, and lies in git without outputs."""

import html
import importlib.util
import io
import os
import re
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

import train
from first_gan.data import TEST_IMAGES, TEST_LABELS, TEST_ROWS, TRAIN_IMAGES, TRAIN_LABELS, TRAIN_ROWS, idx, raw_folder
from first_gan.data.digits import draw_glyphs, render
from first_gan.diagnosis.verdicts import QUESTIONS
from tests.test_embedded import INTERRUPT

ROOT = Path(train.__file__).parent
FILE = ROOT / "notebooks/first_gan.ipynb"
NOTEBOOK = nbformat.read(FILE, as_version=4)
SHORT = 'EPOCHS, IMAGES, DATASET = 2, 600, "digits"'
FEW = (
    500  # of the built-in digits, which are there again and again: to render all takes longer than to run the notebook
)


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def cell_called(name: str) -> NotebookNode:
    """As it lies in git."""
    return next(cell for cell in NOTEBOOK.cells if cell.id == name)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookClient]:
    """Its cells, executed on a few of the built-in digits, where the setup is done; their kernel lives on."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "configs").mkdir()
    recipe = (ROOT / "configs/best.yaml").read_text(encoding="utf-8")
    (folder / "configs/best.yaml").write_text(f"{recipe}quality:\n  samples: 500\n", encoding="utf-8")
    raw = raw_folder(folder / "data", "digits")
    raw.mkdir(parents=True)
    labels = torch.arange(FEW) % 10
    images = render(draw_glyphs(), labels, torch.Generator().manual_seed(0))
    splits = ((TRAIN_IMAGES, TRAIN_LABELS, TRAIN_ROWS), (TEST_IMAGES, TEST_LABELS, TEST_ROWS))
    for images_name, labels_name, rows in splits:
        idx.write(raw / images_name, images.repeat(rows // FEW, 1, 1))
        idx.write(raw / labels_name, labels.to(torch.uint8).repeat(rows // FEW))
    notebook = nbformat.from_dict(NOTEBOOK)
    notebook.cells = [cell for cell in notebook.cells if "setup" not in tags(cell)]
    (parameters,) = (cell for cell in notebook.cells if "parameters" in tags(cell))
    parameters.source = SHORT
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "IPYTHONDIR": str(folder / "ipython")}
    environment = {key: value for key, value in os.environ.items() if key not in ("MNIST_DIR", "JPY_SESSION_NAME")}
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    with client.setup_kernel(env=environment | own):
        for number, cell in enumerate(notebook.cells):
            client.execute_cell(cell, number)
        yield client


@pytest.fixture(scope="module")
def executed(client: NotebookClient) -> dict[str, NotebookNode]:
    """By id."""
    return {cell.id: cell for cell in client.nb.cells}


def said(cell: NotebookNode, name: str = "stdout") -> str:
    return "".join(each.text for each in cell.outputs if each.output_type == "stream" and each.name == name)


def shown(cell: NotebookNode, kind: str = "text/html") -> list[str]:
    return [each.data[kind] for each in cell.outputs if kind in each.get("data", {})]


def pages(cell: NotebookNode) -> list[str]:
    """What is in its frames."""
    return [
        html.unescape(each) for shows in shown(cell) for each in re.findall(r'<iframe [^>]*srcdoc="([^"]*)"', shows)
    ]


def test_training_shows_a_bar_with_samples_and_says_the_verdict(executed: dict[str, NotebookNode]) -> None:
    (bar,) = shown(executed["train"])
    assert re.search(r"Epoch 2/2.*100%.*d_loss \d.*FCD \d", re.sub("<[^>]+>", "", bar))
    source = re.findall(r'src="data:image/png;base64,([^"]+)"', bar)
    assert Image.open(io.BytesIO(b64decode(source[0]))).size == (726, 96)  # eight, three times enlarged
    assert [line.split()[1] for line in said(executed["train"]).splitlines() if "images/s" in line] == ["1/2", "2/2"]
    assert "Verdict: too early to tell" in said(executed["train"])


def test_samples_and_curves_are_shown(executed: dict[str, NotebookNode]) -> None:
    for name in ("samples", "curves"):
        (picture,) = shown(executed[name], "image/png")
        assert min(Image.open(io.BytesIO(b64decode(picture))).size) > 200


def test_the_three_questions_are_answered(executed: dict[str, NotebookNode]) -> None:
    (answers,) = shown(executed["questions"])
    assert all(f"<b>{question}</b> " in answers for question in QUESTIONS.values())
    assert ">too early to tell</strong>" in answers


def test_a_change_is_compared(executed: dict[str, NotebookNode]) -> None:
    bar, diagnosis = shown(executed["change"])
    assert "Epoch 2/2" in bar
    assert "Too soon to say: it is right on" in diagnosis
    (page,) = pages(executed["compare"])
    assert all(f">{text}<" in page for text in ("version_0", "version_1", "--model.lr_g", "1e-06"))


def test_the_doctor_names_the_one_fault(executed: dict[str, NotebookNode]) -> None:
    assert re.findall(r"doctor, update \d+: ([\w-]+)", said(executed["doctor"])) == ["double-sigmoid"]
    (faults,) = shown(executed["doctor"])
    assert "1 fault in the loop&#39;s code" in faults
    assert "<code>double-sigmoid</code>" in faults


def test_the_playground_is_this_runs(executed: dict[str, NotebookNode]) -> None:
    (page,) = pages(executed["play"])
    assert "<title>" in page
    assert "Draw a digit" in page
    assert len(page) > 2_000_000


def test_nothing_fails_or_warns(executed: dict[str, NotebookNode]) -> None:
    code = [cell for cell in executed.values() if cell.cell_type == "code"]
    assert {cell.id: said(cell, "stderr") for cell in code if said(cell, "stderr")} == {}


@pytest.mark.parametrize(
    ("code", "other", "faults"),
    [
        ("", "", []),
        ("        opt_G.zero_grad()\n", "", ["gradients-accumulate"]),
        (
            "D(real), ones) + criterion(D(fake.detach()), zeros",
            "D(real), zeros) + criterion(D(fake.detach()), ones",
            ["labels-swapped"],
        ),
    ],
    ids=["mended", "zero_grad", "labels"],
)
def test_what_the_reader_is_asked_to_try_works(
    code: str, other: str, faults: list[str], client: NotebookClient, executed: dict[str, NotebookNode]
) -> None:
    mended = executed["doctor"].source.replace("BCEWithLogitsLoss", "BCELoss")
    assert code in mended != executed["doctor"].source
    cell = run(client, mended.replace(code, other))
    assert re.findall("<code>([^<]+)</code> ", shown(cell)[0].split("</ul>")[0]) == faults
    assert ("no faults in the loop&#39;s code" in shown(cell)[0]) == (not faults)


def test_an_interruption_ends_the_cell_cleanly(client: NotebookClient, executed: dict[str, NotebookNode]) -> None:
    """And the kernel lives on."""
    cell = run(client, f"import signal\n{INTERRUPT}\n{executed['train'].source}")
    assert "\nInterrupted. No epoch was finished yet" in said(cell, "stderr")
    assert "Traceback" not in said(cell, "stderr")
    assert [each.output_type for each in cell.outputs if each.output_type == "error"] == []
    assert said(run(client, "print(1 + 1)")) == "2\n"


def run(client: NotebookClient, source: str) -> NotebookNode:
    """One more cell, executed."""
    client.nb.cells.append(nbformat.v4.new_code_cell(source))
    return client.execute_cell(client.nb.cells[-1], len(client.nb.cells) - 1)


def test_git_has_it_without_outputs() -> None:
    nbformat.validate(NOTEBOOK)
    code = [cell for cell in NOTEBOOK.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert "widgets" not in NOTEBOOK.metadata
    assert FILE.stat().st_size < 20_000


def test_its_words_are_plain_markdown() -> None:
    """GitHub shows it too, and drops most HTML."""
    words = [cell.source for cell in NOTEBOOK.cells if cell.cell_type == "markdown"]
    assert [text for text in words if re.search(r"<[a-z/!]", text)] == []
    named = set(re.findall(r"`((?:docs|notebooks)/[^`]+|\w+\.py|configs/\w+\.yaml)`", "\n".join(words)))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the setup would run: nothing is run."""
    found: list[list[str]] = []

    def called(argv: list[Any], check: bool) -> None:
        assert check
        found.append([str(word) for word in argv])
        if "clone" in found[-1]:
            (Path(found[-1][-1]) / "notebooks").mkdir(parents=True)

    monkeypatch.setattr(subprocess, "run", called)
    return found


@pytest.mark.parametrize("place", ["", "notebooks"])
def test_the_setup_finds_the_project_around_the_notebook(
    place: str, commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / place)
    exec(cell_called("setup").source, {})
    assert Path.cwd() == tmp_path
    assert commands == []  # all is installed


def test_the_setup_fetches_the_project_and_keeps_torch(
    commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jsonargparse" else found(name))
    exec(cell_called("setup").source, {})
    assert capsys.readouterr().out == ""
    clone, install = commands
    address = re.findall(r"git clone (\S+) first-gan", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert clone == ["git", "clone", "-q", *address, "first-gan"]
    assert install[1:7] == ["-m", "pip", "install", "-q", "-r", "requirements.txt"]
    assert install[7:] == [f"{name}=={version(name)}" for name in ("torch", "torchvision")]
    assert Path.cwd() == tmp_path / "first-gan"
    monkeypatch.setattr("PIL.__version__", "1.0")  # as it was when it was imported
    exec(cell_called("setup").source, {})
    assert capsys.readouterr().out.startswith("Restart the session now")
