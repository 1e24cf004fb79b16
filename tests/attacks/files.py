"""Files and folders that are not what they seem, and what is in the way of results."""

import gzip
import os
import struct
from collections.abc import Callable

from hypothesis import strategies as st
from PIL import Image

from tests.attacks.rig import BAD, FAILED, FOLDER, LAST, OK, Rig, setting
from tests.attacks.values import EPS, each


def places_of_files(rig: Rig, count: int) -> None:
    """Links, pipes, devices and folders where a run keeps its files: nothing outside is touched, and nothing hangs."""
    names = [
        *[
            "config.yaml",
            "metrics.csv",
            "summary.json",
            "report.html",
            "playground.html",
            "curves.png",
            ".lock",
            "samples",
            "checkpoints",
            "report",
        ],
        *["report/record.json", "report/nearest.png", "samples/epoch_0001.png", "samples/epoch_0003.png"],
        *["checkpoints/last.ckpt", "checkpoints/best.ckpt", "events.out.tfevents.1"],
        *[".config.yaml.part", ".metrics.csv.part", "checkpoints/.last.ckpt.part"],
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
