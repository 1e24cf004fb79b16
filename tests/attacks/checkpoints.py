"""Damaged and crafted checkpoints, read by every command that reads one."""

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st

from tests.attacks.rig import BAD, LAST, OK, Result, Rig, setting
from tests.attacks.values import ODD, VALUES, each

COPY = "copy.ckpt"  # outside the run folder
READERS = {  # commands that read a checkpoint
    "resume": ("train", [f"--ckpt_path={LAST}", "--max_epochs=3"]),
    "resume a copy": ("train", [f"--ckpt_path={COPY}", "--data.data_dir=images.npz", "--max_epochs=3"]),
    "init_from": ("train", [*setting(max_epochs="1"), f"--init_from={COPY}"]),
    "generate": ("generate", [COPY, "--num=4", "--out=o.npz"]),
    "evaluate": ("evaluate", [COPY, "--data_dir=nowhere"]),
}


def read(
    rig: Rig, kind: str, reader: str, content: bytes, what: object, allowed: tuple[int, ...], place: Path
) -> Result:
    """One try: a command reads that checkpoint."""
    (place / LAST).write_bytes(content)
    (place / COPY).write_bytes(content)
    command, argv = READERS[reader]
    return rig.attempt(kind, command, argv, place, f"{reader}: {what}", allowed)


def flips(rig: Rig, count: int) -> None:
    """One flipped bit: refused, or what is read is the same."""
    whole = (rig.template / LAST).read_bytes()
    with rig.place() as place:
        read(rig, "flipped bits", "generate", whole, "none", (OK,), place)
        drawn = (place / "o.npz").read_bytes()
    chance = random.Random(0)
    for _ in range(count):
        bit = chance.randrange(8 * len(whole))
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        with rig.place() as place:
            done = read(rig, "flipped bits", "generate", bytes(flipped), f"bit {bit}", (OK, BAD), place)
            if done.code == OK and (place / "o.npz").read_bytes() != drawn:
                rig.note("flipped bits", ["loaded with other contents"], f"bit {bit}", done)


def flips_of_a_judge(rig: Rig, count: int) -> None:
    """One flipped bit in a judge's kept weights: refused, or harmless."""
    from first_gan.scores import judge as judges

    path = rig.root / "judge.pt"
    judges.save(judges.Judge((1, 8, 8), 2), path)
    whole, before = path.read_bytes(), judges.load(path).state_dict()
    chance = random.Random(1)
    for _ in range(count):
        bit = chance.randrange(8 * len(whole))
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            now = judges.load(path).state_dict()
            same = all(torch.equal(now[name], before[name]) for name in before)
            rig.note("flipped bits", [] if same else ["a judge was loaded with other contents"], f"bit {bit}")
        except judges.JudgeError:
            rig.note("flipped bits", [], "")
    path.unlink()


def crafted(rig: Rig, count: int) -> None:
    """Whole files with contents that train.py does not write."""
    whole = torch.load(rig.template / LAST, weights_only=True)
    name = next(key for key in whole["state_dict"] if key.startswith("generator") and key.endswith("weight"))
    like = whole["state_dict"][name]
    tensors: dict[str, Callable[[], Any]] = {
        "int": lambda: like.to(torch.int64),
        "bool": lambda: like > 0,
        "complex": lambda: like.to(torch.complex64),
        "quantized": lambda: torch.quantize_per_tensor(like, 0.1, 0, torch.qint8),
        "sparse": lambda: like.to_sparse(),
        "160 GB": lambda: torch.zeros(1).expand(200_000, 200_000),
        "stride 0": lambda: torch.zeros(1).expand(like.shape),
        "meta": lambda: like.to("meta"),
        "nan": lambda: torch.full_like(like, torch.nan),
        "inf": lambda: torch.full_like(like, torch.inf),
        "other shape": lambda: like[:1],
        "scalar": lambda: torch.tensor(1.0),
        "text": lambda: "x\x1b[31m",
        "none": lambda: None,
        "float8": lambda: like.to(torch.float8_e4m3fn),
    }
    places = [
        "state_dict",
        "options",
        "hyper_parameters",
        "optimizer_states",
        "loops",
        "callbacks",
        "epoch",
        "global_step",
    ]
    places += ["pytorch-lightning_version", "lr_schedulers", "datamodule_hyper_parameters", "new"]

    def body(example: tuple[str, str, Any, str, float]) -> None:
        where, tensor, value, reader, at = example
        changed = torch.load(rig.template / LAST, weights_only=True)
        if where == "state_dict":
            changed["state_dict"][name] = tensors[tensor]()
        elif where == "optimizer_states" and at < 0.7:
            state = changed["optimizer_states"][0]["state"]
            key = sorted(state)[int(at * len(state))]
            state[key]["exp_avg" if at < 0.4 else "step"] = tensors[tensor]()
        elif where in ("options", "hyper_parameters") and at < 0.9:
            keys = [*sorted(changed[where]), value if isinstance(value, (str, int, bool)) else "x", "default_root_dir"]
            changed[where][keys[int(at / 0.9 * len(keys))]] = value
        else:
            changed[where] = value
        buffer = io.BytesIO()
        torch.save(changed, buffer)
        with rig.place() as place:
            read(
                rig,
                "crafted checkpoints",
                reader,
                buffer.getvalue(),
                f"{where} {tensor} {value!r} {at}",
                (OK, 1, BAD),
                place,
            )

    chosen = map(st.sampled_from, (places + places[:4] * 2, [*tensors], [*READERS]))
    where, tensor, reader = chosen
    values = st.one_of(
        VALUES, st.sampled_from(ODD), st.sampled_from([-1, 10**30, 2**40, [], {}, {1: 2}, {None: 3}, ((1,),)])
    )
    each(st.tuples(where, tensor, values, reader, st.floats(0, 0.999)), count, body)


