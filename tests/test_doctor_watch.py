"""What the doctor makes of what it sees: calls, gradients at D's outputs, losses and labels."""

import copy

import pytest
import torch
from torch import nn

from benchmarks.doctor_cases import Images
from first_gan.doctor import Doctor, losses
from first_gan.doctor.faults import up
from first_gan.doctor.losses import LOGIT, OTHER, PROBABILITY, SQUARES, Fit, Push
from first_gan.doctor.matching import LOOKS, SELDOM, Matcher
from first_gan.doctor.matching import _alike as alike
from first_gan.doctor.records import Call
from tests.watched_loop import Loop, make_squares

squares = pytest.fixture(scope="module")(make_squares)


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


def test_images_drawn_before_watching_begins_again_are_still_known(squares: Images) -> None:
    """G's step first, and D is trained on the same images: those of the 224th update are drawn unwatched."""
    loop = Loop()
    doctor = loop.doctor()
    real, ones, zeros = squares.scaled()[:16], torch.ones(16, 1), torch.zeros(16, 1)
    for _ in range(226):
        fake = loop.G(torch.randn(16, 8))
        loop.opt_G.zero_grad()
        loop.bce(loop.D(fake), ones).backward()
        loop.opt_G.step()
        loop.opt_D.zero_grad()
        (loop.bce(loop.D(real), ones) + loop.bce(loop.D(fake.detach()), zeros)).backward()
        loop.opt_D.step()
    assert doctor.evidence.steps["d"] == doctor.evidence.reals.batches == 209


def test_minibatches_changed_as_a_whole_are_in_no_order(squares: Images) -> None:
    loop = Loop()
    doctor = loop.doctor()
    for real in squares.scaled().split(32):
        loop.train((real + torch.rand(1) - 1).clamp(-1, 1).repeat(2, 1, 1, 1), updates=1)
    assert doctor.evidence.reals.clumped > 3
    assert doctor.faults == []


def test_a_relativistic_loss_pushes_beyond_the_label_and_not_both_ways(squares: Images) -> None:
    """Jolicoeur-Martineau 2018: its line's zero lies far beyond 1."""
    loop = Loop()
    doctor = loop.doctor()
    for real in squares.scaled().split(64):
        fake, ones, zeros = loop.G(torch.randn(64, 8)), torch.ones(64, 1), torch.zeros(64, 1)
        for images, optimizer, labels in (
            (fake.detach(), loop.opt_D, (ones, zeros)),
            (fake, loop.opt_G, (zeros, ones)),
        ):
            of_real, of_fake = loop.D(real), loop.D(images)
            loss = loop.bce(of_real - of_fake.mean(), labels[0]) + loop.bce(of_fake - of_real.mean(), labels[1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert [fault.name for fault in doctor.faults] == []
    aims = [push.fits[LOGIT].aim for push in doctor.evidence.pushes["g"] if LOGIT in push.fits]
    assert max(aims) > 1.3
    beyond, against = (Push(sign, {LOGIT: Fit(label, 1.0, 0.0)}) for sign, label in ((1, 5.0), (-1, 0.1)))
    assert [up(push, LOGIT, 1.0, 0.0) for push in (beyond, against)] == [True, False]
    assert [up(push, LOGIT, 0.0, 1.0) for push in (beyond, against)] == [False, True]  # labels the other way round


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


def test_noised_images_are_known_and_real_ones_are_not_taken_for_those_of_a_collapsed_generator(
    squares: Images,
) -> None:
    """A few modes that all its images are mixed of: what real images have in common with them differs from row to row alike."""
    torch.manual_seed(0)
    real, modes = squares.scaled().flatten(1), squares.scaled()[:3].flatten(1)
    for _ in range(200):
        drawn = torch.rand(64, 3) @ modes
        assert not alike(real[torch.randint(len(real), (64,))], drawn)
        assert alike(drawn + 0.3 * torch.randn_like(drawn), drawn)


def test_augmented_images_are_known(squares: Images) -> None:
    """Shifted and brightened as wholes, after Zhao et al. 2020; also where that begins late, but then not at once."""
    drawn, real = squares.scaled()[:64], squares.scaled()[64:128]
    call = Call(((), {}), None, drawn, [], False)
    shifted = drawn.roll((7, 9), (2, 3)) * 0.8 + 0.1
    assert Matcher().rows(shifted, [call]) == [(slice(0, 64), call)]
    matcher, nothing = Matcher(), [(slice(0, 64), None)]
    for _ in range(LOOKS):
        assert matcher.rows(real, [call]) == nothing
    late = [matcher.rows(shifted, [call]) != nothing for _ in range(SELDOM + 1)]
    assert late == [False] * (SELDOM - 1) + [True] * 2


def test_a_step_that_a_gradient_scaler_has_a_fused_optimizer_skip_is_none(squares: Images) -> None:
    """Its gradients have overflowed, as in the first updates with fp16, and it changes nothing."""
    loop = Loop()
    loop.opt_D = torch.optim.Adam(loop.D.parameters(), 2e-4, fused=True)
    doctor, scaler = loop.doctor(), torch.amp.GradScaler("cpu", init_scale=2.0**127)
    before = loop.D.state_dict()["1.weight"].clone()
    for real in squares.scaled().split(64):
        loop.opt_D.zero_grad()
        scaler.scale(16 * loop.bce(loop.D(real), torch.ones(64, 1))).backward()
        scaler.step(loop.opt_D)
        scaler.update()
    assert doctor.evidence.broken == ""
    assert 0 < doctor.evidence.steps["d"] < 32
    assert not torch.equal(loop.D.state_dict()["1.weight"], before)
    assert doctor.failure is None
