"""What happens while a run goes on: measuring, drawing, showing. Nothing here changes what is learned."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from first_gan.callbacks.doctor import DoctorCallback

__all__ = ["DoctorCallback"]


def __getattr__(name: str) -> Any:
    """Loaded when asked for, as in first_gan."""
    if name != "DoctorCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from first_gan.callbacks.doctor import DoctorCallback

    return DoctorCallback
