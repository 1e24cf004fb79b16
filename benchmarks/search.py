"""The search behind configs/best.yaml: trains candidates on rows 0 to 49,999 and scores them against rows 50,000 to 59,999.

`python -m benchmarks.search --epochs 50`; one alone: `--only "lesson"`. The test set is not touched. Runs that are done are kept, so
it can be broken off and taken up again; a candidate of your own is one more line below.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import runs
from benchmarks.quality import RUN, all_at_once, trained
from benchmarks.speed import markdown
from first_gan import files
from first_gan.data import VALIDATION_ROWS, DataError
from first_gan.data.sources import cache_folder
from first_gan.run import checkpoints, cli
from first_gan.run import folder as run_folder
from first_gan.run.cli import UserError
from first_gan.scores import metrics
from first_gan.scores.judge import JudgeError, judge_of
from first_gan.scores.scoring import PARZEN_VALIDATION, SAMPLES, Reference, draw, feature_scores
from gan_module import HERE

FIRST = ["--model.ema_decay=0.9998", "--model.lr=1e-3", "--model.r1=0.1", "--model.generator.batch_norm=true"]
THEN = [*FIRST, "--data.batch_size=64", "--model.lr_d=5e-4"]
LAST = [*THEN, "--model.generator.widths=[512,512]", "--model.r1=0.2", "--model.betas=[0,0.99]"]
CANDIDATES: dict[str, list[str]] = {  # in the order of the search: each group stands on the best of those before it
    "lesson": [],
    "EMA": FIRST[:1],
    "lr 1e-3": FIRST[:2],
    "R1": FIRST[:3],
    "batch norm": FIRST,
    "batch 64": [*FIRST, "--data.batch_size=64"],
    "slower D": THEN,
    "R1 0.3": [*THEN, "--model.r1=0.3"],
    "R1 1": [*THEN, "--model.r1=1"],
    "no batch norm": [*THEN, "--model.generator.batch_norm=false"],
    "G 512-512": [*THEN, "--model.generator.widths=[512,512]"],
    "G 512-1024": [*THEN, "--model.generator.widths=[512,1024]"],
    "lr 2e-3": [*THEN, "--model.lr=2e-3", "--model.lr_d=1e-3"],
    "betas 0, 0.99": LAST,
    "betas 0, 0.9": [*LAST, "--model.betas=[0,0.9]"],
    "z of 32": [*LAST, "--model.latent_dim=32"],
    "z of 16": [*LAST, "--model.latent_dim=16"],
    "best": ["--config", str(runs.ROOT / "configs/best.yaml")],
}
HEADER = ("candidate", "FCD", "coverage", "KL of classes", "Parzen", "options")


def main() -> int:
    return cli.run_command("search.py", search, None)


def search(argv: Sequence[str]) -> int:
    """Trains and scores the candidates, prints them from the best on; returns the exit code."""
    parser = argparse.ArgumentParser(description="Trains candidate recipes and scores them on held-out training rows.")
    parser.add_argument("--data_dir", help="where MNIST is; by default MNIST_DIR, else data")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", nargs="+", choices=CANDIDATES, default=list(CANDIDATES), help="these candidates alone"
    )
    parser.add_argument("--at_once", type=int, default=os.cpu_count(), help="runs at a time, which share the cores")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/search"), help="folder of runs and results"
    )
    options = parser.parse_args(argv)
    if min(options.epochs, options.at_once) < 1:
        parser.error("--epochs and --at_once must be at least 1")
    runs.folder_for_results(parser, options.out)
    threads = max(1, (os.cpu_count() or 1) // options.at_once)
    folders = {name: options.out / f"{options.epochs}_epochs_seed_{options.seed}" / name for name in options.only}

    def train(name: str) -> None:
        flags = [f"--max_epochs={options.epochs}", f"--seed_everything={options.seed}", *CANDIDATES[name]]
        flags += [f"--data.data_dir={options.data_dir}"] if options.data_dir else []
        trained(folders[name], [f"--data.train_rows={VALIDATION_ROWS.start}", *flags], threads)

    all_at_once(train, [(name,) for name in options.only], options.at_once)
    scores = {name: score(folders[name] / RUN / "checkpoints/last.ckpt", options.data_dir) for name in options.only}
    scores = dict(sorted(scores.items(), key=lambda item: item[1]["fcd"]))
    rows = [
        (name, *(f"{row[key]:{form}}" for key, form in (("fcd", ".1f"), ("coverage", ".3f"), ("histogram_kl", ".4f"),
                                                        ("parzen", ".1f"))), " ".join(CANDIDATES[name]))
        for name, row in scores.items()
    ]  # fmt: skip
    text = markdown(HEADER, rows)
    (options.out / "search.md").write_text(f"{text}\n", encoding="utf-8")
    print(f"\n{text}\n\nWritten to {options.out}/search.md")
    return 0


def score(checkpoint: Path, data_dir: str | None) -> dict[str, float]:
    """Scores of the sampling generator against the validation rows; the first 1,000 of them choose Parzen's sigma."""
    kept = checkpoint.with_name("last.validation.json")
    if kept.is_file():
        return json.loads(kept.read_text(encoding="utf-8"))
    try:
        loaded = checkpoints.load_checkpoint(checkpoint)
        gan = checkpoints.load_gan(checkpoint, loaded, HERE)
        data, dataset, place = checkpoints.images_of(checkpoint, loaded, data_dir)
        judge = judge_of(dataset, data, cache_folder(dataset, place))
    except (run_folder.RunFolderError, DataError, JudgeError) as error:
        raise UserError(str(error)) from error
    images = data.train[data.validation]
    reference = Reference(judge, images)
    generated = draw(gan.sampling_generator, gan.latent_dim, SAMPLES, seed=0)
    sigma_rows, scored_rows = images[:PARZEN_VALIDATION], images[PARZEN_VALIDATION:]
    window = metrics.parzen((generated.double() + 1) / 2, sigma_rows.double() / 255, scored_rows.double() / 255)
    scores = feature_scores(generated, reference) | {"parzen": window.log_likelihood}
    files.write(kept, json.dumps(scores, indent=1).encode())
    return scores


if __name__ == "__main__":
    sys.exit(main())
