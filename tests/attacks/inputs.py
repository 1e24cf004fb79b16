"""Bad inputs: options, config files, the files of a run, datasets, names, made by Hypothesis from fixed seeds."""

import gzip
import json
import os
import struct
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from datamodule import MNISTDataModule
from first_gan.run.folder import CONFIG, RECORD
from first_gan.run.options import build_parser
from gan_module import GAN
from tests.attacks.rig import BAD, FAILED, FOLDER, LAST, OK, Rig, setting

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\n(" + b"sprung) (w) file closefile\n{} loop\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
ODD = (
    *(
        "",
        " ",
        "null",
        "~",
        "[]",
        "{}",
        "[1,2",
        "{a: 1}",
        "true",
        "..",
        "-",
        "--",
        "a.b.c",
        "1e308",
        "-1e308",
        "nan",
        "inf",
    ),
    *("0x10", "1_000", "1e-400", ".5.", "9" * 30, "9" * 5000, "-" + "9" * 30, "2147483648", "9223372036854775808"),
    *("&a [*a]", "!!int abc", "!!python/object/apply:os.system [touch sprung]", "2024-99-99", "!!binary x", "? [a]"),
    *(
        "\x1b[31mred\x1b[0m",
        "\x07",
        "\u202edrow",
        "\ud800",
        "データ",
        "a" * 5000,
        "[" * 500,
        "{a: " * 500,
        "%s%n",
        "${HOME}",
    ),
    *(
        "os.system",
        "{class_path: os.system}",
        "torch.nn.Linear",
        "subprocess.Popen",
        "/dev/zero",
        "/dev/full",
        "/proc/self/mem",
    ),
    *(
        "~nosuch/x",
        "http://127.0.0.1:9/x",
        "s3://b/x",
        "a::b",
        "\\\\host\\x",
        "x" * 300 + "/y",
        "/",
        ".",
        "lightning_logs",
    ),
)
NUMBERS = st.one_of(
    st.integers(),
    st.integers(-3, 3),
    st.floats(),
    st.sampled_from([10**30, 2**31, 2**63, -(2**63), 1e308, 5e-324]),
)
WORDS = st.one_of(st.sampled_from(ODD), NUMBERS.map(str), st.text(max_size=12), st.lists(NUMBERS, max_size=4).map(str))
# What a person may well ask for, and would wait for.
LONG = ("model.d_steps", "num_nodes", "devices", "model.steps_per_execution", "max_time")
# Not bad input, but another command.
NOT_TRIED = ("help", "print_config", "config")
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.sampled_from(ODD[10:])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["class_path", "init_args", "a", "lr"]), inner)
    ),
    max_leaves=5,
)


def each(strategy: st.SearchStrategy[Any], count: int, body: Callable[[Any], None], number: int = 0) -> None:
    """Calls the body with that many examples, always the same ones."""
    if count < 1:
        return
    health = [HealthCheck.too_slow]  # each is a run; the other health checks hold

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=health)
    @given(strategy)
    def tries(example: Any) -> None:
        body(example)

    tries()


def typed(text: str) -> str:
    """As the system can hand it to a program: without NUL and lone surrogates of no byte."""
    return "".join(char for char in text if char != "\0" and not "\ud800" <= char < "\udc80")


def options(rig: Rig, count: int) -> None:
    """Any option of train.py with any value."""
    parser = build_parser(GAN, MNISTDataModule)
    names = sorted({name for name in parser.names() if not name.endswith(".help")} - {*NOT_TRIED, "h"})

    def body(example: tuple[str, str]) -> None:
        name, value = example[0], typed(example[1])
        if name in LONG and value.lstrip("-").isdigit() and 2 < abs(int(value[:20])) < 2**31:
            value = "0"
        with rig.place() as place:
            rig.attempt("options", "train", [*setting(max_epochs="1"), f"--{name}={value}"], place)

    each(st.tuples(st.sampled_from(names), WORDS), count, body)


