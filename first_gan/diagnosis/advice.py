"""Which options to change after a diagnosis, and to what: of what is furthest from what works, the first two."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LR = 2e-4  # the lesson's
FAST = 1e-3  # the highest learning rate that trained well in benchmarks/search.py
UNEVEN = 2.5  # times, from one learning rate to the other
NARROW = 64  # a hidden layer below it cannot draw or judge digits
MOST = 2  # pieces of advice
BEST = "as in configs/best.yaml"


@dataclass(frozen=True)
class Advice:
    """What to type in a new run, `--model.lr_d 1e-4`, and why."""

    option: str
    why: str


@dataclass(frozen=True)
class Way:
    """A change that would mend a run, where it fits."""

    fits: bool
    option: str
    value: Any
    why: str


class Setting:
    """A run's options, by name: `model.lr_d`; those that are not given are the lesson's."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.latent_dim: int = options.get("model.latent_dim", 100)
        self.generator_widths: Sequence[int] = options.get("model.generator_widths", [256, 512])
        self.discriminator_widths: Sequence[int] = options.get("model.discriminator_widths", [512, 256])
        self.lr: float = options.get("model.lr", LR)
        lr_g, lr_d = options.get("model.lr_g"), options.get("model.lr_d")
        self.lr_g: float = self.lr if lr_g is None else lr_g
        self.lr_d: float = self.lr if lr_d is None else lr_d
        self.betas: Sequence[float] = options.get("model.betas", [0.5, 0.999])
        self.d_steps: int = options.get("model.d_steps", 1)
        self.r1: float = options.get("model.r1", 0.0)
        self.batch_norm: bool = options.get("model.batch_norm", False)
        self.ema_decay: float = options.get("model.ema_decay", 0.0)
        self.precision = str(options.get("precision", "32-true"))
        self.max_epochs: int = options.get("max_epochs") or 50


def rates(run: Setting) -> list[Way]:
    """Learning rates that are too high, of both networks or of one."""
    both = run.lr_g > FAST and run.lr_d > FAST
    return [
        Way(both, "model.lr_g", LR, "both learning rates are too high: each step leaps past what the other learned"),
        Way(both, "model.lr_d", LR, "D's too"),
        Way(run.lr_g > FAST, "model.lr_g", LR, "G's learning rate is too high: it leaps past what D can teach"),
        Way(run.lr_d > FAST, "model.lr_d", LR, "D's learning rate is too high: it leaps past what G can follow"),
    ]


def d_dominates(run: Setting) -> list[Way]:
    alike = run.lr_d if LR / 2 <= run.lr_d <= FAST else LR
    return [
        Way(run.lr_g == 0, "model.lr_g", alike, "G is frozen: it learns nothing"),
        *rates(run),
        Way(run.d_steps > 1, "model.d_steps", 1, "D takes several steps for each of G's"),
        Way(run.lr_g < run.lr_d / UNEVEN, "model.lr_g", alike, "G learns slower than D"),
        Way(run.lr_g < LR / 4, "model.lr_g", LR, "G learns too slowly to be seen"),
        Way(*narrow_g(run)),
        Way(run.r1 < 0.4, "model.r1", 0.4, f"a penalty on D's gradient keeps D from being too sure, {BEST}"),
        Way(True, "model.lr_d", run.lr_d / 4, "a slower D gives G time to learn"),
    ]


def d_too_weak(run: Setting) -> list[Way]:
    alike = run.lr_g if LR / 2 <= run.lr_g <= FAST else LR
    return [
        Way(run.lr_d == 0, "model.lr_d", alike, "D is frozen: it learns nothing"),
        *rates(run),
        Way(run.lr_d < run.lr_g / UNEVEN, "model.lr_d", alike, "D learns slower than G"),
        Way(run.lr_d < LR / 4, "model.lr_d", LR, "D learns too slowly to lead G"),
        Way(run.r1 > 2, "model.r1", 0.4, "so strong a penalty on its gradient keeps D from judging"),
        Way(
            min(run.discriminator_widths) < NARROW,
            "model.discriminator_widths",
            [512, 256],
            "D has too few units to judge digits",
        ),
        Way(run.d_steps == 1, "model.d_steps", 2, "two steps of D for each of G's"),
        Way(True, "model.lr_g", run.lr_g / 4, "a slower G gives D time to learn"),
    ]


