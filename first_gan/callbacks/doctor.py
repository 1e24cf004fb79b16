"""The doctor in Lightning: watches any LightningModule that trains two networks by manual optimization."""

from itertools import count
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor, nn
from torch.optim import Optimizer

from first_gan.doctor import Doctor
from first_gan.doctor.networks import floats

Trained = tuple[nn.Module, Optimizer]
UNTOLD = "cannot be told; name both networks, as in DoctorCallback('generator', 'discriminator')"


class DoctorCallback(Callback):
    """A `Doctor` for a LightningModule: names faults in its code, gives a verdict after each epoch, leaves a report.

    Without names it finds the networks by what the two optimizers train, and tells them apart by what they put out in the first
    training step, after which it begins to watch: a generator puts out more numbers for each row than a discriminator does.

    Args:
        generator: The name of G in the module, such as "G" or "nets.G"; None finds it.
        discriminator: The name of D; to be given with that of G.
        report: The page to write as training ends; None writes a new doctor.html where the logger writes.
        latent_dim: As `Doctor` takes it, and so are the others.

    Raises:
        ValueError: One name is given alone. As training begins: the module has not two optimizers, or no network of a name, or
            its networks cannot be told.
    """

    def __init__(
        self,
        generator: str | None = None,
        discriminator: str | None = None,
        report: Path | str | None = None,
        latent_dim: int | None = None,
        real: Tensor | None = None,
        quiet: bool = False,
    ) -> None:
        if (generator is None) != (discriminator is None):
            raise ValueError("name both networks, or none")
        self.names = () if generator is None or discriminator is None else (generator, discriminator)
        self.report = None if report is None else Path(report)
        self.options: dict[str, Any] = {"latent_dim": latent_dim, "real": real, "quiet": quiet}
        self.doctor: Doctor | None = None
        self._candidates: list[tuple[list[nn.Module], Optimizer]] = []
        self._sizes: dict[nn.Module, int] = {}  # of what each puts out, for one row
        self._hooks: list[Any] = []
        self._folder = Path()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._folder = Path(trainer.log_dir or trainer.default_root_dir)  # asks all processes
        self.doctor, self._candidates, self._sizes = None, [], {}
        if not trainer.is_global_zero:
            return
        if self.names:
            self._watch(*named(pl_module, trainer.optimizers, self.names))
            return
        self._candidates = told_by_optimizers(pl_module, trainer.optimizers)
        self._hooks = [
            each.register_forward_hook(self._measure) for candidates, _ in self._candidates for each in candidates
        ]

    def on_train_batch_end(self, *_: Any) -> None:
        called = [[each for each in candidates if each in self._sizes] for candidates, _ in self._candidates]
        if self.doctor is not None or not called or not all(called):
            return
        self._unhook()
        found = [(each[0], optimizer) for each, (_, optimizer) in zip(called, self._candidates, strict=True)]
        g, d = sorted(found, key=lambda trained: -self._sizes[trained[0]])
        if self._sizes[g[0]] == self._sizes[d[0]]:
            raise ValueError(f"which network is the generator {UNTOLD}")
        self._watch(g, d)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.doctor is not None and self.doctor.updates:
            self.doctor.epoch_end()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._end()

    def _watch(self, g: Trained, d: Trained) -> None:
        self.doctor = Doctor(g[0], d[0], g[1], d[1], **self.options)

    def _measure(self, network: nn.Module, args: tuple, output: Any) -> None:
        if found := floats(output):
            self._sizes[network] = found[0][0].numel()

    def _unhook(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _end(self) -> None:
        self._unhook()
        if self.doctor is None:
            return
        self.doctor.close()
        if self.doctor.rows:
            path = self.report or unused(self._folder / "doctor.html")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self.doctor.write_report(path)
            except OSError as error:
                rank_zero_warn(f"The doctor's report cannot be written: {error}")


def named(module: nn.Module, optimizers: list[Optimizer], names: tuple[str, str]) -> tuple[Trained, Trained]:
    """G and D by their names, each with the optimizer that has more of its weights; of two alike the first is G's.

    Raises:
        ValueError: There is no such network, or there are not two optimizers.
    """
    check_two(optimizers)
    inside = dict(module.named_modules())
    for name in names:
        if name not in inside:
            raise ValueError(f"the module has no network {name!r}; it has {', '.join(dict(module.named_children()))}")
    g, d = (inside[name] for name in names)
    g_weights = {id(each) for each in g.parameters()}
    ours = [len(ids(optimizer) & g_weights) / max(1, len(ids(optimizer))) for optimizer in optimizers]
    first, second = optimizers if ours[0] >= ours[1] else reversed(optimizers)
    return (g, first), (d, second)


def told_by_optimizers(module: nn.Module, optimizers: list[Optimizer]) -> list[tuple[list[nn.Module], Optimizer]]:
    """For each of two optimizers the smallest networks that have all the weights which it trains: one, and what holds it alone.

    Raises:
        ValueError: There are not two optimizers, or they do not train a network each.
    """
    check_two(optimizers)
    found = []
    for optimizer in optimizers:
        having = [each for name, each in module.named_modules() if name and ids(optimizer) <= ids(each)]
        smallest = min((len(ids(each)) for each in having), default=0)
        found.append(([each for each in having if len(ids(each)) == smallest], optimizer))
    (first, _), (second, _) = found
    if not first or not second or first[0] is second[0]:
        raise ValueError(f"the networks that the optimizers train {UNTOLD}")
    return found


def check_two(optimizers: list[Optimizer]) -> None:
    if len(optimizers) != 2:
        raise ValueError(
            f"the doctor watches a module with two optimizers, G's and D's; this one has {len(optimizers)}"
        )


def ids(holder: nn.Module | Optimizer) -> set[int]:
    """Of the weights of a network, or those that an optimizer trains."""
    if isinstance(holder, nn.Module):
        return {id(each) for each in holder.parameters()}
    return {id(each) for group in holder.param_groups for each in group["params"]}


def unused(path: Path) -> Path:
    """The path, or the same with the first number of which there is none."""
    numbered = (path.with_stem(f"{path.stem}_{number}") for number in count(2))
    return path if not path.exists() else next(each for each in numbered if not each.exists())
