"""Stand-ins for Lightning's loggers whose packages are not installed, which take what those take and keep what they are told."""

import inspect
import sys
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
from pytorch_lightning import loggers
from pytorch_lightning.loggers import Logger

from first_gan.callbacks import others


class StandIn(Logger):
    """A logger that keeps all calls: (name, arguments)."""

    made: ClassVar[list["StandIn"]] = []
    real: ClassVar[type]
    failing: ClassVar[tuple[str, ...]] = ()  # the calls that fail

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        bound = inspect.signature(self.real.__init__).bind(self, *args, **kwargs)
        self.options = {name: value for name, value in bound.arguments.items() if name not in ("self", "kwargs")}
        self.options |= bound.arguments.get("kwargs", {})
        self.calls: list[tuple[str, Any]] = []
        StandIn.made.append(self)

    def keep(self, name: str, *args: Any) -> None:
        if name in self.failing:
            raise ConnectionError(f"{name}: nobody\nanswers.")
        self.calls.append((name, args))

    def log_hyperparams(self, params: Any) -> None:
        self.keep("log_hyperparams", params)

    def log_metrics(self, metrics: Any, step: Any = None) -> None:
        self.keep("log_metrics", metrics, step)

    def finalize(self, status: str) -> None:
        self.keep("finalize", status)

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        """The run's id; CSV files have none that counts."""
        return ""

    def of(self, name: str) -> list[Any]:
        """The arguments of all calls of that name."""
        return [args for each, args in self.calls if each == name]


class Wandb(StandIn):
    real = loggers.WandbLogger

    @property
    def experiment(self) -> Any:
        finish = lambda exit_code: self.keep("finish", exit_code)  # noqa: E731
        return SimpleNamespace(offline=True, url=None, finish=finish)

    @property
    def version(self) -> str:
        return self.options["version"]

    def log_image(self, key: str, images: list[Any], step: int) -> None:
        self.keep("image", key, images[0].size, step)


class MLFlow(StandIn):
    real = loggers.MLFlowLogger
    run_id = "0f" * 16

    @property
    def experiment(self) -> Any:
        return SimpleNamespace(
            update_run=lambda run, status: self.keep("update_run", run, status),
            log_image=lambda run, image, key, step: self.keep("image", key, image.size, step),
        )

    @property
    def version(self) -> str:
        return self.options["run_id"] or self.run_id


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> list[StandIn]:
    """In place of W&B's and MLflow's loggers; the list fills with those that are made."""
    monkeypatch.setattr(others, "WandbLogger", Wandb)
    monkeypatch.setattr(others, "MLFlowLogger", MLFlow)
    monkeypatch.setattr(others, "_is_installed", lambda name: True)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["wandb"], "Settings", dict, raising=False)
    monkeypatch.setattr(StandIn, "made", [])
    monkeypatch.setattr(StandIn, "failing", ())
    return StandIn.made
