"""The benchmarks of quality: which runs they train, what scores them, and their tables; how good any recipe is, no test says."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import diagnosis_suite, mending, odd_data, quality, runs, time_to_quality
from benchmarks.diagnosis_suite import suite
from first_gan.run.folder import LAST, LOGS, METRICS, read_rows

SCORES = {key: float(number) for number, key in enumerate(quality.SCORES, start=1)}
TEST_SET = {"raw": SCORES, "ema": {key: 2 * value for key, value in SCORES.items()}, "floor": SCORES}
Wanted = dict[str, list[str]]


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> list[Wanted]:
    """Runs are not trained: what is wanted, call by call. Those of the suites have the recorded histories, by their names."""
    seen: list[Wanted] = []

    def train_all(wanted: Mapping[str, Sequence[str]], root: Path, at_once: int) -> dict[str, Path]:
        seen.append({name: list(arguments) for name, arguments in wanted.items()})
        for name in wanted:
            (root / LOGS / name / LAST).parent.mkdir(parents=True, exist_ok=True)
            if not (root / LOGS / name / LAST).exists():
                (root / LOGS / name / LAST).touch()
            history = diagnosis_suite.HISTORIES / f"{name.rpartition('-')[0]}.csv"
            if history.is_file():
                shutil.copy(history, root / LOGS / name / METRICS)
        return {name: root / LOGS / name for name in wanted}

    for module in (quality, diagnosis_suite, mending):
        monkeypatch.setattr(module, "train_all", train_all)
    monkeypatch.setattr(odd_data, "all_made", lambda *_: {name: [f"--data.dataset={name}"] for name in odd_data.COUNTS})
    return seen


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """evaluate.py is not run, its scores are made up; its command lines."""
    seen = []

    def process(command: list[str]) -> tuple[str, float]:
        assert Path(command[1]) == runs.ROOT / "evaluate.py"
        seen.append(command[2:])
        out = Path(command[2]).with_name("last.evaluation.json")
        out.write_text(json.dumps({"scores": TEST_SET}), encoding="utf-8")
        return "", 0.0

    monkeypatch.setattr(runs, "process", process)
    return seen


def cells(out: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if line.startswith("|")]


def test_recipes_are_trained_over_seeds_and_scored_on_the_test_set(
    wanted: list[Wanted], evaluated: list[list[str]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["--seeds", "2", "--rows", "50000", "--out", str(tmp_path / "out"), "--epochs", "20"]
    assert quality.bench(arguments) == 0
    out = capsys.readouterr().out
    options = [mending.given(each) | {"words": each} for each in wanted[0].values()]  # as train.py reads them
    assert [each["max_epochs"] for each in options] == [20] * 4
    assert [each["data.train_rows"] for each in options] == [50_000] * 4
    assert [each["model.lr"] for each in options] == [2e-4, 2e-4, 1e-3, 1e-3]
    assert [each["model.ema_decay"] for each in options] == [0.999, 0.999, 0.9998, 0.9998]
    seeds = [word for each in options for word in each["words"] if word.startswith("--seed")]
    assert seeds == ["--seed_everything=0", "--seed_everything=1"] * 2
    assert evaluated == [[str(tmp_path / "out" / LOGS / name / LAST)] for name in wanted[0]]
    header, _, *rows = cells(out)
    column = header.index("coverage")
    assert {row[0]: row[column] for row in rows} == {
        "lesson": "2.000 ± 0.000",
        "lesson, ema": "4.000 ± 0.000",
        "best, raw": "2.000 ± 0.000",
        "best": "4.000 ± 0.000",
        "real images": "2.000",
    }
    assert "lesson is better than best (FCD 1 against 2, 2 seeds, p < .001)" in out
    kept = json.loads((tmp_path / "out/20_epochs_of_50000.json").read_text(encoding="utf-8"))
    assert [each["fcd"] for each in kept["best"]] == [2.0, 2.0]
    assert quality.bench(arguments) == 0
    assert len(evaluated) == 4  # nothing was scored again


def test_another_recipe_is_another_run(tmp_path: Path) -> None:
    """Also where a config file was changed under the same name."""
    config = tmp_path / "best.yaml"
    names = []
    for text in ("model: {lr: 1e-3}", "model: {lr: 2e-3}"):
        config.write_text(text, encoding="utf-8")
        names += [quality.run_name("best", [word, f"--max_epochs={epochs}"]) for word in (f"--config={config}", str(config))
                  for epochs in (2, 3)]  # fmt: skip
    assert len(set(names)) == 4
    assert names[:2] == names[2:4]
    config.write_text("# as before\nmodel:\n  lr: 1e-3\n", encoding="utf-8")
    assert quality.run_name("best", [str(config), "--max_epochs=2"]) == names[0]


def test_the_spread_is_the_sample_standard_deviation() -> None:
    assert quality.mean_and_std([1.0, 3.0], "{:.2f}") == "2.00 ± 1.41"
    assert quality.mean_and_std([1.0], "{:.2f}") == "1.00"


def test_time_to_quality(
    evaluated: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The lesson's epoch is timed before each seed, and the recipe as it stands in each precision."""
    timed: list[tuple[str, ...]] = []

    def loop(module: str, job: runs.Job) -> runs.Run:
        timed.append((module, str(job.batch_size)))
        return runs.Run(1, 1, seconds=50.0, epoch_seconds=20.0, startup=1.0, peak_mib=1.0)

    def trained(folder: Path, *arguments: str) -> tuple[int, float, float]:
        timed.append(arguments)
        (folder / LOGS / "version_0/checkpoints").mkdir(parents=True)
        (folder / LOGS / "version_0" / LAST).touch()
        return 1, 20.0, 1.0

    monkeypatch.setattr(runs, "loop", loop)
    monkeypatch.setattr(runs, "timed", trained)
    monkeypatch.setattr(runs, "torchvision_layout", lambda data_dir, to: to)
    arguments = ["--epochs", "2", "--seeds", "2", "--out", str(tmp_path), "--target"]
    assert time_to_quality.bench([*arguments, "2"]) == 0  # the made-up FCD of the moving average
    out = capsys.readouterr().out
    assert [each[0] == "textbook" for each in timed] == [True, False, False] * 2
    options: list[dict[str, Any]] = [mending.given(each) for each in timed if each[0] != "textbook"]
    assert [(each["model.lr"], each["max_epochs"]) for each in options] == [(1e-3, 2)] * 4
    assert [each["precision"] for each in options] == ["32-true", "bf16-mixed"] * 2
    assert out.count("20.0 s, 1/50 of the lesson's 1000 s; FCD 2.0") == 4
    assert cells(out)[2] == ["32-true", "20.0 ± 0.0", "50.0 ± 0.0", "2.0 ± 0.0"]
    kept = json.loads((tmp_path / "time_to_quality.json").read_text(encoding="utf-8"))
    assert [each["times"] for each in kept["bf16-mixed"]] == [50.0, 50.0]
    assert time_to_quality.bench([*arguments, "1.9"]) == 1


