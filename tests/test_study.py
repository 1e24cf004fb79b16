"""A study from its command line: what it trains, what it goes on with, and what it says. Its runs are tests/fake_train.py's."""

import csv
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

import study
import train
from first_gan.study import processes
from tests.test_readme import BLOCKS

ROOT = Path(train.__file__).parent
VARY = ["--max_epochs=3", "--vary", "model.lr=[0.01, 0.05]"]
FOLDER = Path("studies/lr")
Study = Callable[..., tuple[int, str, str]]


def began(folder: Path = FOLDER) -> list[str]:
    return [line.split()[0] for line in (folder / "began.txt").read_text(encoding="utf-8").splitlines()]


def rows(folder: Path = FOLDER) -> list[dict[str, str]]:
    with (folder / "study.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_grid_is_trained_and_said_and_goes_on_with_what_is_there(call: Study) -> None:
    code, out, err = call(*VARY, "--seeds", "2", "--at_once", "2")
    assert (code, err) == (0, "")
    assert "Study    studies/lr: 2 settings over 2 seeds, 4 trials\n" in out
    assert re.search(r"\[4/4\] lr=0.0\d_seed_1: FCD [\d.]+, ", out)
    assert "lr 0.01 is better than lr 0.05 (FCD 4.38 against 8.38, 2 seeds, p < .001)." in out
    assert sorted(began()) == [f"lr={lr}_seed_{seed}" for lr in (0.01, 0.05) for seed in (0, 1)]
    assert [row["fcd"] for row in rows()] == ["4.33333", "8.33333", "4.43333", "8.43333"]
    kept = json.loads((FOLDER / "study.json").read_text(encoding="utf-8"))
    assert [each["setting"] for each in kept["settings"]] == [{"model.lr": 0.01}, {"model.lr": 0.05}]
    assert kept["settings"][0]["fcd"]["by_seed"] == pytest.approx({"0": 4.33333, "1": 4.43333})
    (pair,) = kept["comparisons"]
    assert (pair["seeds"], pair["better"]) == (2, "lr 0.01")

    code, out, _ = call(*VARY, "--seeds", "3")  # more seeds and another value, typed otherwise, extend it
    assert code == 0
    assert len(began()) == 6
    code, out, _ = call("--vary=model.lr=[1e-2,5e-2,0.1]", "--max_epochs=3")
    assert "7 trials, 6 were done before" not in out
    assert len(began()) == 7
    assert len(rows()) == 7
    assert not list((FOLDER / "workers").iterdir())

    code, out, err = call(*VARY, "--model.lr_d", "1e-3")
    assert code == 2
    assert "studies/lr is of other options: --model.lr_d was null, is 0.001 now\n" in err
    code, out, err = call("--name", "lr", "--max_epochs=3", "--vary", "model.r1=[0, 1]")
    assert "studies/lr tries model.lr, and not model.r1\n" in err
    assert len(began()) == 7
    before = (FOLDER / "study.html").read_bytes()
    (FOLDER / "study.html").unlink()
    assert call("--name", "lr", "--report")[:2] == (0, "written to studies/lr/study.html: open it in a browser\n")
    assert (FOLDER / "study.html").read_bytes() == before


def test_a_varied_config_that_was_changed_begins_no_trial_under_its_old_name(call: Study, tmp_path: Path) -> None:
    """Comments and layout aside; and other configs may be added."""
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    for path, lr in ((one, 0.01), (two, 0.05)):
        path.write_text(f"model:\n  lr: {lr}\n", encoding="utf-8")
    study_of = ["--max_epochs=3", "--name", "configs", "--vary"]
    assert call(*study_of, f"config=[{one}]")[0] == 0
    one.write_text("# the same\nmodel: {lr: 0.01}\n", encoding="utf-8")
    assert call(*study_of, f"config=[{one}, {two}]", "--seeds", "2")[0] == 0
    assert len(began(Path("studies/configs"))) == 4
    two.write_text("model:\n  lr: 0.06\n", encoding="utf-8")
    code, out, err = call(*study_of, f"config=[{one}, {two}]", "--seeds", "3")
    assert (code, out) == (2, "")
    assert f"{two} was changed since studies/configs trained by it\n" in err
    assert len(began(Path("studies/configs"))) == 4


def test_a_trial_that_fails_ends_nothing_and_says_why(call: Study, tmp_path: Path) -> None:
    code, out, _ = call("--max_epochs=3", "--vary", "model.lr=[9, 8, 0.01]")
    assert code == 0
    assert "lr=9_seed_0: failed: diverged in epoch 1 (…/x): a loss became nan.\n" in out
    assert "failed: no FCD was measured" in out
    assert "2 failed, such as " in out
    assert "(--retry tries them again)" in out
    assert [row["state"] for row in rows()] == ["failed", "failed", "done"]
    for name in ("study.html", "study.json", "study.csv"):
        assert str(tmp_path) not in (FOLDER / name).read_text(encoding="utf-8")
    assert call("--max_epochs=3", "--vary", "model.lr=[9, 8, 0.01]")[0] == 0
    assert len(began()) == 3
    call("--max_epochs=3", "--vary", "model.lr=[9, 8, 0.01]", "--retry")
    assert len(began()) == 5
    assert [row["state"] for row in rows()] == ["done", "failed", "failed"]
    assert call("--max_epochs=3", "--vary", "model.lr=[9]", "--name", "bad")[0] == 1


def test_a_search_stops_what_is_worse_and_repeats_the_rest_over_seeds(call: Study) -> None:
    sample = ["--max_epochs=8", "--sample", "model.lr=loguniform(1e-3, 3)", "--trials", "12"]
    code, _, _ = call(*sample, "--seeds", "2")
    assert code == 0
    drawn = {row["run"]: float(row["model.lr"]) for row in rows()}
    first = [row for row in rows() if row["seed"] == "0"]
    assert len(first) == 12
    assert all(1e-3 <= lr <= 3 for lr in drawn.values())
    assert len(set(drawn.values())) == 12
    again = [row for row in rows() if row["seed"] == "1"]
    assert {row["run"].replace("seed_1", "seed_0") for row in again} == {
        r["run"] for r in first if r["state"] == "done"
    }
    assert all(drawn[row["run"]] == drawn[row["run"].replace("seed_1", "seed_0")] for row in again)
    assert {row["state"] for row in again} == {"done"}
    page = (FOLDER / "study.html").read_text(encoding="utf-8")
    assert page.count('class="scatter"') == 1
    assert call(*sample, "--name", "again", "--trials", "2")[0] == 0  # the same study draws the same settings
    assert [row["model.lr"] for row in rows(Path("studies/again"))] == [row["model.lr"] for row in first][:2]
    code, _, err = call(sample[0], "--sample", "model.lr=uniform(1e-3, 3)")
    assert code == 2
    assert "studies/lr tries model.lr loguniform(0.001, 3), and not model.lr uniform(0.001, 3)" in err


def test_what_was_cut_off_before_its_first_epoch_begins_anew(call: Study) -> None:
    for name in ("lr=0.01_seed_0", "lr=0.05_seed_0"):
        (FOLDER / "lightning_logs" / name / "samples").mkdir(parents=True)
    assert call(*VARY)[0] == 0
    assert [row["state"] for row in rows()] == ["done", "done"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--vary", "model.lt=[1]"], "unknown option --model.lt; did you mean --model.lr?"),
        (["--vary", "model.lr=[-1]"], "--model.lr must be above 0, got -1.0"),
        (["--vary", "model.lr=[1]", "--sample", "model.r1=uniform(0, 1)"], "leave one of them out"),
        (["--sample", "data.batch_size=uniform(1, 9)"], "data.batch_size"),
        (["--trials", "3"], "there is no --sample"),
        (["--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["--sees", "3"], "unknown option --sees; did you mean --seeds?"),
        (["--seeds", "x"], "argument --seeds: invalid int value: 'x'"),
        (["--storage", "study.db"], "is no database's URL"),
        (["--storage", "nonsense://me:secret@there/x"], "nonsense://there/x cannot be used: "),
        (["--ckpt_path", "last"], "a study goes on by itself"),
        (["--quality.every_n_epochs", "0"], "a study goes by the FCD"),
        (["--fast_dev_run", "true"], "a study learns nothing of it"),
        (["--open"], "open study.html"),
        (["--name", "a/b"], "make a name"),
        (["--name", "none", "--report"], "no study at studies/none"),
    ],
)
def test_bad_input_is_said_before_anything_is_made(argv: list[str], said: str, call: Study) -> None:
    code, out, err = call(*argv)
    assert (code, out) == (2, "")
    assert said in err
    assert "secret" not in err
    assert err.count("\n") <= 2
    assert not list(Path("studies").glob("*/study*")) or "storage" in argv[0]


def test_without_its_packages_it_is_one_line(call: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "PACKAGES", ("no_such_package",))
    code, _, err = call("--vary", "model.lr=[1]")
    assert code == 2
    assert err.startswith("study.py: error: a study needs no_such_package: ")
    assert "-m pip install -r " in err
    assert err.count("\n") == 1
    assert not Path("studies").exists()


def test_a_broken_journal_is_said(call: Study) -> None:
    FOLDER.mkdir(parents=True)
    (FOLDER / "study.journal").write_text("nonsense\n", encoding="utf-8")
    code, _, err = call(*VARY)
    assert code == 2
    assert "the study's storage studies/lr cannot be used: " in err


def test_images_without_labels_cannot_be_studied(small: list[str]) -> None:
    options = study.resolver([*small, "--quality.every_n_epochs", "1"])([])
    study.ready(options)
    options.data.dataset, options.data.data_dir = "npz", "missing.npz"
    with pytest.raises(study.UserError):
        study.ready(options)


LINES = [line for line in "\n".join(BLOCKS).replace("\\\n", " ").splitlines() if "study.py" in line]
COMMANDS = dict.fromkeys(tuple(shlex.split(line.split("study.py", 1)[1].rstrip("& "))) for line in LINES)


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
def test_every_command_of_the_page_works(argv: tuple[str, ...], call: Study, tmp_path: Path) -> None:
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    there = ["--storage", "sqlite:///study.db"] if "--storage" in argv else []
    few = ["--trials", "2"] if "--sample" in argv else []
    code, out, err = call(
        *argv, *there, *few, "--seeds", "1", "--max_epochs=1", "--accelerator", "cpu", "--at_once", "4"
    )
    assert (code, err) == (0, "")
    assert "(open it in a browser)" in out
    assert list(Path("studies").glob("*/study.html"))


def test_a_real_run_is_a_trial(
    small: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And train.py says of one that has ended what a study knows it by."""
    monkeypatch.setattr(processes, "POLL", 0.05)
    quick = [*small, "--max_epochs", "1", "--quality.every_n_epochs", "1", "--quality.samples", "500"]
    assert study.main([*quick, "--vary", "model.lr=[1e-3]"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"\[1/1\] lr=0.001_seed_0: FCD [\d,]+, too early to tell", out)
    run = FOLDER / "lightning_logs/lr=0.001_seed_0"
    assert {"report.html", "summary.json", "checkpoints"} <= {path.name for path in run.iterdir()}
    again = ["--name", run.name, "--ckpt_path", "auto", "--default_root_dir", str(FOLDER), "--model.lr", "1e-3"]
    assert train.main([*quick, *again]) == 2
    assert processes.ENDED.search(capsys.readouterr().err)
