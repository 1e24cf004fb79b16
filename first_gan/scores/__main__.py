"""Trains, writes and tests a judge. Try it: `python -m first_gan.scores --dataset digits --out judge.pt`"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence

from first_gan.data import FOLDERS, DataError, idx, places, sources
from first_gan.data.digits import make_digits
from first_gan.run import cli
from first_gan.run.cli import UserError, expand
from first_gan.scores.judge import JudgeError, accuracy, load, save, train_with_bar


def main() -> int:
    return cli.run_command("judge.py", make, None)


def make(argv: Sequence[str]) -> int:
    """Trains, writes and tests a judge; returns the exit code."""
    parser = argparse.ArgumentParser(description="Trains a judge and tests it.")
    parser.add_argument("--dataset", choices=sorted(FOLDERS), default="mnist")
    parser.add_argument("--data_dir", help="where the images are; by default MNIST_DIR for mnist, else data")
    parser.add_argument("--out", required=True, help="where the weights go")
    parser.add_argument("--overwrite", action="store_true", help="--out may replace a file that is there")
    options = parser.parse_args(argv)
    out = expand(options.out)
    if os.path.lexists(out) and not out.is_file():
        raise UserError(f"{out} is no file; --out names another")
    if out.exists() and not options.overwrite:
        raise UserError(f"{out} exists; --overwrite replaces it, --out names another")
    mnist_dir = os.environ.get("MNIST_DIR") if options.dataset == "mnist" else None
    data_dir = expand(options.data_dir or mnist_dir, "data")
    try:
        if options.dataset == "digits" and idx.find(data_dir, "digits") is None:
            places.check_free(data_dir, "digits")
            make_digits(data_dir)
        data = sources.read(options.dataset, data_dir)
        if data is None:
            raise DataError(f"no {options.dataset} in {data_dir}; name its folder by --data_dir")
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):  # before minutes of training, not after them
            pass
        save(train_with_bar(options.dataset, data), out)
        judge = load(out)
    except (DataError, JudgeError) as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(f"{error.filename or out} cannot be written: {error.strerror}") from error
    print(f"{out}: SHA-256 {judge.sha256}, {out.stat().st_size:,} bytes")
    print(f"accuracy on the test set {accuracy(judge, data.test, data.test_labels):.2%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
