"""Which options to change after a diagnosis, and to what: of what is furthest from what works, the first two."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LR = 2e-4  # the lesson's
FAST = 1e-3  # the highest learning rate that trained well in the search for configs/best.yaml
UNEVEN = 2.5  # times, from one learning rate to the other
NARROW = 64  # a hidden layer below it cannot draw or judge digits
PUBLISHED, MOST_ROWS = ("mnist", "fashion_mnist", "kmnist", "digits", "auto"), 60_000  # their images to train on
MOST = 2  # pieces of advice
BEST = "as in configs/best.yaml"
MOMENTUM = "with so much momentum, or so short a memory, Adam's steps overshoot"
SHORT_Z = "so short a z cannot tell ten digits and their styles apart"
OWN = "gan_networks"  # the networks whose widths are known here


@dataclass(frozen=True)
class Advice:
    """What to type in a new run, `--model.lr_d 1e-4`, and why."""

    option: str
    why: str


@dataclass(frozen=True)
class Change:
    """A change that would mend a run, where it fits."""

    fits: bool
    option: str
    value: Any
    why: str


class Setting:
    """A run's options, by name: `model.lr_d`; those that are not given are the lesson's."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        own = {name: options.get(f"model.{name.lower()}") for name in ("Generator", "Discriminator")}
        self.own_generator, self.own_discriminator = (
            path in (None, f"{OWN}.{name}", f"gan_module.{name}")  # where they were before
            for name, path in own.items()
        )
        self.latent_dim: int = options.get("model.latent_dim", 100)
        self.generator_widths: Sequence[int] = options.get("model.generator.widths", [256, 512])
        self.discriminator_widths: Sequence[int] = options.get("model.discriminator.widths", [512, 256])
        self.lr: float = options.get("model.lr", LR)
        lr_g, lr_d = options.get("model.lr_g"), options.get("model.lr_d")
        self.lr_g: float = self.lr if lr_g is None else lr_g
        self.lr_d: float = self.lr if lr_d is None else lr_d
        self.one_rate = lr_g is None and lr_d is None  # `lr` is both networks'
        self.betas: Sequence[float] = options.get("model.betas", [0.5, 0.999])
        self.d_steps: int = options.get("model.d_steps", 1)
        self.r1: float = options.get("model.r1", 0.0)
        self.generator_batch_norm: bool = options.get("model.generator.batch_norm", False)
        self.generator_normalized = self.generator_batch_norm or options.get("model.generator.layer_norm", False)
        self.ema_decay: float = options.get("model.ema_decay", 0.0)
        self.precision = str(options.get("precision", "32-true"))
        self.batch_size: int = options.get("data.batch_size", 128)
        self.most_rows = MOST_ROWS if options.get("data.dataset", "mnist") in PUBLISHED else 0
        self.train_rows: int = options.get("data.train_rows") or self.most_rows
        self.max_epochs: int = options.get("max_epochs") or 50


def rates(run: Setting) -> list[Change]:
    """Learning rates that are too high, of both networks or of one."""
    high_g, high_d = run.lr_g > FAST, run.lr_d > FAST
    both = high_g and high_d
    one = both and run.one_rate
    leaps = "too high: each step leaps past what the other learned"
    return [
        Change(one, "model.lr", LR, f"the learning rate is {leaps}"),
        Change(both and not one, "model.lr_g", LR, f"both learning rates are {leaps}"),
        Change(both and not one, "model.lr_d", LR, "D's too"),
        Change(high_g and not both, "model.lr_g", LR, "G's learning rate is too high: it leaps past what D can teach"),
        Change(high_d and not both, "model.lr_d", LR, "D's learning rate is too high: it leaps past what G can follow"),
    ]