def test_means_have_students_interval() -> None:
    assert time_to_quality.mean([20.0, 22.0, 21.0, 25.0, 23.0]) == "22.2 ± 2.4"
    assert time_to_quality.mean([3.0]) == "3.0"


@pytest.mark.parametrize(
    ("bench", "arguments"),
    [
        (quality.bench, ["--rows", "60001"]),
        (quality.bench, ["--seeds", "0"]),
        (quality.bench, ["--configs", "nonsense"]),
        (quality.bench, ["--out", "/dev/null/out"]),
        (time_to_quality.bench, ["--target", "x"]),
    ],
)
def test_bad_input(bench: Callable[[list[str]], int], arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bench(arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_the_suite_is_trained_and_diagnosed(
    wanted: list[Wanted], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As its recorded histories are; each run by a name of its own, with its own images."""
    of_suite = {run.name: run for run in suite()}
    odd = next(run for run in of_suite.values() if run.data and len(read_rows(run.file)) < 30)
    some = [of_suite["lesson, seed 0"], of_suite["lr 1e-1, seed 0"], of_suite["lesson, seed 1"], odd]
    monkeypatch.setattr(diagnosis_suite, "suite", lambda: some)
    of_plain = ["--suite", "diagnosis", "--out", str(tmp_path)]
    assert diagnosis_suite.bench([*of_plain[2:], "--data_dir", "there"]) == 0
    own = [
        ["--data.data_dir=there"],
        ["--data.data_dir=there"],
        ["--data.data_dir=there"],
        [f"--data.dataset={odd.data}"],
    ]
    assert list(wanted[0].values()) == [[*run.arguments, *data] for run, data in zip(some, own, strict=True)]
    assert "(95 % interval" in capsys.readouterr().out
    assert diagnosis_suite.bench(of_plain) == 0
    assert len(wanted[1]) == sum(run.suite == "diagnosis" for run in some)
    trained = capsys.readouterr().out
    assert diagnosis_suite.bench([*of_plain, "--recorded"]) == 0
    assert len(wanted) == 2
    assert trained == capsys.readouterr().out
    assert "3 of 3 verdicts right, 100% (95 % interval 44% to 100%)" in trained


def test_mending_types_the_first_advice_and_then_the_first_two(
    wanted: list[Wanted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two sick runs one is mended by the first advice, the other by both; the healthy one is left alone."""
    of_suite = {run.name: run for run in suite()}
    healthy, *sick = (of_suite[f"{name}, seed 0"] for name in ("lesson", "frozen G", "lr_g 1e-6"))
    train = mending.train_all

    def mended(asked: Wanted, root: Path, at_once: int) -> dict[str, Path]:
        folders = train(asked, root, at_once)
        for name, folder in folders.items():
            if name.startswith("frozen_G") or len(wanted) == 2:
                shutil.copy(healthy.file, folder / METRICS)
        return folders

    monkeypatch.setattr(mending, "train_all", mended)
    monkeypatch.setattr(mending, "wanted_by", lambda options: [healthy, *sick])
    assert mending.bench(["--out", str(tmp_path), "--at_once", "1"]) == 0
    assert [[name.rpartition("-")[0] for name in each] for each in wanted] == [
        ["frozen_G_seed_0", "lr_g_1e-6_seed_0"],
        ["lr_g_1e-6_seed_0"],
    ]
    assert len({name for each in wanted for name in each}) == 3
    (frozen, slow), (both,) = (list(each.values()) for each in wanted)
    assert frozen[len(sick[0].arguments) :] == ["--model.lr_g", "2e-4"]
    typed = [each[len(sick[1].arguments) :] for each in (slow, both)]
    assert typed[1][:2] == typed[0] == ["--model.lr_g", "2e-4"]
    assert len(typed[1]) == 4
    out = capsys.readouterr().out
    assert "2 of 2 sick runs mended, 100%" in out
    row = next(line for line in out.splitlines() if "dominates" in line)
    assert [cell.strip() for cell in row.split("|")[1:-1]] == ["discriminator dominates", "2", "1", "2", "2"]
    assert (tmp_path / "mending.md").read_text(encoding="utf-8").strip() in out


def test_odd_data_are_what_their_names_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thirtieth of them."""
    few = {name: [count // 30 for count in counts] for name, counts in odd_data.COUNTS.items()}
    labels = torch.arange(3000) % 10
    images = SimpleNamespace(train=torch.randint(256, (3000, 1, 28, 28), dtype=torch.uint8), train_labels=labels)
    monkeypatch.setattr(odd_data, "COUNTS", few)
    monkeypatch.setattr(odd_data, "MNISTDataModule", lambda data_dir: SimpleNamespace(images=images))
    made = odd_data.all_made("anywhere", tmp_path)
    assert made.keys() == few.keys()
    assert made["folder"] == ["--data.dataset=folder", f"--data.data_dir={tmp_path / 'folder'}"]
    kept = np.load(tmp_path / "ones.npz")["labels"]
    assert (kept == 1).mean() > 0.5
    two = np.load(tmp_path / "two.npz")
    assert set(two["labels"].tolist()) == {0, 1}
    assert np.array_equal(two["images"][0], images.train[0, 0])
    assert len(list((tmp_path / "few pictures").glob("*.png"))) == sum(few["few pictures"])
