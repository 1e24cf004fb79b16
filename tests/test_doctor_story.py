"""docs/doctor.md: its loop has the faults that it says, and mended as it says it has none."""

import re
from pathlib import Path

import pytest
import torch
from torch.utils.data import Dataset, Subset
from torchvision import datasets

import lesson
from benchmarks import runs

STORY = (Path(lesson.__file__).parent / "docs/doctor.md").read_text(encoding="utf-8")
BROKEN = re.findall(r"```python\n(.*?)```", STORY, re.DOTALL)[0]
SAID = re.findall(r"```\n(doctor, .*?)```", STORY, re.DOTALL)[0]


def mended(code: str) -> str:
    """The code with the story's diff."""
    for old, new in re.findall(r"(^-.*\n)((?:^\+.*\n)+)", STORY, re.MULTILINE):
        assert code.count(old[1:]) == 1
        code = code.replace(old[1:], new.replace("\n+", "\n")[1:])
    return code


@pytest.fixture(scope="module")
def layout(images_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return runs.torchvision_layout(str(images_dir), str(tmp_path_factory.mktemp("torchvision")))


@pytest.mark.parametrize("healthy", [False, True])
def test_the_storys_loop(
    healthy: bool, layout: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mnist = datasets.MNIST

    def few(root: str, download: bool, transform: object) -> Dataset:
        assert (root, download) == ("data", True)
        return Subset(mnist(layout, transform=transform), range(3200))  # type: ignore[arg-type]

    monkeypatch.setattr(datasets, "MNIST", few)
    code = mended(BROKEN) if healthy else BROKEN
    made, loop = code.split("for epoch in range(10):")
    watched = f"{made}from first_gan import Doctor\ndoctor = Doctor(G, D, opt_G, opt_D)\nfor epoch in range(1):{loop}"
    torch.manual_seed(0)
    exec(watched + "    doctor.epoch_end()\n", {})
    said = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(("Epoch", "doctor, epoch"))]
    assert said == ([] if healthy else SAID.splitlines())
