"""The doctor for anybody's loop: what it finds, what it leaves alone, and that it changes nothing."""

import copy
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import train
from benchmarks.doctor_cases import Case, Images, cases
from benchmarks.doctor_suite import Result, examined, report
from first_gan.doctor import Doctor, Fault, losses
from first_gan.doctor.faults import CHECKS
from first_gan.doctor.losses import LOGIT, OTHER, PROBABILITY, SQUARES

ROOT = Path(train.__file__).parent
OPEN = {case.name: case for case in cases() if not case.closed}
SHORT = 3  # epochs of 32 updates


@pytest.fixture(scope="module")
def squares() -> Images:
    """Images of ten classes: a square at a place of its own each, brighter or darker, with some noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (2048,), generator=generator)
    pixels = torch.randint(0, 20, (2048, 1, 28, 28), generator=generator)
    for image, label in zip(pixels, labels.tolist(), strict=True):
        row, column = 14 * (label // 5) + 3, 5 * (label % 5) + 1
        image[0, row : row + 8, column : column + 5] += int(torch.randint(100, 235, (), generator=generator))
    return Images(pixels.to(torch.uint8), labels)


class Loop:
    """A correct loop with dropout and batch normalization."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        hidden = nn.Linear(8, 64), nn.BatchNorm1d(64), nn.ReLU()
        self.G = nn.Sequential(*hidden, nn.Linear(64, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
        self.D = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(64, 1))
        self.opt_G, self.opt_D = (torch.optim.Adam(each.parameters(), 2e-4, (0.5, 0.999)) for each in (self.G, self.D))
        self.bce = nn.BCEWithLogitsLoss()

    def doctor(self, quiet: bool = True) -> Doctor:
        return Doctor(self.G, self.D, self.opt_G, self.opt_D, quiet=quiet)

    def train(self, images: Tensor, updates: int = 20) -> None:
        for real in images[: 64 * updates].split(64):
            fake = self.G(torch.randn(64, 8))
            d_loss = self.bce(self.D(real), torch.ones(64, 1)) + self.bce(self.D(fake.detach()), torch.zeros(64, 1))
            self.opt_D.zero_grad()
            d_loss.backward()
            self.opt_D.step()
            g_loss = self.bce(self.D(fake), torch.ones(64, 1))
            self.opt_G.zero_grad()
            g_loss.backward()
            self.opt_G.step()

    def weights(self) -> Tensor:
        tensors = [each for network in (self.G, self.D) for each in network.state_dict().values()]
        return torch.cat([each.flatten().double() for each in tensors])


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


def test_hooks_go_and_copies_of_a_network_have_none(squares: Images) -> None:
    loop = Loop()
    with loop.doctor() as doctor:
        average = copy.deepcopy(loop.G)
        loop.train(squares.scaled(), updates=2)
        before = len(doctor.evidence.pushes["real"])
        average(torch.randn(4, 8))
        assert before
        assert all(call.images.shape[0] == 64 for call in doctor._watch.calls)
    loop.train(squares.scaled(), updates=2)
    assert len(doctor.evidence.pushes["real"]) == before
    hooks = [*loop.G._forward_hooks, *loop.D._forward_hooks]
    hooks += [hook for each in loop.D.parameters() for hook in (each._backward_hooks or ())]
    assert hooks == []


def test_a_gradient_penaltys_own_gradient_is_not_taken_for_a_losss(squares: Images) -> None:
    loop = Loop()
    doctor = loop.doctor()
    for real in squares.scaled()[:320].split(64):
        out = loop.D(real.requires_grad_())
        (slope,) = torch.autograd.grad(out.sum(), real, create_graph=True)
        loop.opt_D.zero_grad()
        (loop.bce(out, torch.ones(64, 1)) + slope.square().mean()).backward()
        loop.opt_D.step()
    assert [push.sign for push in doctor.evidence.pushes["real"]] == [1] * 5


def test_what_is_kept_does_not_grow_and_watching_becomes_rare(squares: Images) -> None:
    loop = Loop()
    doctor = loop.doctor()
    for _ in range(8):
        loop.train(squares.scaled(), updates=32)
        doctor.epoch_end()
    assert doctor.updates == 256
    assert doctor.evidence.steps["g"] == 208 + 2  # two in 32 afterwards
    assert max(len(each) for each in doctor.evidence.pushes.values()) <= 64
    assert doctor.samples.count == 512
    assert doctor.samples._real == []
    z = torch.cat([args[0] for args, _ in doctor.samples.calls])
    assert len(z.unique(dim=0)) == 512  # though D and G are trained on the same images


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


def test_images_one_by_one_without_a_minibatch(squares: Images) -> None:
    G = nn.Sequential(nn.Linear(10, 784), nn.Tanh())
    D = nn.Sequential(nn.Linear(784, 1), nn.Sigmoid())
    opt_G, opt_D = (torch.optim.SGD(each.parameters(), 0.01) for each in (G, D))
    doctor = Doctor(G, D, opt_G, opt_D, quiet=True)
    for real in squares.scaled()[:20].flatten(1):
        for images, label in ((real, 1.0), (G(torch.rand(10)).detach(), 0.0)):
            opt_D.zero_grad()
            nn.functional.binary_cross_entropy(D(images), torch.tensor([label])).backward()
            opt_D.step()
        opt_G.zero_grad()
        nn.functional.binary_cross_entropy(D(G(torch.rand(10))), torch.tensor([1.0])).backward()
        opt_G.step()
    assert doctor.epoch_end().verdict == "too early to tell"
    assert doctor.failure is None
    assert doctor.faults == []
    assert doctor.updates == 20


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


@pytest.mark.parametrize("label", [0.0, 0.1, 0.9, 1.0])
@pytest.mark.parametrize("loss", [PROBABILITY, LOGIT, SQUARES])
def test_loss_and_label_are_read_from_the_gradient(loss: str, label: float) -> None:
    pushes = []
    for seed in range(losses.FEW):
        out = torch.randn(64, generator=torch.Generator().manual_seed(seed))
        out = (out.sigmoid() if loss == PROBABILITY else out).requires_grad_()
        targets = torch.full_like(out, label)
        functions = {PROBABILITY: nn.BCELoss(), LOGIT: nn.BCEWithLogitsLoss(), SQUARES: nn.MSELoss()}
        functions[loss](out, targets).backward()
        assert out.grad is not None
        pushes.append(losses.push(out.detach(), out.grad))
    assert losses.loss_of(pushes) == loss
    assert losses.label_of(pushes, loss) == pytest.approx(label, abs=1e-3)


def test_a_critics_push_has_a_sign_alone() -> None:
    pushes = [losses.push(torch.randn(64), torch.full((64,), -1 / 64)) for _ in range(losses.FEW)]
    assert losses.loss_of(pushes) == OTHER
    assert losses.sign_of(pushes) == 1


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
