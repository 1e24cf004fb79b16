"""How a run looks in TensorBoard: its groups of charts, the charts to look at first, and what runs are compared by."""

import re
import time
from collections.abc import Mapping
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2 as api
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

from first_gan.diagnosis.history import FCD
from first_gan.run.names import CONTENTS, LIBRARY, PROCESSES

# Groups are shown in alphabetical order: pictures first, then losses, scores, and what is looked at seldom.
GROUPS = (
    (r"val/class_(\d+)", r"val_class/\1"),
    (r"val/floor_class_(\d+)", r"val_class/\1_real"),
    (r"val/(raw|floor)_(\w+)", r"val_\1/\2"),
    (r"health/(\w+)", r"verdict/\1"),
    (r"epoch", r"train/epoch"),
)
BEST_FCD = "val/best_fcd"  # so far; of TensorBoard alone
COMPARED = {BEST_FCD: "best FCD", FCD: "last FCD", "train/epoch": "last epoch, from 0"}  # of each run: the newest value
FIRST = ("model.generator", "model.lr", "model.ema_decay", "model.r1", "seed_everything")  # TensorBoard shows five
TEXTS = ("limit_train_batches", "data.image_size", "precision")  # which need not be numbers
NETWORKS = ("model.generator", "model.discriminator")
# By category and chart; the tags are regular expressions.
LAYOUT: dict[str, dict[str, tuple[str, ...]]] = {
    "Losses": {"Losses (nats)": ("train/d_loss", "train/g_loss")},
    "What D believes": {
        "D(x), D(G(z)): mean probability of being real": ("train/d_real", "train/d_fake"),
        "Share of images that D is right about": ("train/d_accuracy",),
        "Share of training and of held-out images that D takes for real": ("train/d_seen", "train/d_held_out"),
    },
    "Quality": {
        "FCD: lower is better, val_floor is real images'": ("val/fcd", "val_raw/fcd", "val_floor/fcd"),
        "Coverage: higher is better": ("val/coverage", "val_raw/coverage", "val_floor/coverage"),
        "Precision and recall": ("val/precision", "val/recall"),
    },
    "Health": {
        "Is G improving? 1 yes, 0 unknown or not any more, -1 no": ("verdict/g_improving",),
        "Is D dominating? 1 too much, 0 neither, -1 too little": ("verdict/d_dominance",),
        "Do the losses converge? 1 settled, 0 not, -1 diverging": ("verdict/convergence",),
        "Diversity, as a share of real images'": ("train/diversity", "train/thumbnail_diversity"),
        "Gradient norms": ("train/d_grad_norm", "train/g_grad_norm"),
    },
}


def tag(name: str) -> str:
    """Under which name a metric is shown: `val/raw_fcd` as `val_raw/fcd`, most as they are."""
    for pattern, place in GROUPS:
        if match := re.fullmatch(pattern, name):
            return match.expand(place)
    return name


def layout() -> dict[str, dict[str, list[Any]]]:
    """`LAYOUT` as `SummaryWriter.add_custom_scalars` takes it."""
    return {
        category: {title: ["Multiline", [f"^{name}$" for name in names]] for title, names in charts.items()}
        for category, charts in LAYOUT.items()
    }


def hyperparameters(options: Mapping[str, Any]) -> dict[str, float | str]:
    """The options that runs are compared by: for every run the same names, each with a number or each with a text.

    TensorBoard takes the names from any one of the runs. So a network is one text, with its options; a learning rate that is
    not set is the one that holds; and what a resumed run may change, such as its length, is not among them.

    Args:
        options: By name, as a checkpoint keeps them.
    """
    compared: dict[str, float | str] = {}
    for name, value in options.items():
        if name in (PROCESSES, CONTENTS, LIBRARY) or name.startswith(tuple(f"{each}." for each in NETWORKS)):
            continue
        if name in NETWORKS:
            own = {each.removeprefix(f"{name}."): options[each] for each in options if each.startswith(f"{name}.")}
            value = f"{value}({', '.join(f'{each}={own[each]}' for each in own)})"
        elif name in ("model.lr_g", "model.lr_d") and value is None:
            value = options["model.lr"]
        elif isinstance(value, (list, tuple)):
            value = list(value)  # which of both depends on where it was read
        is_number = isinstance(value, (int, float)) and name not in TEXTS
        compared[name] = value if is_number else "null" if value is None else str(value)
    return compared


def comparison(options: Mapping[str, float | str]) -> list[Summary]:
    """What HPARAMS reads as a run begins: its columns, and the run's values of them.

    Args:
        options: As `hyperparameters` returns them.
    """
    columns, run = api.Experiment(), SessionStartInfo(start_time_secs=time.time())
    for name, value in options.items():
        kind = api.DATA_TYPE_STRING if isinstance(value, str) else api.DATA_TYPE_FLOAT64
        columns.hparam_infos.add(name=name, type=kind, differs=name in FIRST)  # what differs is shown first
        if isinstance(value, str):
            run.hparams[name].string_value = value
        else:
            run.hparams[name].number_value = value
    for metric, title in COMPARED.items():
        columns.metric_infos.add(name=api.MetricName(tag=metric), display_name=title)
    return [
        _event(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=columns)),
        _event(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=run)),
    ]


def ended() -> Summary:
    """What HPARAMS reads as a run ends well."""
    end = SessionEndInfo(status=api.STATUS_SUCCESS, end_time_secs=time.time())
    return _event(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end))


def _event(tag: str, data: HParamsPluginData) -> Summary:
    described = metadata.create_summary_metadata(data)
    return Summary(value=[Summary.Value(tag=tag, metadata=described, tensor=metadata.NULL_TENSOR)])
