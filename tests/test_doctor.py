"""The doctor for anybody's loop: what it finds, what it leaves alone, and that it changes nothing."""

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import train
from benchmarks.doctor_cases import Case, Images, cases
from benchmarks.doctor_suite import Result, examined, report
from first_gan.doctor import Doctor, Fault
from first_gan.doctor.faults import CHECKS
from first_gan.doctor.losses import LOGIT
from tests.watched_loop import Loop, make_squares

ROOT = Path(train.__file__).parent
OPEN = {case.name: case for case in cases() if not case.closed}
SHORT = 3  # epochs of 32 updates


squares = pytest.fixture(scope="module")(make_squares)


def test_nothing_that_is_learned_changes(squares: Images) -> None:
    learned = []
    for watched in (False, True):
        loop = Loop()
        doctor = loop.doctor() if watched else None
        for _ in range(2):
            loop.train(squares.scaled())
            if doctor is not None:
                doctor.epoch_end()
                assert doctor.failure is None
        learned.append(torch.cat([loop.weights(), torch.rand(1)]))
        assert all(layer.training for layer in loop.G.modules())
    assert torch.equal(*learned)


def test_a_correct_loop_is_measured_and_found_no_fault_with(
    squares: Images, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = Loop()
    doctor = loop.doctor(quiet=False)
    for _ in range(2):
        loop.train(squares.scaled(), updates=32)
        diagnosis = doctor.epoch_end()
    assert doctor.faults == []
    assert diagnosis is doctor.diagnosis
    assert capsys.readouterr().out.startswith(f"doctor, epoch 1: {diagnosis.verdict}")
    row = doctor.rows[-1]
    with torch.no_grad():
        logits = loop.D.eval()(squares.scaled()[:64])
    assert row["step"] == doctor.updates == 64
    assert row["train/d_real"] == pytest.approx(logits.sigmoid().mean().item(), abs=0.2)
    assert 0 < row["train/d_fake"] < 0.5 < row["train/d_real"] < 1
    assert row["train/d_accuracy"] > 0.8
    assert row["train/d_loss"] > 0
    assert row["train/g_loss"] > -math.log(0.5)
    assert 0 < row["train/g_step"] < 0.1
    assert row["train/d_grad_norm"] > 0
    assert {"train/diversity", "train/thumbnail_fd"} <= set(row)
    assert doctor.evidence.d_loss == doctor.evidence.g_loss == LOGIT
    assert doctor.settings["model.latent_dim"] == 8
    assert doctor.settings["data.batch_size"] == 64


def test_the_report_shows_faults_first_and_no_path(squares: Images, tmp_path: Path) -> None:
    result: list[Doctor] = []

    def make_doctor(G: Any, D: Any, opt_G: Any, opt_D: Any) -> Doctor:
        result.append(Doctor(G, D, opt_G, opt_D, quiet=True))
        return result[-1]

    OPEN["images_straight_from_to_tensor"].loop(make_doctor, squares, SHORT)
    doctor = result[0]
    assert [fault.name for fault in doctor.faults] == ["real-range"]
    doctor.write_report(tmp_path / "doctor.html")
    page = (tmp_path / "doctor.html").read_text(encoding="utf-8")
    assert page.index("Faults in the code") < page.index("Is it learning?")
    assert "real-range" in page
    assert "Normalize([0.5], [0.5])" in page
    assert page.count('"epoch":') >= SHORT
    assert "<h3>When the code is mended, try</h3>" in page
    for words_of_a_run in ("Resume it", "no checkpoint", "all images", "<h2>The run</h2>"):
        assert words_of_a_run not in page
    assert str(tmp_path) not in page
    assert str(ROOT) not in page


def test_too_early_is_said() -> None:
    doctor = Loop().doctor()
    with pytest.raises(RuntimeError, match="no step of the optimizers"):
        doctor.epoch_end()
    with pytest.raises(RuntimeError, match="call epoch_end"):
        doctor.write_report("doctor.html")


def test_what_is_no_network_or_optimizer_is_refused() -> None:
    loop = Loop()
    with pytest.raises(TypeError, match=r"discriminator must be a network .*, got Adam"):
        Doctor(loop.G, loop.opt_G, loop.D, loop.opt_D)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"g_optimizer must be an optimizer .*, got list"):
        Doctor(loop.G, loop.D, list(loop.G.parameters()), loop.opt_D)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="latent_dim must be at least 1, got 0"):
        Doctor(loop.G, loop.D, loop.opt_G, loop.opt_D, latent_dim=0)
    with pytest.raises(ValueError, match=r"real must be images .*, got \(64, 10\)"):
        Doctor(loop.G, loop.D, loop.opt_G, loop.opt_D, real=torch.zeros(64, 10))


