"""The machinery, which serves any generator and any discriminator, and imports no file of the experiment.

from first_gan import HealthMonitor, SampleGrids
trainer = Trainer(callbacks=[SampleGrids("run", real=images), HealthMonitor(real=images)])

from first_gan import Doctor
doctor = Doctor(G, D, opt_G, opt_D)  # watches any training loop; then doctor.epoch_end() after each epoch
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from first_gan.callbacks.doctor import DoctorCallback
    from first_gan.callbacks.health import HealthMonitor
    from first_gan.callbacks.quality import QualityMonitor
    from first_gan.callbacks.report import ReportWriter
    from first_gan.callbacks.samples import SampleGrids
    from first_gan.data import ImageSet
    from first_gan.diagnosis import diagnose
    from first_gan.diagnosis.verdicts import Diagnosis
    from first_gan.doctor import Doctor
    from first_gan.report.comparison import comparison
    from first_gan.report.inline import Page
    from first_gan.report.run import Run
    from first_gan.scores.judge import judge_of, shipped

HOME = {
    "DoctorCallback": "callbacks.doctor",
    "HealthMonitor": "callbacks.health",
    "QualityMonitor": "callbacks.quality",
    "ReportWriter": "callbacks.report",
    "SampleGrids": "callbacks.samples",
    "ImageSet": "data",
    "Diagnosis": "diagnosis.verdicts",
    "Doctor": "doctor",
    "Page": "report.inline",
    "Run": "report.run",
    "comparison": "report.comparison",
    "diagnose": "diagnosis",
    "judge_of": "scores.judge",
    "shipped": "scores.judge",
}
__all__ = [
    "Diagnosis",
    "Doctor",
    "DoctorCallback",
    "HealthMonitor",
    "ImageSet",
    "Page",
    "QualityMonitor",
    "ReportWriter",
    "Run",
    "SampleGrids",
    "comparison",
    "diagnose",
    "judge_of",
    "shipped",
]


def __getattr__(name: str) -> Any:
    """Loaded when asked for: the commands import first_gan.run.stopping before torch, whose loading takes seconds."""
    if name not in HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOME[name]}"), name)
