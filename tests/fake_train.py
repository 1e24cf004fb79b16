"""Stands in for train.py in the tests of studies: a run folder in milliseconds, without torch.

Its FCD after each epoch is 10 / epoch + 100 × lr + seed / 10. Options that tests type: `--model.lr=9` fails, `--model.lr=7` diverges, `--model.lr=8` has
no score; while a file `hold` lies in the study's folder, the run stands still after its first epoch.
"""

import csv
import json
import signal
import sys
import time
from pathlib import Path

from filelock import FileLock

HISTORY = Path(__file__).parent / "histories/lesson_seed_0.csv"


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    typed = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:] if "=" in word)
    root, name, lr = Path(typed["default_root_dir"]), typed["name"], float(typed.get("model.lr", 0.01))
    folder = root / "lightning_logs" / name
    epochs = int(typed["max_epochs"])
    last = folder / "checkpoints/last.ckpt"
    if folder.exists() and not last.is_file():
        print(f"train.py: error: {folder} exists")
        return 2
    last.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock", timeout=0):
        begun = int(last.read_text(encoding="utf-8")) if last.is_file() else 0
        with (root / "began.txt").open("a", encoding="utf-8") as began:
            began.write(f"{name} after {begun} {' '.join(sys.argv[1:])}\n")
        if begun == epochs:
            print(f"train.py: error: {last} has trained {epochs} of {epochs} epochs: pass a --max_epochs over {epochs}")
            return 2
        if lr == 9:
            print(f"train.py: diverged in epoch 1 ({folder.absolute()}/x): a loss became nan.\nTo go on: ...")
            return 1
        (folder / "config.yaml").write_text(
            f"# A run of first-gan\nmodel: {{lr: 0.1}}\nmax_epochs: {epochs}\n", encoding="utf-8"
        )
        with HISTORY.open(encoding="utf-8") as file:
            first = next(csv.DictReader(file))
        for epoch in range(begun, epochs):
            fcd = 10 / (epoch + 1) + 100 * lr + int(typed["seed_everything"]) / 10
            row = first | {"step": 469 * (epoch + 1), "epoch": epoch, "val/fcd": fcd}
            if lr == 7:
                row["train/d_loss"] = float("nan")
            if lr == 8:
                row = {key: value for key, value in row.items() if not key.startswith("val/")}
            fresh = not (folder / "metrics.csv").is_file()
            with (folder / "metrics.csv").open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(row), lineterminator="\n")
                if fresh:
                    writer.writeheader()
                writer.writerow(row)
            (written := last.with_name("written")).write_text(str(epoch + 1), encoding="utf-8")
            written.replace(last)  # which is never seen half written
            if lr == 7:
                print("train.py: diverged")
                return 1
            while epoch == 0 and (root / "hold").is_file():
                time.sleep(0.01)
        (folder / "report").mkdir(exist_ok=True)
        kept = {"updates": 469 * epochs, "seconds": 1, "images": 1, "classes": [], "distances": [], "real_distance": 1}
        (folder / "report/record.json").write_text(json.dumps(kept), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
