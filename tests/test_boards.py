"""How runs look in TensorBoard, as its own readers see them."""

import re
from math import inf
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

from first_gan.callbacks import board
from first_gan.callbacks.loggers import RunTensorBoard
from first_gan.diagnosis.history import FCD
from first_gan.run import folder as run_folder
from tests.test_train import events


def compared(logs: Path) -> tuple[Any, dict[str, Any]]:
    """What the HPARAMS tab shows: its columns, and by run a session's hyperparameters, status and metrics."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(logs))
    multiplexer.Reload()
    context = backend_context.Context(TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(logs))))
    asked = RequestContext(), "", context.hparams_metadata(RequestContext(), "")
    columns = context.experiment_from_metadata(asked[0], "", True, asked[2], [])
    wanted = [{"metric": info.name} for info in columns.metric_infos] + [
        {"hparam": info.name} for info in columns.hparam_infos
    ]
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=99, allowed_statuses=api_pb2.Status.values(), include_metrics=True
    )
    request.col_params.extend(api_pb2.ColParams(**each) for each in wanted)
    answer = list_session_groups.Handler(asked[0], context, "", request).run()
    found = {}
    for group in answer.session_groups:
        (session,) = group.sessions
        options = {name: value.string_value or value.number_value for name, value in group.hparams.items()}
        metrics = {each.name.tag: (each.training_step, each.value) for each in session.metric_values}
        found[session.name] = options, api_pb2.Status.Name(session.status), metrics
    return columns, found


def test_groups_begin_with_samples_and_losses_and_what_is_seldom_looked_at_has_its_own(trained_run: Path) -> None:
    tags = events(trained_run).Tags()
    groups = sorted({tag.split("/")[0] for tag in (*tags["images"], *tags["scalars"])})
    assert groups == ["samples", "train", "val", "val_class", "val_floor", "val_raw", "verdict"]
    assert {tag for tag in tags["scalars"] if tag.startswith("val_class/")} == {
        *(f"val_class/{digit}" for digit in range(10)),
        *(f"val_class/{digit}_real" for digit in range(10)),
    }
    assert {"val_raw/fcd", "val_floor/fcd", "train/epoch", "val/fcd"} <= set(tags["scalars"])
    assert len([tag for tag in tags["scalars"] if tag.startswith("val/")]) <= 12
    written = {name for row in run_folder.read_metrics(trained_run) for name in row} - {"step"}
    assert {board.tag(name) for name in written} | {board.BEST_FCD} == set(tags["scalars"])
    assert {"epoch", "val/raw_fcd", "val/class_0", "val/floor_fcd", "health/convergence"} <= written  # as ever


def test_the_layout_shows_what_a_run_logs(trained_run: Path) -> None:
    (event,) = events(trained_run).Tensors("custom_scalars__config__")
    shown = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    assert [category.title for category in shown.category] == ["Losses", "What D believes", "Quality", "Health"]
    scalars = events(trained_run).Tags()["scalars"]
    for category in shown.category:
        for chart in category.chart:
            assert chart.multiline.tag
            for pattern in chart.multiline.tag:
                assert len([tag for tag in scalars if re.match(pattern, tag)]) == 1, pattern
    assert list(shown.category[0].chart[0].multiline.tag) == ["^train/d_loss$", "^train/g_loss$"]


def test_runs_are_compared_by_fcd(trained_run: Path) -> None:
    columns, runs = compared(trained_run.parent)
    options, status, metrics = runs["version_0"]
    rows = [row for row in run_folder.read_metrics(trained_run) if FCD in row]
    lowest = min(row[FCD] for row in rows)
    assert status == "STATUS_SUCCESS"
    assert metrics[FCD] == (20, pytest.approx(rows[-1][FCD]))
    assert metrics[board.BEST_FCD] == (20, pytest.approx(lowest))
    assert metrics["train/epoch"] == (20, 1)
    assert [info.display_name for info in columns.metric_infos] == ["best FCD", "last FCD", "last epoch, from 0"]
    assert {info.name for info in columns.hparam_infos} == set(options)
    assert {info.name for info in columns.hparam_infos[:5]} == set(board.FIRST)  # of which the tab shows five
    assert len(options) < 24
    assert options["model.generator"] == "gan_networks.Generator(widths=[256, 512], batch_norm=False, layer_norm=False)"
    assert (options["model.ema_decay"], options["model.lr"], options["model.lr_d"]) == (0.8, 1e-3, 1e-3)
    assert (options["data.train_rows"], options["model.betas"]) == (600, "[0.5, 0.999]")


def test_any_two_runs_have_the_same_columns_of_the_same_kinds() -> None:
    dense = {"model.generator": "gan_networks.Generator", "model.generator.widths": [256, 512], "model.lr": 1e-3}
    other = {"model.generator": "networks.dcgan.Generator", "model.generator.width": 64, "model.lr": 2}
    one = board.hyperparameters(dense | {"model.lr_d": None, "limit_train_batches": None, "model.betas": (0, 1)})
    two = board.hyperparameters(other | {"model.lr_d": 0.1, "limit_train_batches": 0.5, "model.betas": [0, 1]})
    assert one.keys() == two.keys()
    assert [isinstance(value, str) for value in one.values()] == [isinstance(value, str) for value in two.values()]
    assert (one["model.lr_d"], two["model.lr_d"], one["model.betas"]) == (1e-3, 0.1, two["model.betas"])


def test_a_run_without_scores_is_compared_too_and_one_that_failed_has_not_ended_well(tmp_path: Path) -> None:
    for number, (status, fcd) in enumerate({"failed": {}, "success": {FCD: float("nan")}}.items()):
        logger = RunTensorBoard(tmp_path / f"lightning_logs/version_{number}", options={"model.lr": 0.5})
        logger.log_hyperparams({"of": "the module"})
        logger.log_metrics({"epoch": 0, "train/d_loss": 1.0} | fcd, 7)
        logger.finalize(status)
        assert logger.best == inf
    _, runs = compared(tmp_path)
    assert [runs[name][0] for name in sorted(runs)] == [{"model.lr": 0.5}] * 2
    assert [runs[name][1] for name in sorted(runs)] == ["STATUS_UNKNOWN", "STATUS_SUCCESS"]
    assert board.BEST_FCD not in events(tmp_path / "lightning_logs/version_1").Tags()["scalars"]