def d_dominates(run: Setting) -> list[Change]:
    alike = run.lr_d if LR / 2 <= run.lr_d <= FAST else LR
    return [
        Change(run.lr_g == 0, "model.lr_g", alike, "G is frozen: it learns nothing"),
        *rates(run),
        Change(run.d_steps > 1, "model.d_steps", 1, "D takes several steps for each of G's"),
        Change(run.lr_g < run.lr_d / UNEVEN, "model.lr_g", alike, "G learns slower than D"),
        Change(run.lr_g < LR / 4, "model.lr_g", LR, "G learns too slowly to be seen"),
        Change(max(run.lr_g, run.lr_d) < LR / 4, "model.lr_d", LR, "such a G would leave D behind"),
        Change(*narrow_g(run)),
        Change(run.r1 < 0.4, "model.r1", 0.4, f"a penalty on D's gradient keeps D from being too sure, {BEST}"),
        Change(True, "model.lr_d", run.lr_d / 4, "a slower D gives G time to learn"),
    ]


def d_too_weak(run: Setting) -> list[Change]:
    alike = run.lr_g if LR / 2 <= run.lr_g <= FAST else LR
    return [
        Change(run.lr_d == 0, "model.lr_d", alike, "D is frozen: it learns nothing"),
        *rates(run),
        Change(run.lr_d < run.lr_g / UNEVEN, "model.lr_d", alike, "D learns slower than G"),
        Change(run.lr_d < LR / 4, "model.lr_d", LR, "D learns too slowly to lead G"),
        Change(*strong_penalty(run)),
        Change(*narrow_d(run)),
        Change(
            narrow_d(run)[0] and run.r1 < 0.4,
            "model.r1",
            0.4,
            f"a penalty keeps the wider one from being too sure, {BEST}",
        ),
        Change(run.d_steps == 1, "model.d_steps", 2, "two steps of D for each of G's"),
        Change(True, "model.lr_g", run.lr_g / 4, "a slower G gives D time to learn"),
    ]


def mode_collapse(run: Setting) -> list[Change]:
    return [
        Change(run.latent_dim < 8, "model.latent_dim", 100, SHORT_Z),
        *rates(run),
        Change(run.betas[0] > 0.6, "model.betas", [0.5, 0.999], MOMENTUM),
        Change(*strong_penalty(run)),
        Change(*narrow_g(run)),
        Change(*narrow_d(run)),
        Change(run.d_steps > 2, "model.d_steps", 1, "a D that is always ahead shows G one way out"),
        Change(run.lr_d < run.lr_g / UNEVEN, "model.lr_d", min(run.lr_g, FAST), "D learns slower than G"),
        Change(run.lr_g < run.lr_d / UNEVEN, "model.lr_g", min(run.lr_d, FAST), "G learns slower than D"),
        *variety(run),
        Change(True, "model.lr_g", run.lr_g / 4, "smaller steps of G"),
    ]


def diverging(run: Setting) -> list[Change]:
    bf16 = Change(run.precision.startswith("bf16"), "precision", "32-true", "fewer bits overflow sooner")
    return [*rates(run), momentum(run), bf16, *calmer(run)]


def relapsed(run: Setting) -> list[Change]:
    return [*rates(run), momentum(run), *calmer(run)]


def oscillating(run: Setting) -> list[Change]:
    average = Change(run.ema_decay == 0, "model.ema_decay", 0.999, "averaged weights do not swing along")
    return [*rates(run), momentum(run), average, *calmer(run)]


def momentum(run: Setting) -> Change:
    return Change(run.betas[0] > 0.6 or run.betas[1] < 0.9, "model.betas", [0.5, 0.999], MOMENTUM)


def calmer(run: Setting) -> list[Change]:
    """What makes the game between the two less wild."""
    return [
        Change(run.r1 < 0.4, "model.r1", 0.4, f"a penalty on D's gradient damps the game, {BEST}"),
        Change(True, "model.lr_g", run.lr_g / 4, "smaller steps of G"),
        Change(True, "model.lr_d", run.lr_d / 4, "and of D"),
    ]


def memorizing(run: Setting) -> list[Change]:
    return [
        Change(
            run.train_rows < run.most_rows,
            "data.train_rows",
            min(run.most_rows, max(20_000, 10 * run.train_rows)),
            "so few images can be learned by heart: more of them",
        ),
        Change(run.r1 < 4, "model.r1", 4.0, "a stronger penalty keeps D from telling single images apart"),
        Change(True, "model.lr_d", run.lr_d / 4, "a slower D learns fewer images by heart"),
    ]


