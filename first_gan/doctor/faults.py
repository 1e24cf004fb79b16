"""Faults in a loop's code: each is looked for in what the loop has shown, and named with the line that mends it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from first_gan.doctor.evidence import Evidence
from first_gan.doctor.losses import APART, LOGIT, STRAIGHT, Push, against, label_of, real_is_high, same_labels

NETWORKS = {"g": "generator", "d": "discriminator"}
MIN_STEPS = 12  # of an optimizer, before it is judged
IDLE_STEPS = 150  # of one optimizer without one of the other: a critic may take 100 first
OFTEN = 0.7  # of the steps
IN_TURN = 0.4  # of the steps this way, and as many that
NEAR = 0.3  # to the label of real images: an output is pushed up
TOO_BRIGHT = 0.05  # beyond what G can draw
MIN_BATCHES, CLUMPED = 32, 3.0
IN_ORDER = (
    0.5  # of what minibatches differ, how much neighbours may: 1 where each is changed by itself, as by an augmentation
)
MAX_STEP = 0.1  # of the weights' size, in one step
SAME_Z = 10  # updates on end
TWICE = 0.5  # between the labels that a sigmoid of D's output is pushed to, where D ends in a sigmoid already


@dataclass(frozen=True)
class Fault:
    """Something wrong in a loop's code.

    Args:
        name: Of the kind of fault.
        message: What is wrong.
        fix: What mends it.
        update: After which update of G it was found.
    """

    name: str
    message: str
    fix: str
    update: int

    def __str__(self) -> str:
        return f"{self.name} (update {self.update}): {self.message}. {self.fix}"


Found = tuple[str, str] | None  # message and fix


def real_range(seen: Evidence) -> Found:
    if seen.bounds is None or seen.reals.batches < 5:
        return None
    (low, high), reals, over = seen.bounds, seen.reals, TOO_BRIGHT + 1.5 * seen.noise_on_top
    found = f"real images lie in [{reals.low:.2g}, {reals.high:.3g}], but G draws in [{low:g}, {high:g}]: D tells them apart by that"
    if reals.high > high + over or reals.low < low - over:
        scale = "divide them by 127.5 and subtract 1" if reals.high > 100 else "use Normalize([0.5], [0.5])"
        return found, f"Scale real images to G's range: {scale} where G ends in tanh"
    if low < 0 and reals.low > -0.02 - over and reals.low > low + 0.5:
        return found, "Scale real images to [-1, 1]: Normalize([0.5], [0.5]) after ToTensor()"
    return None


def not_trained(name: str) -> Callable[[Evidence], Found]:
    other = "d" if name == "g" else "g"

    def check(seen: Evidence) -> Found:
        network, optimizer = NETWORKS[name], f"{name}_optimizer"
        if seen.steps[name] == 0 and seen.steps[other] >= IDLE_STEPS:
            return (
                f"the {network}'s optimizer never makes a step",
                f"Call {optimizer}.step() after its loss's backward()",
            )
        if seen.steps[name] >= MIN_STEPS and max(seen.moved[name]) == 0 and not seen.moves_other[other]:
            reached = "that its loss reaches them (no detach() or no_grad() on the way), and that zero_grad() comes before backward()"
            return (
                f"no step changes the {network}'s weights",
                f"See that {optimizer} has the {network}'s parameters, {reached}",
            )
        return None

    return check


def trained_along(name: str) -> Callable[[Evidence], Found]:
    """The other network's step trains this one: `name` is "d" where G's step trains D."""
    other = "d" if name == "g" else "g"

    def check(seen: Evidence) -> Found:
        network, step = NETWORKS[name], NETWORKS[other]
        if seen.steps[other] >= MIN_STEPS and seen.moves_other[other] > OFTEN * seen.steps[other]:
            what = f"the {step}'s step changes the {network}'s weights too"
            return what, f"Give {other}_optimizer the {step}'s parameters alone"
        if len(seen.drives[name]) < MIN_STEPS:
            return None
        loss = seen.d_loss
        labels = label_of(seen.pushes["real"], loss), label_of(seen.pushes["fake"], loss)
        ways = [{up(each, loss, *labels) for each in step} for step in seen.drives[name]]
        both = sum(len(each) > 1 for each in ways) / len(ways)
        in_turn = min(sum(each == {way} for each in ways) for way in (False, True)) / len(ways)
        if both > OFTEN or in_turn > IN_TURN:
            what = f"the {network} is trained by the {step}'s loss too: its gradient is still there in {name}_optimizer's step"
            detached = " and give D generated images by detach()" if name == "g" else ""
            return (
                what,
                f"Call {name}_optimizer.zero_grad() right before the backward() of the {network}'s own loss{detached}",
            )
        return None

    return check


def up(push: Push, loss: str, real: float, fake: float) -> bool:
    """Whether a push on D's output for generated images is to where real ones are put, or beyond, by the labels of D's loss."""
    if math.isnan(real) or loss not in push.fits or push.fits[loss].off >= STRAIGHT:
        return push.sign > 0
    aim = push.fits[loss].aim
    if math.isnan(fake) or abs(real - fake) < APART:
        return abs(aim - real) < NEAR
    return (aim - fake) / (real - fake) > 1 - NEAR


def accumulate(seen: Evidence) -> Found:
    names = [
        name
        for name, all_of in seen.accumulated.items()
        if len(all_of) >= MIN_STEPS and sum(all_of) > OFTEN * len(all_of)
    ]
    if not names:
        return None
    who = " and ".join(f"the {NETWORKS[name]}'s" for name in names)
    return (
        f"{who} gradients add up from update to update",
        f"Call {' and '.join(f'{name}_optimizer.zero_grad()' for name in names)} before each backward()",
    )


def labels_swapped(seen: Evidence) -> Found:
    real, fake, g = (list(seen.pushes[name]) for name in ("real", "fake", "g"))
    if min(len(real), len(fake)) < MIN_STEPS:
        return None
    loss = seen.d_loss
    if same_labels(real, fake, loss):
        return (
            "D is trained to say the same of real and of generated images",
            "Label real images 1 and generated ones 0 in D's loss",
        )
    if len(g) >= MIN_STEPS and against(g, real, fake, loss, seen.g_loss) and not real_is_high(real, fake, loss):
        what = "D is trained to call real images 0 and generated ones 1, while G is trained toward 1"
        return what, "Label real images 1 and generated ones 0 in D's loss"
    return None


def helps(seen: Evidence) -> Found:
    real, fake, g = (list(seen.pushes[name]) for name in ("real", "fake", "g"))
    if min(len(real), len(fake), len(g)) < MIN_STEPS or same_labels(real, fake, seen.d_loss):
        return None
    if against(g, real, fake, seen.d_loss, seen.g_loss) and real_is_high(real, fake, seen.d_loss):
        what = "G's loss pushes D(G(z)) to where D puts generated images: G learns to be found out"
        return what, "In G's loss label generated images 1 (real); of a critic, minimize -D(G(z)).mean()"
    return None


def double_sigmoid(seen: Evidence) -> Found:
    fix = "Leave out D's sigmoid, or use BCELoss in place of BCEWithLogitsLoss"
    if seen.sigmoids > 1:
        return "D ends in two sigmoids on end: its output is never below 0.5", "Leave out one of them"
    if seen.sigmoids == 0 or seen.outside:
        return None
    labels = [label_of(seen.pushes[name], LOGIT) for name in ("real", "fake")]
    if seen.d_loss == LOGIT and not any(map(math.isnan, labels)) and abs(labels[0] - labels[1]) > TWICE:
        return "D ends in a sigmoid, and the loss takes another one of it", fix
    return None


def same_noise(seen: Evidence) -> Found:
    if seen.z_same >= SAME_Z:
        return "G gets the same z in each update", "Draw a new z, torch.randn(batch_size, latent_dim), in each update"
    if seen.z_rows_same >= SAME_Z:
        return "all rows of z are the same", "Draw a z for each image: torch.randn(batch_size, latent_dim)"
    return None


def noise_mismatch(seen: Evidence) -> Found:
    if not seen.trained or not seen.drawn or seen.trained == seen.drawn:
        return None
    return (
        f"G is trained on {seen.trained} z, but draws samples from {seen.drawn} z",
        "Draw z alike in both places: torch.randn, or torch.rand",
    )


def unshuffled(seen: Evidence) -> Found:
    if seen.reals.batches < MIN_BATCHES or not (seen.reals.clumped > CLUMPED and seen.reals.jumps < IN_ORDER):
        return None
    what = f"minibatches of real images differ {seen.reals.clumped:.0f} times as much as random ones would: images come in an order"
    return what, "Shuffle: DataLoader(..., shuffle=True)"


def learning_rate(seen: Evidence) -> Found:
    fast = {name: median(list(moved)[3:]) for name, moved in seen.moved.items() if len(moved) >= MIN_STEPS}
    fast = {name: share for name, share in fast.items() if share > MAX_STEP}
    if not fast:
        return None
    name = max(fast, key=fast.__getitem__)
    return (
        f"each step changes the {NETWORKS[name]}'s weights by {fast[name]:.0%} of their size",
        f"Lower the learning rate of {name}_optimizer at least {max(3, round(fast[name] / 0.01)):d} times",
    )


def in_eval(name: str) -> Callable[[Evidence], Found]:
    def check(seen: Evidence) -> Found:
        modes, network = seen.eval_mode[name], NETWORKS[name]
        if len(modes) < MIN_STEPS or sum(modes) < len(modes):
            return None
        what = f"the {network}'s dropout or batch normalization is in eval mode while it is trained"
        return what, f"Call {network}.train() before training, and again after samples are drawn in eval mode"

    return check


def nan(seen: Evidence) -> Found:
    if not seen.broken:
        return None
    return (
        f"{seen.broken} became NaN or infinite",
        "Use BCEWithLogitsLoss on logits in place of logarithms of your own, and a lower learning rate",
    )


CHECKS: tuple[tuple[str, Callable[[Evidence], Found]], ...] = (
    ("nan", nan),
    ("real-range", real_range),
    ("generator-not-trained", not_trained("g")),
    ("discriminator-not-trained", not_trained("d")),
    ("gradients-accumulate", accumulate),
    ("discriminator-trained-in-generator-step", trained_along("d")),
    ("generator-trained-in-discriminator-step", trained_along("g")),
    ("labels-swapped", labels_swapped),
    ("generator-helps-discriminator", helps),
    ("double-sigmoid", double_sigmoid),
    ("same-noise", same_noise),
    ("noise-mismatch", noise_mismatch),
    ("unshuffled", unshuffled),
    ("learning-rate", learning_rate),
    ("discriminator-in-eval", in_eval("d")),
    ("generator-in-eval", in_eval("g")),
)
# What another fault brings along: it is not named beside it.
ALONG = {"discriminator-trained-in-generator-step", "generator-trained-in-discriminator-step"}
BROUGHT_ALONG = {
    "gradients-accumulate": ALONG,
    "discriminator-trained-in-generator-step": ALONG,
    "nan": {name for name, _ in CHECKS if name not in ("nan", "real-range")},
    "generator-not-trained": ALONG,
    "discriminator-not-trained": ALONG,
}


def look(seen: Evidence, known: list[Fault]) -> list[Fault]:
    """Faults that are not known yet."""
    names = {fault.name for fault in known}
    found = []
    for name, check in CHECKS:
        brought = set().union(*(BROUGHT_ALONG.get(each, set()) for each in names))
        if name not in names | brought and (fault := check(seen)) is not None:
            found.append(Fault(name, *fault, seen.updates))
            names.add(name)
    return found
