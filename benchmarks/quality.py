"""Trains recipes over several seeds and scores them on the test set: `python -m benchmarks.quality`, some ten minutes.

All of it, as in docs/quality.md: `python -m benchmarks.quality --epochs 50 --seeds 5`. Each run is an ordinary run folder: type the same again,
and those that are done are kept, and those that were cut off are gone on with. The lesson's runs also keep a moving average of G's weights, which
changes nothing in their training: the lesson and lesson + EMA are the same runs, scored with and without it.
"""

import hashlib
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import runs
from first_gan.run import cli
from first_gan.run.config import load
from first_gan.run.folder import LAST
from first_gan.study.processes import train_all
from first_gan.study.statistics import comparisons

# Recipes, with these flags over each.
CONFIGS: dict[str, list[str]] = {"lesson": ["--model.ema_decay=0.999"], "best": [], "dcgan": []}
SCORES = {  # key, title, format
    "fcd": ("FCD", "{:.1f}"),
    "coverage": ("coverage", "{:.3f}"),
    "density": ("density", "{:.3f}"),
    "precision": ("precision", "{:.3f}"),
    "recall": ("recall", "{:.3f}"),
    "modes_covered": ("classes", "{:.1f}"),
    "histogram_kl": ("KL of classes", "{:.4f}"),
    "classifier_score": ("classifier score", "{:.2f}"),
    "parzen": ("Parzen", "{:.1f}"),
}


def bench(argv: Sequence[str]) -> int:
    """Trains, scores, writes and prints; returns the exit code."""
    parser = runs.Options(
        "Trains recipes over seeds and scores them on the test set.",
        "quality",
        epochs=(6, "epochs of each run"),
        seeds=(2, "how many, from 0"),
        rows=(60_000, "images per epoch; the paper trained on 50000"),
        at_once=(os.cpu_count(), "runs at a time, which share the cores"),
    )
    parser.add_argument("--configs", nargs="+", choices=CONFIGS, default=["lesson", "best"])
    options = parser.read(argv)
    length = [f"--max_epochs={options.epochs}", f"--data.train_rows={options.rows}"]
    length += [f"--quality.every_n_epochs={max(1, options.epochs // 10)}", "--accelerator=cpu"]
    data = [f"--data.data_dir={options.data_dir}"] if options.data_dir else []
    wanted = {
        (config, seed): [f"--config={runs.ROOT}/configs/{config}.yaml", *CONFIGS[config], f"--seed_everything={seed}"]
        for config in options.configs
        for seed in range(options.seeds)
    }
    names = {key: run_name("{}_seed_{}".format(*key), [*recipe, *length]) for key, recipe in wanted.items()}
    folders = train_all({names[key]: [*wanted[key], *length, *data] for key in wanted}, options.out, options.at_once)
    with cli.Steps() as steps:
        scores = {key: scores_of(folders[names[key]] / LAST) for key in steps.each(list(wanted), "scoring {}")}
    columns = by_weights(scores)
    rows = [
        (name, *(mean_and_std([each[key] for each in column.values()], form) for key, (_, form) in SCORES.items()))
        for name, column in columns.items()
    ]
    text = f"{options.epochs} epochs of {options.rows:,} images, {options.seeds} seed(s), mean ± std over seeds; test set; "
    text += f"{runs.machine()}\n\n{runs.markdown(['', *(title for title, _ in SCORES.values())], rows)}"
    fcds = {name: {seed: each["fcd"] for seed, each in of.items()} for name, of in columns.items() if name in CONFIGS}
    text = "\n\n".join([text, *(each.words() for each in comparisons(fcds))])
    file = f"{options.epochs}_epochs_of_{options.rows}"
    name = file if options.configs == parser.get_default("configs") else "_".join([*options.configs, file])
    runs.write(options.out, name, text, {name: list(of.values()) for name, of in columns.items()})
    return 0


def run_name(name: str, arguments: Sequence[str]) -> str:
    """A run's name with a mark of its recipe, the contents of its configs included: of another recipe it is another run."""
    contents = [
        load(Path(each.removeprefix("--config=")).read_text(encoding="utf-8")) if each.endswith(".yaml") else each
        for each in arguments
    ]
    return f"{name}-{hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:8]}"


def scores_of(checkpoint: Path) -> dict[str, dict[str, Any]]:
    """What evaluate.py says of a checkpoint: scores on the test set of the trained weights, their average and real images."""
    kept = checkpoint.with_name(f"{checkpoint.stem}.evaluation.json")
    if not kept.is_file() or kept.stat().st_mtime < checkpoint.stat().st_mtime:
        runs.process([sys.executable, str(runs.ROOT / "evaluate.py"), str(checkpoint)])
    return json.loads(kept.read_text(encoding="utf-8"))["scores"]


def by_weights(scores: Mapping[tuple[str, int], Mapping[str, Any]]) -> dict[str, dict[int, dict[str, float]]]:
    """Of each row of the table the scores by seed: a recipe goes by what it samples from, and the lesson has no average."""
    rows: dict[str, dict[int, dict[str, float]]] = {}
    for (config, seed), of in scores.items():
        for weights in ("raw", "ema"):
            name = config if (config == "lesson") == (weights == "raw") else f"{config}, {weights}"
            rows.setdefault(name, {})[seed] = of[weights]
    return rows | {"real images": {0: of["floor"]}}


def mean_and_std(values: Sequence[float], form: str) -> str:
    spread = f" ± {form.format(statistics.stdev(values))}" if len(values) > 1 else ""
    return form.format(statistics.mean(values)) + spread


if __name__ == "__main__":
    sys.exit(cli.run_command("quality.py", bench, None))