def other_options(rig: Rig, count: int) -> None:
    """Options of the other commands."""
    offered = {
        "generate": [
            "num",
            "seed",
            "out",
            "digit",
            "interpolate",
            "evolution",
            "frames",
            "export",
            "weights",
            "batch_size",
            "data_dir",
            "overwrite",
            "x",
        ],
        "evaluate": ["data_dir", "seed", "x"],
        "report": ["out", "overwrite", "x"],
        "judge": ["dataset", "data_dir", "out", "overwrite", "x"],
    }
    given = {"generate": [str(LAST)], "evaluate": [str(LAST)], "report": [str(FOLDER)], "judge": ["--out=judge.pt"]}

    def body(example: tuple[str, int, str]) -> None:
        command, which, value = example[0], example[1], typed(example[2])
        name = offered[command][which % len(offered[command])]
        first = [value] if which > 900 and command != "judge" else given[command]
        argv = [*first, f"--{name}={value}" if name not in ("interpolate", "overwrite") else f"--{name}"]
        if command == "judge":
            argv = [argv[1], argv[0]]
        with rig.place() as place:
            rig.attempt("other commands", command, argv, place)

    each(st.tuples(st.sampled_from(sorted(offered)), st.integers(0, 999), WORDS), count, body)


SPOILT = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [BOMB, "a: *a", "[" * 5000, "- " * 2000, "9" * 5000, "a: " + "9" * 5000, "\ufeff", "\0", "{", ODD[27]]
    ).map(str.encode),
    st.sampled_from(["", "null", "a", "[]", "1", "{}"]).map(str.encode),
)
OPTION = st.sampled_from(
    [
        "accelerator",
        "strategy",
        "devices",
        "model",
        "data",
        "quality",
        "health",
        "model.lr",
        "model.generator",
        "data.dataset",
        "default_root_dir",
        "max_epochs",
        "ckpt_path",
        "init_from",
        "config",
        "precision",
        "seed_everything",
        "limit_train_batches",
        "callbacks",
        "logger",
        "plugins",
        "a",
    ]
)