def test_a_loop_goes_on_where_it_cannot_be_watched(
    squares: Images, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault of the doctor's own")

    loop = Loop()
    doctor = loop.doctor(quiet=False)
    loop.train(squares.scaled(), updates=2)
    monkeypatch.setattr(doctor.evidence, "add", broken)
    loop.train(squares.scaled(), updates=2)
    assert isinstance(doctor.failure, ZeroDivisionError)
    out = capsys.readouterr().out
    assert out.count("cannot be watched any further (ZeroDivisionError: a fault of the doctor's own)") == 1
    assert doctor.epoch_end().verdict == "too early to tell"


@pytest.mark.parametrize("latent_dim", [None, 5])
def test_an_epoch_ends_where_samples_cannot_be_drawn_or_nothing_was_watched(
    latent_dim: int | None, squares: Images, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a z of another length than G takes; or by a fault of the doctor's own before the first step."""
    loop = Loop()
    doctor = Doctor(loop.G, loop.D, loop.opt_G, loop.opt_D, latent_dim=latent_dim)
    if latent_dim is None:
        monkeypatch.setattr("first_gan.doctor.watch.activations", lambda _: 1 / 0)
    loop.train(squares.scaled(), updates=2)
    for _ in range(2):
        assert doctor.epoch_end().verdict == "too early to tell"
    assert capsys.readouterr().out.count("cannot be watched any further") == 1
    assert all(layer.training for layer in loop.G.modules())


def test_a_learning_rate_need_not_be_a_float(squares: Images, tmp_path: Path) -> None:
    loop = Loop()
    loop.opt_G = torch.optim.Adam(loop.G.parameters(), lr=torch.tensor(2e-4), foreach=False)
    doctor = loop.doctor()
    loop.train(squares.scaled(), updates=2)
    doctor.epoch_end()
    doctor.write_report(tmp_path / "doctor.html")
    assert doctor.settings["model.lr_g"] == pytest.approx(2e-4)


def test_grids_are_thinned(squares: Images) -> None:
    loop = Loop()
    doctor = loop.doctor()
    loop.train(squares.scaled(), updates=2)
    for epoch in range(125):
        doctor.samples.measure(doctor.evidence, epoch)
    kept = list(doctor.samples.grids)
    assert len(kept) <= 120
    assert (kept[0], kept[-1]) == (0, 124)
    assert doctor.samples.grids[0].dtype == torch.uint8


def test_it_needs_no_lightning() -> None:
    script = "import sys; from first_gan import Doctor; assert 'pytorch_lightning' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


@pytest.mark.parametrize("name", [name for name, _ in CHECKS])
def test_a_fault_is_named(name: str, squares: Images) -> None:
    case = next(case for case in OPEN.values() if case.fault == name)
    result = examined(case, squares, 6 if name.endswith("not-trained") else SHORT)
    assert [fault.name for fault in result.faults] == [name]


def test_an_optimizer_over_both_networks_is_named(squares: Images) -> None:
    loop = Loop()
    loop.opt_G = torch.optim.Adam([*loop.G.parameters(), *loop.D.parameters()], 2e-4)
    doctor = loop.doctor()
    loop.train(squares.scaled(), updates=32)
    assert [fault.message for fault in doctor.faults] == [
        "the generator's step changes the discriminator's weights too"
    ]


def test_a_gradient_left_by_the_other_networks_loss_is_named(squares: Images) -> None:
    result = examined(OPEN["retained_graph_without_detach"], squares, SHORT)
    assert [fault.name for fault in result.faults] == ["generator-trained-in-discriminator-step"]


CORRECT = [case for case in OPEN.values() if not case.fault]


@pytest.mark.parametrize("case", CORRECT[::3], ids=[case.name for case in CORRECT[::3]])
def test_a_correct_loop_is_found_no_fault_with(case: Case, squares: Images) -> None:
    assert examined(case, squares, SHORT).faults == []


def test_the_suites_table_counts_late_and_false_findings() -> None:
    loop = CORRECT[0].loop
    results = [
        Result(Case("a", "nan", False, loop), [Fault("nan", "", "", 100)]),
        Result(Case("b", "nan", False, loop), [Fault("nan", "", "", 201), Fault("unshuffled", "", "", 5)]),
        Result(Case("c", "", False, loop), [Fault("unshuffled", "", "", 5)]),
        Result(Case("d", "", False, loop), []),
    ]
    text = re.sub(" +", " ", report(results))
    assert text.startswith("1 of 2 faults found within 200 updates")
    assert "1 of 2 correct loops were found fault with" in text
    assert "| nan | 2 | 2 | 1 | 0 |" in text
    assert "| unshuffled | 0 | 0 | 0 | 2 |" in text
    assert "c: correct, found unshuffled" in text