def modes_missing(run: Setting) -> list[Change]:
    return [
        Change(run.latent_dim < 8, "model.latent_dim", 100, SHORT_Z),
        *rates(run),
        Change(run.betas[0] > 0.6, "model.betas", [0.5, 0.999], MOMENTUM),
        Change(*narrow_g(run)),
        *variety(run),
        Change(True, "max_epochs", 2 * run.max_epochs, "rare kinds come last: train longer"),
    ]


def stalled(run: Setting) -> list[Change]:
    alike = run.lr_g if LR <= run.lr_g <= FAST else LR
    return [
        *rates(run),
        Change(run.lr_g < LR, "model.lr_g", LR, "G learns too slowly to be seen"),
        Change(run.lr_d < LR, "model.lr_d", alike, "D learns too slowly to lead G"),
        Change(*narrow_g(run)),
        Change(*narrow_d(run)),
        Change(*strong_penalty(run)),
        Change(run.ema_decay > 0.999, "model.ema_decay", 0.999, "so long an average still holds the first weights"),
        Change(run.batch_size > 64, "data.batch_size", 64, "more updates from the same images"),
        Change(run.r1 < 0.4, "model.r1", 0.4, f"a penalty on D's gradient steadies what it tells G, {BEST}"),
        Change(True, "max_epochs", 4 * run.max_epochs, "train longer"),
    ]


def converged(run: Setting) -> list[Change]:
    return [
        Change(run.ema_decay == 0, "model.ema_decay", 0.999, "averaged weights lack the noise of the last steps"),
        Change(
            run.own_generator and not run.generator_normalized,
            "model.generator.batch_norm",
            True,
            f"cleaner strokes, {BEST}",
        ),
        Change(run.betas[0] > 0, "model.betas", [0, 0.99], f"no momentum, {BEST}"),
        Change(run.r1 == 0, "model.r1", 0.4, f"evens the digits out, {BEST}"),
        Change(
            run.own_generator,
            "model.generator.widths",
            [2 * width for width in run.generator_widths],
            "a wider G can draw more",
        ),
    ]


def improving(run: Setting) -> list[Change]:
    return [Change(True, "max_epochs", 2 * run.max_epochs, "it still gets better: train longer")]


def too_early(run: Setting) -> list[Change]:
    return [Change(True, "max_epochs", max(8, 2 * run.max_epochs), "a few thousand updates say more")]


def variety(run: Setting) -> list[Change]:
    """What keeps G from drawing a few kinds alone."""
    batch_norm = run.own_generator and not run.generator_normalized
    return [
        Change(run.r1 < 0.4, "model.r1", 0.4, f"a penalty on D's gradient keeps all digits in play, {BEST}"),
        Change(batch_norm, "model.generator.batch_norm", True, f"keeps G's samples apart, {BEST}"),
    ]


def strong_penalty(run: Setting) -> tuple[bool, str, Any, str]:
    return run.r1 > 2, "model.r1", 0.4, "so strong a penalty on its gradient keeps D from judging"


def narrow_d(run: Setting) -> tuple[bool, str, Any, str]:
    few = run.own_discriminator and min(run.discriminator_widths) < NARROW
    return few, "model.discriminator.widths", [512, 256], "D has too few units to judge digits"


def narrow_g(run: Setting) -> tuple[bool, str, Any, str]:
    few = run.own_generator and min(run.generator_widths) < NARROW
    return few, "model.generator.widths", [256, 512], "G has too few units to draw digits"


def advise(changes: Callable[[Setting], list[Change]], options: Mapping[str, Any]) -> list[Advice]:
    """The first changes that fit: each option once, and nothing that is set already."""
    run, advice = Setting(options), dict[str, Advice]()
    for change in changes(run):
        now = getattr(run, re.sub("^(model|data)\\.", "", change.option).replace(".", "_"))
        if change.fits and change.option not in advice and typed(now) != typed(change.value):
            advice[change.option] = Advice(f"--{change.option} {typed(change.value)}", change.why)
    return list(advice.values())[:MOST]


def typed(value: Any) -> str:
    """As a person would type it: 2e-4, "[0.5,0.999]"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f'"[{",".join(f"{each:g}" for each in value)}]"'  # quotes that every shell takes
    if isinstance(value, float) and 0 < value < 0.01:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:g}" if isinstance(value, float) else str(value)