def nested(name: str, value: Any) -> dict[str, Any]:
    """{"model": {"lr": value}} of model.lr."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def configs(rig: Rig, count: int) -> None:
    """Files for --config, and for a group: of options, or of anything."""

    def body(example: Any) -> None:
        content, group = example
        if isinstance(content, tuple):
            content = json.dumps(nested(*content)).encode()
        with rig.place() as place:
            (place / "c.yaml").write_bytes(content)
            rig.attempt("config files", "train", [*setting(max_epochs="1"), f"--{group}", "c.yaml"], place, content)

    written = st.one_of(st.tuples(OPTION, VALUES), SPOILT)
    each(st.tuples(written, st.sampled_from(["config"] * 6 + ["model", "data", "model.generator"])), count, body)


def run_files(rig: Rig, count: int) -> None:
    """The text files of a run folder, spoilt, then reported and resumed."""
    names = (CONFIG, "metrics.csv", str(RECORD), "summary.json")

    def body(example: tuple[str, Any, str]) -> None:
        name, content, command = example
        with rig.place() as place:
            path = place / FOLDER / name
            before = path.read_bytes()
            if isinstance(content, tuple):
                where, new = content
                if isinstance(new, tuple):
                    new = (json.dumps(nested(*new)) + "\n").encode()
                cut = int(where * len(before))
                path.write_bytes(before[:cut] + new + before[cut:])
            else:
                path.write_bytes(content)
            argv = (
                [str(FOLDER)]
                if command == "report"
                else ["--ckpt_path=last", "--max_epochs=3", "--max_time=00:00:00:05"]
            )
            if command == "generate":
                argv = ["--evolution", str(FOLDER)]
            rig.attempt("files of a run", command, argv, place, f"{name} {content!r}")

    inserted = st.tuples(st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.one_of(SPOILT, st.tuples(OPTION, VALUES)))
    commands = st.sampled_from(["report", "train", "train", "generate"])
    each(st.tuples(st.sampled_from(names), st.one_of(inserted, SPOILT), commands), count, body)


def places_of_files(rig: Rig, count: int) -> None:
    """Links, pipes, devices and folders where a run keeps its files: nothing outside is touched, and nothing hangs."""
    names = [
        *(
            "config.yaml",
            "metrics.csv",
            "summary.json",
            "report.html",
            "curves.png",
            ".lock",
            "samples",
            "checkpoints",
            "report",
        ),
        *(
            "report/record.json",
            "report/nearest.png",
            "samples/epoch_0001.png",
            "samples/epoch_0003.png",
            "checkpoints/last.ckpt",
        ),
        *(
            "checkpoints/best.ckpt",
            ".config.yaml.part",
            ".metrics.csv.part",
            "checkpoints/.last.ckpt.part",
            "events.out.tfevents.1",
        ),
    ]
    kinds = ["link", "folder link", "dangling", "pipe", "folder", "zero", "loop"]

    def body(example: tuple[str, str, str]) -> None:
        name, kind, command = example
        with rig.place() as place:
            path = place / FOLDER / name
            if path.is_dir() and not path.is_symlink():
                path.rename(path.with_name("was"))
            path.unlink(missing_ok=True)
            targets = {
                "link": rig.precious / "notes.txt",
                "folder link": rig.precious,
                "dangling": rig.precious / "new",
            }
            if kind in targets:
                path.symlink_to(targets[kind])
            elif kind == "pipe":
                os.mkfifo(path)
            elif kind == "folder":
                path.mkdir()
            else:
                path.symlink_to("/dev/zero" if kind == "zero" else path)
            argv = {
                "train": ["--ckpt_path=last", "--max_epochs=3"],
                "report": [str(FOLDER)],
                "generate": ["--evolution", str(FOLDER)],
            }
            rig.attempt("links and devices", command, argv[command], place, f"{name} {kind}")

    commands = ["train", "train", "report", "generate"]
    each(st.tuples(*map(st.sampled_from, (names, kinds, commands))), count, body)


def outputs(rig: Rig, count: int) -> None:
    """What is in the way where results are to go."""
    kinds = ["file", "folder", "link", "dangling", "pipe", "null", "full folder", "nothing", "no folder"]
    commands = ["generate", "report", "judge", "export", "folder"]

    def body(example: tuple[str, str, bool]) -> None:
        command, kind, overwrite = example
        with rig.place() as place:
            name = {"generate": "o.png", "report": "o.html", "judge": "o.pt", "export": "o.pt2", "folder": "o"}[command]
            path = place / name
            if kind == "file":
                path.write_text("mine", encoding="utf-8")
            elif kind in ("folder", "full folder"):
                path.mkdir()
                (path / "mine").write_text("mine", encoding="utf-8") if kind == "full folder" else None
            elif kind in ("link", "dangling"):
                path.symlink_to(rig.precious / ("notes.txt" if kind == "link" else "new"))
            elif kind == "pipe":
                os.mkfifo(path)
            elif kind == "null":
                path.symlink_to("/dev/null")
            elif kind == "no folder":
                name = f"images.npz/{name}"
            argv = {
                "report": [str(FOLDER), f"--out={name}"],
                "judge": ["--dataset=mnist", "--data_dir=nowhere", f"--out={name}"],
                "export": [str(LAST), f"--export={name}"],
            }.get(command, [str(LAST), f"--out={name}", "--num=4"])
            program = command if command in ("report", "judge") else "generate"
            mine = path.read_bytes() if kind == "file" else b""
            done = rig.attempt("results", program, [*argv, *["--overwrite"] * overwrite], place, kind)
            if kind == "file" and not overwrite and path.read_bytes() != mine:
                rig.note("results", ["overwrote a file"], f"{argv}", done)

    each(st.tuples(st.sampled_from(commands), st.sampled_from(kinds), st.booleans()), count, body)


def pictures(rig: Rig, count: int) -> None:
    """Files that only seem to be pictures, in a run folder and in a folder of pictures."""
    contents: dict[str, Callable[[], bytes]] = {
        "eps": lambda: EPS,
        "empty": bytes,
        "text": lambda: b"hello",
        "huge": lambda: _png(40_000, 40_000),
        "large": lambda: _png(13_000, 13_000),
        "cut": lambda: _png(64, 64)[:90],
        "gif": lambda: _encoded("GIF"),
        "tiff": lambda: _encoded("TIFF"),
        "webp": lambda: _encoded("WEBP"),
        "chunks": lambda: _png(64, 64)[:33] + struct.pack(">I", 2**31 - 1) + b"zTXt",
    }

    def body(example: tuple[str, str, int]) -> None:
        name, command, many = example
        with rig.place() as place:
            folder = place / ("pictures" if command == "train" else FOLDER / "samples")
            folder.mkdir(exist_ok=True)
            content = contents[name]()
            for number in range(60 if name == "large" else many):
                (folder / f"epoch_{number:04d}.png").write_bytes(content)
            argv = {
                "report": [str(FOLDER)],
                "generate": ["--evolution", str(FOLDER)],
                "train": setting(
                    data__dataset="folder", data__data_dir="pictures", data__image_size="8", max_epochs="1"
                ),
            }
            rig.attempt("pictures", command, argv[command], place, name)

    choices = ([*contents], ["report", "generate", "train"], [1, 3])
    each(st.tuples(*map(st.sampled_from, choices)), count, body)


def _png(width: int, height: int) -> bytes:
    """Of that size in its header and, black, in its contents."""
    import io
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    packer, rows = zlib.compressobj(1), io.BytesIO()
    row = bytes(1 + (width + 7) // 8)
    for _ in range(height):
        rows.write(packer.compress(row))
    rows.write(packer.flush())
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows.getvalue()) + chunk(b"IEND", b"")


def _encoded(form: str) -> bytes:
    import io

    buffer = io.BytesIO()
    Image.new("L", (64, 64)).save(buffer, form)
    return buffer.getvalue()


def datasets(rig: Rig, count: int) -> None:
    """IDX files, gzipped or not, and .npz files that are not what they say."""
    bomb = gzip.compress(bytes(200 << 20), 9)
    idx = bytes([0, 0, 8, 1]) + struct.pack(">I", 60_000) + bytes(60_000)
    kinds = ["bomb", "zero", "pipe", "folder", "cut gzip", "flip", "bytes", "claims", "label 200"]

    def body(example: tuple[str, str, bytes, float]) -> None:
        kind, where, content, at = example
        with rig.place() as place:
            if where == "npz":
                path = place / "images.npz"
                whole = bytearray(path.read_bytes())
                path.unlink()
            else:
                (place / "idx").mkdir()
                path, whole = place / "idx" / where, bytearray(gzip.compress(idx))
            if kind == "zero":
                path.symlink_to("/dev/zero")
            elif kind == "pipe":
                os.mkfifo(path)
            elif kind == "folder":
                path.mkdir()
            else:
                whole[int(at * (len(whole) - 1))] ^= 1 << len(content) % 8
                made = {
                    "bomb": bomb,
                    "cut gzip": bytes(whole[: int(at * len(whole))]),
                    "flip": bytes(whole),
                    "bytes": content,
                    "claims": bytes([0, 0, 8, 3]) + struct.pack(">III", 2**31, 2**31, 2**31) + content,
                    "label 200": gzip.compress(idx[:-1] + b"\xc8"),
                }
                path.write_bytes(made[kind])
            own = {} if where == "npz" else {"data__dataset": "mnist", "data__data_dir": "idx"}
            rig.attempt(
                "datasets", "train", setting(max_epochs="1", **own), place, f"{where} {kind}", (OK, BAD, FAILED)
            )

    files = ["npz", "npz", "train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz", "t10k-images.idx3-ubyte"]
    each(
        st.tuples(st.sampled_from(kinds), st.sampled_from(files), st.binary(max_size=40), st.floats(0, 1)), count, body
    )


def names(rig: Rig, count: int) -> None:
    """Names of folders, files and checkpoints that exist nowhere, or should not."""

    def body(example: tuple[str, str]) -> None:
        option, value = example[0], typed(example[1])
        with rig.place() as place:
            argv = [*setting(max_epochs="1"), f"--{option}={value}"]
            if option in ("ckpt_path", "MNIST_DIR"):
                argv = [f"--ckpt_path={value}", "--max_epochs=3"]
            prepare = None
            if option == "MNIST_DIR":
                argv = ["--max_epochs=1", "--max_time=00:00:00:05", "--data.train_rows=100"]

                def prepare() -> None:
                    os.environ["MNIST_DIR"] = value

            rig.attempt("names", "train", argv, place, example, prepare=prepare)

    options = ["ckpt_path", "init_from", "default_root_dir", "data.data_dir", "config", "MNIST_DIR"]
    words = st.one_of(st.sampled_from(ODD), st.text(max_size=20), st.text("./~-ä\n\x1b", max_size=9))
    each(st.tuples(st.sampled_from(options), words), count, body)
