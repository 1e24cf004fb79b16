"""Trains, writes and tests a judge. Try it: `python -m first_gan.scores --dataset digits --out judge.pt`"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from first_gan.data import FOLDERS, DataError, idx, places, sources
from first_gan.data.digits import make_digits
from first_gan.run import cli
from first_gan.run.cli import UserError
from first_gan.scores.judge import accuracy, load, save, train_with_bar


def main() -> int:
    return cli.run_command("judge.py", make, None)


def make(argv: Sequence[str]) -> int:
    """Trains, writes and tests a judge; returns the exit code."""
    parser = argparse.ArgumentParser(description="Trains a judge and tests it.")
    parser.add_argument("--dataset", choices=sorted(FOLDERS), default="mnist")
    parser.add_argument("--data_dir", type=Path, help="where the images are; by default MNIST_DIR for mnist, else data")
    parser.add_argument("--out", type=Path, required=True, help="where the weights go")
    options = parser.parse_args(argv)
    mnist_dir = os.environ.get("MNIST_DIR") if options.dataset == "mnist" else None
    data_dir = options.data_dir or Path(mnist_dir or "data")
    try:
        if options.dataset == "digits" and idx.find(data_dir, "digits") is None:
            places.check_free(data_dir, "digits")
            make_digits(data_dir)
        data = sources.read(options.dataset, data_dir)
        if data is None:
            raise DataError(f"no {options.dataset} in {data_dir}; name its folder by --data_dir")
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=options.out.parent):  # before minutes of training, not after them
            pass
    except (DataError, OSError) as error:
        raise UserError(str(error)) from error
    save(train_with_bar(options.dataset, data), options.out)
    judge = load(options.out)
    print(f"{options.out}: SHA-256 {judge.sha256}, {options.out.stat().st_size:,} bytes")
    print(f"accuracy on the test set {accuracy(judge, data.test, data.test_labels):.2%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
