"""The diagnosis while a run goes on: said when it changes, kept, at the end of every run, and a reason to stop."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import train
from datamodule import MNISTDataModule
from first_gan.callbacks.counting import taken_for_real
from first_gan.callbacks.quality import QualityMonitor
from first_gan.data import scaled
from first_gan.diagnosis import diagnose
from first_gan.diagnosis.history import FCD
from first_gan.diagnosis.rules import RULES
from first_gan.diagnosis.verdicts import QUESTIONS, RELAPSED
from first_gan.run import checkpoints
from first_gan.run import folder as run_folder
from tests.conftest import offline
from tests.test_distributed import DDP
from tests.test_train import FOLDER, events, steps

Run = Callable[..., tuple[int, str, str]]
SCORES = ["--quality.every_n_epochs", "1", "--quality.samples", "500"]


def summary(folder: Path = FOLDER) -> dict:
    return json.loads((folder / run_folder.SUMMARY).read_text(encoding="utf-8"))


def test_the_end_says_what_summary_json_and_tensorboard_say(run: Run, small: list[str]) -> None:
    code, out, err = run(*small, *SCORES)
    assert (code, err) == (0, "")
    found = summary()
    assert {"verdict", "confidence", "answers", "evidence", "advice", "findings"} <= found.keys()
    ending = out.split("Trained to")[1]
    assert f"Verdict: {found['verdict']} (confidence {found['confidence']})" in ending
    for name, question in QUESTIONS.items():
        assert found["answers"][name]["question"] == question
        assert f"{question} " in ending
        assert found["answers"][name]["answer"] in ending
    assert found["advice"][0]["option"] in ending
    assert f" -m tensorboard.main --logdir {FOLDER.parent}\n" in ending
    for name in QUESTIONS:
        assert steps(FOLDER, f"verdict/{name}") == [10, 20]
        assert events(FOLDER).Scalars(f"verdict/{name}")[-1].value == found["answers"][name]["score"]
    text = events(FOLDER).Tensors("health/diagnosis/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert found["verdict"] in text
    assert diagnose(run_folder.read_metrics(FOLDER), {}).as_dict()["verdict"] == found["verdict"]


def test_a_verdict_is_said_when_it_changes_and_not_again(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = ["improving", "improving", "mode collapse", "mode collapse", "improving", "improving"]
    monkeypatch.setattr("first_gan.diagnosis.judged", lambda history: (verdicts[len(history.epochs) - 1], [], []))
    _, out, _ = run(*small, "--max_epochs", "4")
    said = [line.split(" (")[0] for line in out.splitlines() if line.startswith("Verdict after")]
    assert said == ["Verdict after epoch 1: improving", "Verdict after epoch 3: mode collapse"]
    _, out, _ = run("--ckpt_path", "last", "--max_epochs", "6")
    said = [line.split(" (")[0] for line in out.splitlines() if line.startswith("Verdict after")]
    assert said == ["Verdict after epoch 5: improving"]


def test_stop_on_ends_the_run_at_a_verdict_that_lasts_and_the_command_it_prints_goes_on(
    run: Run, small: list[str]
) -> None:
    code, out, err = run(*small, "--max_epochs", "9", "--health.stop_on", "[diverging, too early to tell]")
    assert code == 1
    assert "stopped on 'too early to tell', as --health.stop_on wants" in err
    assert "Traceback" not in err
    assert "Verdict: too early to tell (confidence medium)" in out
    assert summary()["verdict"] == "too early to tell"
    epochs = checkpoints.load_checkpoint(FOLDER / run_folder.LAST)["epoch"] + 1
    assert epochs == 3
    command = shlex.split(err.splitlines()[-1])
    assert run(*command[command.index("--ckpt_path") :], "--max_epochs", "5")[0] == 0
    assert checkpoints.load_checkpoint(FOLDER / run_folder.LAST)["epoch"] + 1 == 5


def test_stop_on_ends_all_ranks(images_dir: Path, tmp_path: Path) -> None:
    data = ["--data.data_dir", str(images_dir), "--data.train_rows", "600", "--quality.every_n_epochs", "0"]
    command = [sys.executable, str(Path(train.__file__)), *DDP, *data, "--health.stop_on", "[too early to tell]"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, encoding="utf-8")
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("stopped on 'too early to tell'") == 1
    assert done.stdout.count("Verdict: ") == 1


def test_a_late_collapse_ends_the_run_within_three_scores_and_the_best_epoch_is_kept(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fcds = iter([900.0, 600.0, 300.0, 100.0, 110.0, 400.0, 410.0, 420.0, 430.0])
    monkeypatch.setattr(QualityMonitor, "_score", lambda self, gan: {FCD: next(fcds), "val/coverage": 0.5} | self.floor)
    monkeypatch.setattr("first_gan.diagnosis.MIN_UPDATES", 0)
    # Of twenty updates all else is wrong, too.
    monkeypatch.setattr("first_gan.diagnosis.RULES", [rule for rule in RULES if rule.verdict == RELAPSED])
    code, out, err = run(*small, *SCORES, "--max_epochs", "9", "--health.stop_on", "[relapsed]")
    assert code == 1
    assert "stopped on 'relapsed', as --health.stop_on wants" in err
    assert "Verdict after epoch 6: relapsed since epoch 6" in out
    assert "epoch 4 was better" in out
    assert checkpoints.load_checkpoint(FOLDER / run_folder.LAST)["epoch"] + 1 == 7
    assert checkpoints.load_checkpoint(FOLDER / run_folder.BEST)["epoch"] + 1 == 4
    found = summary()["findings"][0]
    assert (found["verdict"], found["since"]) == ("relapsed", 6)
    page = (FOLDER / "report.html").read_text(encoding="utf-8")
    assert '"kind": "fault", "label": "relapsed since"' in page
    assert "since when something is wrong" in page


def test_an_unknown_verdict_to_stop_on(run: Run, small: list[str]) -> None:
    code, _, err = run(*small, "--health.stop_on", "[boredom]")
    assert code == 2
    assert "--health.stop_on must be out of improving, converged" in err
    assert "'boredom'" in err
    assert not Path("lightning_logs").exists()


def test_a_loss_that_is_no_number_gets_the_same_ending(run: Run, small: list[str]) -> None:
    code, out, err = run(*small, "--model.lr", "1e30")
    assert code == 1
    assert "diverged in epoch 1, update" in err
    assert "Verdict: diverging (confidence high)" in out
    assert "--model.lr 2e-4" in out
    assert "TensorBoard  " in out
    assert events(FOLDER).Scalars("verdict/convergence")[-1].value == -1
    assert summary()["verdict"] == "diverging"
    assert "<strong>diverging</strong>" in (FOLDER / "report.html").read_text(encoding="utf-8")
    assert all(answer["answer"] and "nan" not in answer["answer"] for answer in summary()["answers"].values())


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_gets_the_same_ending(images_dir: Path, tmp_path: Path) -> None:
    options = ["--data.data_dir", str(images_dir), "--data.train_rows", "2000", "--quality.every_n_epochs", "0"]
    command = [
        sys.executable,
        "-u",
        str(Path(train.__file__)),
        "--accelerator",
        "cpu",
        "--max_epochs",
        "1000",
        *options,
    ]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=offline(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Epoch 2/"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Verdict: " in out
    assert "Is G improving?" in out
    assert "samples/epoch_" in out
    assert "report.html" in out
    assert f"<strong>{summary(tmp_path / FOLDER)['verdict']}</strong>" in (tmp_path / FOLDER / "report.html").read_text(
        encoding="utf-8"
    )
    assert "--ckpt_path" in err
    assert summary(tmp_path / FOLDER)["verdict"] in out


def test_diagnosing_changes_nothing_that_is_learned(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*small)
    monkeypatch.setattr("first_gan.callbacks.health.HealthMonitor.on_train_epoch_end", lambda *_: None)
    run(*small)
    states = [
        checkpoints.load_checkpoint(FOLDER.with_name(f"version_{n}") / run_folder.LAST)["state_dict"] for n in (0, 1)
    ]
    assert all(states[0][name].equal(states[1][name]) for name in states[0])


def test_a_run_on_hardly_any_images_has_no_diversity_and_is_diagnosed_all_the_same(run: Run, small: list[str]) -> None:
    code, out, err = run(*small, "--data.train_rows", "1", "--data.batch_size", "1")
    assert (code, err) == (0, "")
    assert "Verdict: too early to tell" in out


def test_held_out_images_are_not_trained_on(images_dir: Path) -> None:
    data = MNISTDataModule(data_dir=str(images_dir), train_rows=600)
    data.setup()
    everything = data.images.train
    assert torch.equal(data.held_out_images, everything[600:])
    whole = MNISTDataModule(data_dir=str(images_dir))
    whole.setup()
    assert torch.equal(whole.held_out_images, whole.images.test)


def test_what_d_knows_of_training_images_and_of_others_is_logged(
    run: Run, small: list[str], images_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("first_gan.callbacks.health.taken_for_real", lambda gan, images: scaled(images).mean().item())
    run(*small, "--data.train_rows", "600")
    images = MNISTDataModule(data_dir=str(images_dir)).images.train
    logged = run_folder.read_metrics(FOLDER)[-1]
    seen, held_out = (scaled(some).mean().item() for some in (images[:500], images[600:1100]))
    assert abs(seen - held_out) > 1e-4
    assert (logged["train/d_seen"], logged["train/d_held_out"]) == pytest.approx((seen, held_out), abs=1e-5)
    assert {"train/copying", "train/thumbnail_fd", "train/missing_kinds"} <= logged.keys()


def test_d_is_asked_in_eval_mode_and_left_as_it_was() -> None:
    class Bright(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.threshold = nn.Parameter(torch.zeros(1))
            self.frozen = nn.BatchNorm1d(1).eval()  # by its author

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            assert not self.training
            return images.flatten(1).mean(1, keepdim=True) - self.threshold

    gan = SimpleNamespace(discriminator=Bright(), image_shape=(1, 2, 2))
    images = torch.tensor([255, 255, 255, 0], dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 2, 2)
    assert taken_for_real(gan, images) == 0.75
    assert (gan.discriminator.training, gan.discriminator.frozen.training) == (True, False)
