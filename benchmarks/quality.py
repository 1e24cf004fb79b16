"""Trains recipes over several seeds and scores them on the test set: `python -m benchmarks.quality`, some ten minutes.

All of it, as in docs/quality.md: `python -m benchmarks.quality --epochs 50 --seeds 5`. Runs that are done are kept, so it can be
broken off and taken up again. The lesson's runs also keep a moving average of G's weights, which changes nothing in their
training: the lesson and lesson + EMA are the same runs, scored with and without it.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import runs
from benchmarks.speed import machine, markdown
from first_gan.data import VALIDATION_ROWS
from first_gan.diagnosis.verdicts import DIVERGING
from first_gan.run import cli
from first_gan.run.folder import SUMMARY, read_metrics

CONFIGS: dict[str, list[str]] = {"lesson": ["--model.ema_decay=0.999"], "best": []}  # with these flags over each
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
RUN = Path("lightning_logs/version_0")


def main() -> int:
    return cli.run_command("quality.py", bench, None)


def bench(argv: Sequence[str]) -> int:
    """Trains, scores, writes and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description="Trains recipes over seeds and scores them on the test set.")
    parser.add_argument("--data_dir", help="where MNIST is; by default MNIST_DIR, else data")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=2, help="how many, from 0")
    parser.add_argument("--rows", type=int, default=60_000, help="images per epoch; the paper trained on 50000")
    parser.add_argument("--configs", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    parser.add_argument("--at_once", type=int, default=os.cpu_count(), help="runs at a time, which share the cores")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/quality"), help="folder of runs and results"
    )
    options = parser.parse_args(argv)
    if min(options.epochs, options.seeds, options.rows, options.at_once) < 1 or options.rows > 60_000:
        parser.error("--epochs, --seeds, --at_once and --rows must be at least 1, and --rows at most 60000")
    runs.folder_for_results(parser, options.out)
    length = f"{options.epochs}_epochs_of_{options.rows}"
    folders = {
        name: [options.out / f"{name}_{length}_seed_{seed}" for seed in range(options.seeds)]
        for name in options.configs
    }
    threads = max(1, (os.cpu_count() or 1) // options.at_once)

    def train_and_score(config: str, seed: int) -> None:
        flags = ["--config", str(runs.ROOT / f"configs/{config}.yaml"), *CONFIGS[config], f"--seed_everything={seed}"]
        flags += [f"--max_epochs={options.epochs}", f"--data.train_rows={options.rows}"]
        flags.append(f"--quality.every_n_epochs={max(1, options.epochs // 10)}")
        flags += [f"--data.data_dir={options.data_dir}"] if options.data_dir else []
        trained(folders[config][seed], flags, threads)
        checkpoint = folders[config][seed] / RUN / "checkpoints/last.ckpt"
        if not checkpoint.with_name("last.evaluation.json").is_file():
            runs.process([sys.executable, str(runs.ROOT / "evaluate.py"), str(checkpoint)], threads)

    all_at_once(train_and_score, [(name, seed) for name in folders for seed in range(options.seeds)], options.at_once)
    columns = scores_of(folders)
    rows = [
        (name, *(mean_and_std([scores[key] for scores in column], form) for key, (_, form) in SCORES.items()))
        for name, column in columns.items()
    ]
    header = ("", *(title for title, _ in SCORES.values()))
    text = f"{options.epochs} epochs of {options.rows:,} images, {options.seeds} seed(s), mean ± std over seeds; test set; "
    text += f"{machine('cpu')}\n\n{markdown(header, rows)}\n"
    name = length if len(folders) == len(CONFIGS) else "_".join([*folders, length])
    (options.out / f"{name}.md").write_text(text, encoding="utf-8")
    (options.out / f"{name}.json").write_text(json.dumps(columns, indent=1), encoding="utf-8")
    plot(folders, options.rows <= VALIDATION_ROWS.start).savefig(options.out / f"{name}.png", dpi=120)
    print(f"\n{text}\nWritten to {options.out}/{name}.md, .json and .png")
    return 0


def trained(folder: Path, flags: list[str], threads: int, may_diverge: bool = False) -> None:
    """Trains a run into `folder`, unless it is there already; one that broke off, or had other options, is done anew."""
    done, recipe = (
        folder / "done",
        "\n".join([*flags, *(Path(flag).read_text(encoding="utf-8") for flag in flags if flag.endswith(".yaml"))]),
    )
    if done.is_file() and done.read_text(encoding="utf-8") == recipe:
        return
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, str(runs.ROOT / "train.py"), *flags, f"--default_root_dir={folder}"]
    try:
        runs.process([*command, "--accelerator=cpu", "--enable_progress_bar=false"], threads)
    except runs.RunError:
        summary = folder / RUN / SUMMARY
        if not (
            may_diverge
            and summary.is_file()
            and json.loads(summary.read_text(encoding="utf-8"))["verdict"] == DIVERGING
        ):
            raise
    done.write_text(recipe, encoding="utf-8")


def all_at_once(work: Callable[..., None], arguments: Sequence[tuple[Any, ...]], at_once: int) -> None:
    """Calls `work` with each tuple of arguments, a few at a time, under a bar."""
    columns = TextColumn("{task.description:32}"), MofNCompleteColumn(), TextColumn("runs"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar, ThreadPoolExecutor(at_once) as pool:
        task = bar.add_task("training and scoring", total=len(arguments))
        futures = [pool.submit(work, *each) for each in arguments]
        try:
            for future in as_completed(futures):
                future.result()
                bar.advance(task)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in list(runs.CHILDREN):
                child.terminate()
            raise


def scores_of(folders: dict[str, list[Path]]) -> dict[str, list[dict[str, float]]]:
    """Of each column of the table, the scores of each seed."""
    columns: dict[str, list[dict[str, float]]] = {}
    for config, of_seeds in folders.items():
        for folder in of_seeds:
            result = json.loads((folder / RUN / "checkpoints/last.evaluation.json").read_text(encoding="utf-8"))
            for weights in ("raw", "ema"):
                name = config if (config == "lesson") == (weights == "raw") else f"{config}, {weights}"
                columns.setdefault(name, []).append(result["scores"][weights])
            columns["real images"] = [result["scores"]["floor"]]
    return {name: columns[name] for name in sorted(columns, key=lambda name: name == "real images")}


def mean_and_std(values: Sequence[float], form: str) -> str:
    spread = f" ± {form.format(statistics.stdev(values))}" if len(values) > 1 else ""
    return form.format(statistics.mean(values)) + spread


def plot(folders: dict[str, list[Path]], held_out: bool) -> Figure:
    """Each run's `val/fcd` over its epochs."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, (config, of_seeds) in enumerate(folders.items()):
        for seed, folder in enumerate(of_seeds):
            rows = [row for row in read_metrics(folder / RUN) if "val/fcd" in row]
            curves: Iterable[tuple[str, str, str]] = [("val/fcd", config, "-")]
            if config == "lesson":
                curves = [("val/raw_fcd", "lesson", "-"), ("val/fcd", "lesson, ema", ":")]
            for key, label, style in curves:
                x, y = [row["epoch"] + 1 for row in rows], [row[key] for row in rows if key in row]
                axes.plot(x, y, style, color=f"C{number}", linewidth=1.2, label=label if seed == 0 else None)
    axes.axhline(rows[-1]["val/floor_fcd"], color="gray", linestyle="--", label="real images")
    axes.set(
        yscale="log", xlabel="Epoch", ylabel=f"FCD while training, {'held-out' if held_out else 'trained-on'} rows"
    )
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


if __name__ == "__main__":
    sys.exit(main())
