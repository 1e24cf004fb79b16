"""--enable_model_summary: the networks' layers, as a table."""

from typing import Any

from pytorch_lightning.callbacks import ModelSummary
from rich.console import Console
from rich.table import Table

COLUMNS = {"Name": "layer", "Type": "class", "Params": "parameters"}


class Layers(ModelSummary):
    """Prints name, class and size of every layer. Lightning's own says FLOPs 0 where a module has no example input."""

    def __init__(self) -> None:
        super().__init__(max_depth=-1)

    @staticmethod
    def summarize(summary_data: list[tuple[str, list[str]]], total_parameters: int, *args: Any, **kwargs: Any) -> None:
        columns = dict(summary_data)
        table = Table(*COLUMNS.values())
        table.columns[-1].justify = "right"
        for row in zip(*(columns[name] for name in COLUMNS), strict=True):
            table.add_row(*row)
        table.add_row("all", "", f"{total_parameters:,}")
        Console().print(table)