def archives(rig: Rig, count: int) -> None:
    """What is no such archive: cut, compressed, with records twice, pickles, text."""
    whole = (rig.template / LAST).read_bytes()

    def compressed() -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
            for each_name in old.namelist():
                new.writestr(each_name, old.read(each_name))
        return buffer.getvalue()

    def body(example: tuple[str, str, float, bytes]) -> None:
        kind, reader, at, some = example
        content = {
            "cut": whole[: int(at * len(whole))],
            "longer": whole + some,
            "before": some + whole,
            "hole": whole[: int(at * len(whole))] + bytes(100) + whole[int(at * len(whole)) + 100 :],
            "bytes": some,
            "pickle": b"\x80\x04cposix\nsystem\nX\x0c\x00\x00\x00touch sprung\x85R.",
        }.get(kind) or compressed()
        with rig.place() as place:
            read(rig, "damaged archives", reader, content, f"{kind} {at}", (OK, BAD), place)
            if (place / "sprung").exists():
                rig.note("damaged archives", ["ran code"], kind)

    kinds = ["cut", "longer", "before", "hole", "bytes", "pickle", "compressed"]
    each(
        st.tuples(st.sampled_from(kinds), st.sampled_from([*READERS]), st.floats(0, 1), st.binary(max_size=99)),
        count,
        body,
    )


def code(rig: Rig, count: int) -> None:
    """Classes named by files: none is imported but the project's own networks."""
    keys = [
        "accelerator",
        "strategy",
        "devices",
        "model.generator",
        "model.discriminator",
        "data.dataset",
        "precision",
        "model",
    ]
    forms: list[Callable[[str], Any]] = [
        lambda path: {"class_path": path},
        lambda path: {"class_path": path, "init_args": {}},
        lambda path: path,
        lambda path: [{"class_path": path}],
        lambda path: {
            "init_args": {"widths": {"class_path": path}},
            "class_path": "gan_networks.Generator",
        },
    ]
    where = ["config.yaml", "--config", "--model.generator", "--model", "options", "hyper_parameters"]
    paths = [
        "trap.Trap",
        "lightning_logs.version_0.trap.Trap",
        "networks.trap.Trap",
        "gan_module.os.system",
        "networks..trap.Trap",
    ]

    def body(example: tuple[str, int, str, str]) -> None:
        key, form, place_of, path = example
        value = forms[form](path)
        with rig.place() as place:
            trap = f"from pathlib import Path\nPath({str(rig.precious / 'sprung')!r}).touch()\nclass Trap: pass\n"
            for folder in (place, place / "lightning_logs/version_0", place / "networks"):
                folder.mkdir(exist_ok=True)
                (folder / "trap.py").write_text(trap, encoding="utf-8")
            argv = ["--ckpt_path=last", "--max_epochs=3"]
            if place_of in ("options", "hyper_parameters"):
                changed = torch.load(place / LAST, weights_only=True)
                changed[place_of][key] = value
                torch.save(changed, place / LAST)
            elif place_of == "config.yaml":
                import yaml

                config = place / LAST.parents[1] / "config.yaml"
                text = config.read_text(encoding="utf-8")
                config.write_text(
                    text.splitlines()[0] + "\n" + yaml.safe_dump(_set(yaml.safe_load(text), key, value)),
                    encoding="utf-8",
                )
            else:
                import yaml

                options = {"--config": _set({}, key, value), "--model": {"generator": value}}.get(place_of, value)
                (place / "c.yaml").write_text(yaml.safe_dump(options), encoding="utf-8")
                argv = [*setting(max_epochs="1"), place_of, "c.yaml"]

            def prepare() -> None:
                import sys

                sys.path.insert(0, str(place))

            rig.attempt("code in files", "train", argv, place, example, (OK, BAD), prepare)

    choices = (keys, range(len(forms)), where, paths)
    each(st.tuples(*map(st.sampled_from, choices)), count, body)


def _set(options: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    *groups, last = name.split(".")
    inner = options
    for group in groups:
        inner = inner.setdefault(group, {})
    inner[last] = value
    return options
