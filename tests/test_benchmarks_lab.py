"""The benchmark that makes the pictures of docs/lab.md."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import train
from benchmarks import lab, runs
from first_gan.report.pictures import native


def test_the_lab_trains_its_pages_runs_once_and_draws_them(
    small: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    commands: list[list[str]] = []

    def quick(command: list[str]) -> tuple[str, float]:
        commands.append(command)
        if command[1].endswith("train.py"):
            assert train.main([*command[2:], *small, "--quality.every_n_epochs=1", "--quality.samples=500"]) == 0
        return "", 0.0

    monkeypatch.setattr(runs, "process", quick)
    page = tmp_path / "lab.md"
    page.write_text(
        "```sh\npython train.py --name one --model.lr 1e-3\npython train.py --help\npython generate.py one --num 9 --out nine.png\n```\n",
        encoding="utf-8",
    )
    Image.new("L", (90, 90), 200).save("nine.png")  # generate.py itself is not run here
    monkeypatch.setattr(lab, "PAGE", page)
    for _ in range(2):
        assert lab.bench(["--out", str(tmp_path / "out")]) == 0
    assert Path("lightning_logs/one/report/record.json").rename("kept")
    assert lab.bench(["--out", str(tmp_path / "out")]) == 0
    trained = [command[2:] for command in commands if command[1].endswith("train.py")]
    words = ["--name", "one", "--model.lr", "1e-3"]
    assert trained == [words, [*words, "--ckpt_path=auto"]]  # the second time it was there, the third it had not ended
    assert commands[-1][2:] == ["one", "--num", "9", "--out", "nine.png", "--overwrite"]
    with Image.open(tmp_path / "out/lab_nine.png") as nine:
        assert np.asarray(nine.convert("L")).mean() == pytest.approx(204)  # the nearest of 16 grays
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| one"))
    assert row.split("|")[2].strip() == "too early to tell"
    with (
        Image.open("lightning_logs/one/samples/epoch_0002.png") as drawn,
        Image.open(tmp_path / "out/lab_one.png") as shown,
    ):
        own = native(drawn.convert("L"))
        assert shown.size == (2 * own.width, 2 * own.height)
        smaller = np.asarray(shown.convert("L")).astype(int)[::2, ::2]
    assert np.abs(smaller - np.asarray(own)).mean() < 8