def mode_collapse(run: Setting) -> list[Way]:
    return [
        Way(run.latent_dim < 8, "model.latent_dim", 100, "so short a z cannot tell ten digits and their styles apart"),
        *rates(run),
        Way(run.betas[0] > 0.6, "model.betas", [0.5, 0.999], "with so much momentum both networks overshoot"),
        Way(*narrow_g(run)),
        Way(run.d_steps > 2, "model.d_steps", 1, "a D that is always ahead shows G one way out"),
        Way(run.lr_d < run.lr_g / UNEVEN, "model.lr_d", min(run.lr_g, FAST), "D learns slower than G"),
        Way(run.lr_g < run.lr_d / UNEVEN, "model.lr_g", min(run.lr_d, FAST), "G learns slower than D"),
        Way(run.r1 < 0.4, "model.r1", 0.4, f"a penalty on D's gradient keeps all digits in play, {BEST}"),
        Way(not run.batch_norm, "model.batch_norm", True, f"keeps G's samples apart, {BEST}"),
        Way(True, "model.lr_g", run.lr_g / 4, "smaller steps of G"),
    ]


def diverging(run: Setting) -> list[Way]:
    return [
        *rates(run),
        Way(run.betas[0] > 0.6 or run.betas[1] < 0.9, "model.betas", [0.5, 0.999], "Adam's steps run out of control"),
        Way(run.precision.startswith("bf16"), "precision", "32-true", "fewer bits overflow sooner"),
        Way(run.r1 < 0.4, "model.r1", 0.4, f"a penalty on D's gradient damps the game, {BEST}"),
        Way(True, "model.lr_g", run.lr_g / 4, "smaller steps of G"),
        Way(True, "model.lr_d", run.lr_d / 4, "and of D"),
    ]


def converged(run: Setting) -> list[Way]:
    return [
        Way(run.ema_decay == 0, "model.ema_decay", 0.999, "averaged weights lack the noise of the last steps"),
        Way(not run.batch_norm, "model.batch_norm", True, f"cleaner strokes, {BEST}"),
        Way(run.betas[0] > 0, "model.betas", [0, 0.99], f"no momentum, {BEST}"),
        Way(run.r1 == 0, "model.r1", 0.4, f"evens the digits out, {BEST}"),
        Way(True, "model.generator_widths", [2 * width for width in run.generator_widths], "a wider G can draw more"),
    ]


def improving(run: Setting) -> list[Way]:
    return [Way(True, "max_epochs", 2 * run.max_epochs, "it still gets better: train longer")]


def too_early(run: Setting) -> list[Way]:
    return [Way(True, "max_epochs", max(8, 2 * run.max_epochs), "a few thousand updates say more")]


def narrow_g(run: Setting) -> tuple[bool, str, Any, str]:
    few = min(run.generator_widths) < NARROW
    return few, "model.generator_widths", [256, 512], "G has too few units to draw digits"


def advise(ways: Callable[[Setting], list[Way]], options: Mapping[str, Any]) -> list[Advice]:
    """The first ways that fit: each option once, and nothing that is set already."""
    run, advice = Setting(options), dict[str, Advice]()
    for way in ways(run):
        now = getattr(run, way.option.removeprefix("model."))
        if way.fits and way.option not in advice and typed(now) != typed(way.value):
            advice[way.option] = Advice(f"--{way.option} {typed(way.value)}", way.why)
    return list(advice.values())[:MOST]


def typed(value: Any) -> str:
    """As a person would type it: 2e-4, '[0.5,0.999]'."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"'[{','.join(f'{each:g}' for each in value)}]'"
    if isinstance(value, float) and 0 < value < 0.01:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:g}" if isinstance(value, float) else str(value)
