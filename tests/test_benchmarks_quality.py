"""The benchmarks of quality: runs are made once, scored, tabled and plotted; how good any recipe is, no test says."""

import json
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
import scipy.stats
from PIL import Image

import train
from benchmarks import lab, mending, odd_data, quality, runs, search, time_to_quality
from benchmarks.diagnosis_suite import suite
from benchmarks.quality import RUN
from first_gan.report.pictures import native

Commands = list[list[str]]
SCORES = {key: float(number) for number, key in enumerate(quality.SCORES, start=1)}


@pytest.fixture
def commands(small: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    """train.py runs, in this process and for a second; evaluate.py does not, its result is made up. The commands, as they come."""
    seen: Commands = []
    one_at_a_time = Lock()  # benchmarks start several at once, of which each has a process to itself

    def quick(command: list[str], threads: int | None = None) -> tuple[str, float]:
        seen.append(command)
        if command[1].endswith("train.py"):
            with one_at_a_time:
                assert train.main([*command[2:], *small, "--quality.every_n_epochs=1", "--quality.samples=500"]) == 0
                return capsys.readouterr().out, 0.0
        if command[1].endswith("evaluate.py"):
            scores = {"raw": SCORES, "ema": {key: 2 * value for key, value in SCORES.items()}, "floor": SCORES}
            out = Path(command[2]).with_name("last.evaluation.json")
            out.write_text(json.dumps({"scores": scores}), encoding="utf-8")
        return "", 0.0

    monkeypatch.setattr(runs, "process", quick)
    return seen


def test_recipes_are_trained_once_and_tabled(
    commands: Commands, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["--seeds", "2", "--configs", "lesson", "--out", str(tmp_path / "out"), "--epochs", "2"]
    assert quality.bench(arguments) == 0
    out = capsys.readouterr().out
    programs = [Path(command[1]).name for command in commands]
    assert sorted(programs) == ["evaluate.py"] * 2 + ["train.py"] * 2
    assert {"--seed_everything=0", "--seed_everything=1"} <= {word for command in commands for word in command}
    header, _, lesson, ema, floor = [line.split("|")[1:-1] for line in out.splitlines() if line.startswith("|")]
    column = [cell.strip() for cell in header].index("coverage")
    assert [row[0].strip() for row in (lesson, ema, floor)] == ["lesson", "lesson, ema", "real images"]
    assert [row[column].strip() for row in (lesson, ema, floor)] == ["2.000 ± 0.000", "4.000 ± 0.000", "2.000"]
    assert (tmp_path / "out/lesson_2_epochs_of_60000.png").stat().st_size > 5000
    assert quality.bench(arguments) == 0
    assert len(commands) == 4  # nothing was done again


def test_a_run_that_broke_off_is_done_anew(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "run" / RUN).mkdir(parents=True)
    quality.trained(tmp_path / "run", [], 1)
    assert (tmp_path / "run" / RUN / "checkpoints/last.ckpt").is_file()
    quality.trained(tmp_path / "run", [], 1)
    assert len(commands) == 1
    quality.trained(tmp_path / "run", ["--model.lr=1e-3"], 1)  # another recipe under the same name
    assert len(commands) == 2


def test_the_spread_is_the_sample_standard_deviation() -> None:
    assert quality.mean_and_std([1.0, 3.0], "{:.2f}") == "2.00 ± 1.41"
    assert quality.mean_and_std([1.0], "{:.2f}") == "1.00"


def test_candidates_train_on_other_rows_than_they_are_scored_on(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Scored in earnest, on fewer samples, and sorted by FCD."""
    candidates = {"one": ["--model.lr=1e-9"], "other": ["--model.lr=1e-3"]}
    monkeypatch.setattr(search, "CANDIDATES", candidates)
    monkeypatch.setattr(search, "SAMPLES", 1000)
    assert search.search(["--only", *candidates, "--out", str(tmp_path / "out")]) == 0
    assert all("--data.train_rows=50000" in command for command in commands)
    table = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert {row[0].strip() for row in table[2:]} == {"one", "other"}
    assert float(table[3][1]) > float(table[2][1]) > 50  # FCD of next to nothing learned


def test_time_to_quality(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loop(module: str, job: runs.Job) -> runs.Run:
        return runs.Run(1, 1, seconds=50.0, epoch_seconds=20.0, startup=1.0, peak_mib=1.0)

    monkeypatch.setattr(runs, "loop", loop)
    monkeypatch.setattr(runs, "torchvision_layout", lambda data_dir, to: to)
    arguments = ["--epochs", "2", "--seeds", "1", "--precisions", "bf16-mixed", "--target"]
    assert time_to_quality.bench([*arguments, "2"]) == 0  # the made-up FCD of the moving average
    out = capsys.readouterr().out
    assert "seed 0, bf16-mixed: " in out
    assert "of the lesson's 1000 s; FCD 2.0" in out
    assert any("--precision=bf16-mixed" in command for command in commands)
    monkeypatch.setattr(time_to_quality, "recipe", lambda *arguments: (20.0, 2.0))
    assert time_to_quality.bench(["--seeds", "3", "--target", "1.9"]) == 1
    out = capsys.readouterr().out
    assert out.count("20.0 s, 1/50 of the lesson's 1000 s; FCD 2.0") == 6
    assert "| 32-true    | 20.0 ± 0.0 | 50.0 ± 0.0" in out


def test_intervals_are_students() -> None:
    values = [20.0, 22.0, 21.0, 25.0, 23.0]
    low, high = scipy.stats.t.interval(0.95, 4, loc=22.2, scale=scipy.stats.sem(values))
    assert time_to_quality.interval(values) == f"22.2 ± {(high - low) / 2:.1f}"
    assert time_to_quality.interval([3.0]) == "3.0"


@pytest.mark.parametrize(
    ("bench", "arguments"),
    [
        (quality.bench, ["--rows", "60001"]),
        (quality.bench, ["--configs", "nonsense"]),
        (search.search, ["--only", "nonsense"]),
        (time_to_quality.bench, []),  # no target, and none was measured
    ],
)
def test_bad_input(bench: Callable[[list[str]], int], arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bench(arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_mending_types_the_first_advice_and_then_the_first_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two sick runs one is mended by the first advice, the other by both; the healthy one is left alone."""
    of_suite = {run.name: run for run in suite()}
    healthy, *sick = (of_suite[f"{name}, seed 0"] for name in ("lesson", "frozen G", "lr_g 1e-6"))
    followed = []

    def trained(folder: Path, arguments: list[str], threads: int, may_diverge: bool) -> None:
        followed.append((folder.name, arguments))
        (folder / RUN).mkdir(parents=True)
        mends = folder.name in ("frozen G, seed 0, 1", "lr_g 1e-6, seed 0, 2")
        source = healthy if mends else sick[1]
        (folder / RUN / "metrics.csv").write_bytes(source.file.read_bytes())

    monkeypatch.setattr(mending, "suite", lambda: [healthy, *sick])
    monkeypatch.setattr(mending, "trained", trained)
    monkeypatch.setattr(mending.odd_data, "all_made", lambda *_: {})
    assert mending.bench(["--out", str(tmp_path), "--at_once", "1"]) == 0
    assert [name for name, _ in followed] == ["frozen G, seed 0, 1", "lr_g 1e-6, seed 0, 1", "lr_g 1e-6, seed 0, 2"]
    typed = [arguments[len(sick[1].arguments) :] for _, arguments in followed]
    assert typed[0] == ["--model.lr_g", "2e-4"]
    assert typed[2][:2] == typed[1] == ["--model.lr_g", "2e-4"]
    assert len(typed[2]) == 4
    out = capsys.readouterr().out
    assert "2 of 2 sick runs mended, 100%" in out
    row = next(line for line in out.splitlines() if "dominates" in line)
    assert [cell.strip() for cell in row.split("|")[1:-1]] == ["discriminator dominates", "2", "1", "2", "2"]
    assert out.strip() == (tmp_path / "mending.md").read_text(encoding="utf-8").strip()


def test_the_lab_trains_its_pages_runs_once_and_draws_them(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "lab.md"
    page.write_text(
        "```sh\npython train.py --name one --model.lr 1e-3\npython train.py --help\npython generate.py one --num 9 --out nine.png\n```\n",
        encoding="utf-8",
    )
    Image.new("L", (90, 90), 200).save("nine.png")  # generate.py itself is not run here
    monkeypatch.setattr(lab, "PAGE", page)
    for _ in range(2):
        assert lab.bench(["--out", str(tmp_path / "out")]) == 0
    trained = [command[2:] for command in commands if command[1].endswith("train.py")]
    assert trained == [["--name", "one", "--model.lr", "1e-3"]]  # the second time it was there
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


def test_odd_data_are_what_their_names_say(images_dir: Path, tmp_path: Path) -> None:
    made = odd_data.all_made(str(images_dir), tmp_path)
    assert made.keys() == odd_data.COUNTS.keys()
    assert made["folder"] == ["--data.dataset=folder", f"--data.data_dir={tmp_path / 'folder'}"]
    labels = np.load(tmp_path / "ones.npz")["labels"]
    assert (labels == 1).mean() > 0.5
    assert set(np.load(tmp_path / "two.npz")["labels"].tolist()) == {0, 1}
    assert len(list((tmp_path / "few pictures").glob("*.png"))) <= 450
