"""Which classes the files of a run and its checkpoints may name."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import evaluate
import gan_module
import generate
from first_gan.run import folder as run_folder
from gan_module import GAN
from tests.test_networks import DCGAN, NARROW
from tests.test_train import FOLDER, Run


def crafted(path: Path, class_path: Any, to: Path) -> Path:
    """A checkpoint that names another class for its generator."""
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"]["generator"] = {"class_path": class_path, "init_args": {}}
    kept = checkpoint["options"].items()
    checkpoint["options"] = {key: value for key, value in kept if not key.startswith("model.generator.")}
    checkpoint["options"]["model.generator"] = class_path
    torch.save(checkpoint, to)
    return to


@pytest.mark.parametrize(
    "class_path",
    [
        "os.system",
        "trap.Generator",
        "networks.trap.Generator",
        "networks.dcgan.nn.Linear",
        "networks.dcgan.ImageShape",
        "gan_module.Path",
        "datamodule.MNISTDataModule",
        "first_gan.scores.judge.Judge",
        "gan_module",
        "networks..dcgan.Generator",
        "",
        7,
    ],
)
def test_a_crafted_checkpoint_imports_nothing(
    run: Run,
    small: list[str],
    class_path: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither where a package `networks` of somebody else's lies earlier on the path."""
    run(*small)
    for trap in ("trap.py", "networks/trap.py"):
        (tmp_path / trap).parent.mkdir(exist_ok=True)
        (tmp_path / trap).write_text("from pathlib import Path\nPath('sprung').touch()\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    path = crafted(FOLDER / run_folder.LAST, class_path, FOLDER / "checkpoints/crafted.ckpt")
    capsys.readouterr()
    for command in (generate.main, evaluate.main):
        assert command([str(path)]) == 2
        err = capsys.readouterr().err
        assert "is not imported from a file" in err
        assert len(err.splitlines()) == 1
    code, _, err = run("--ckpt_path", str(path), "--max_epochs", "3")
    assert code == 2
    assert "is not imported from a file" in err
    assert not Path("sprung").exists()
    assert not {"trap", "networks.trap"} & set(sys.modules)


def test_a_package_of_the_same_name_elsewhere_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks/__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "networks/dcgan.py").write_text("print('SPRUNG')\nclass Generator: pass\n", encoding="utf-8")
    root = Path(gan_module.__file__).parent
    script = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; sys.path.append({str(root)!r}); from gan_module import GAN; "
    )
    script += "GAN(generator={'class_path': 'networks.dcgan.Generator'})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, encoding="utf-8"
    )
    assert "SPRUNG" not in done.stdout
    assert "is not imported from a file" in done.stderr


def test_a_runs_own_config_cannot_name_a_class_either(
    run: Run, finished_run: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trap.py").write_text("from pathlib import Path\nPath('sprung').touch()\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    text = (FOLDER / "config.yaml").read_text(encoding="utf-8")
    (FOLDER / "config.yaml").write_text(text.replace("gan_networks.Generator", "trap.Generator"), encoding="utf-8")
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "3")
    assert code == 2
    assert "config.yaml: model.generator: trap.Generator is not a class of gan_networks.py or networks/" in err
    assert not Path("sprung").exists()


@pytest.mark.parametrize(
    "option", ["accelerator", "strategy", "health.stop_on", "data.dataset", "model.lr", "callbacks"]
)
@pytest.mark.parametrize("form", ["class", "path", "list"])
def test_no_other_option_of_a_runs_files_names_a_class(
    run: Run, finished_run: None, option: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trap.py").write_text(
        "from pathlib import Path\nPath('sprung').touch()\nclass X: pass\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    named = {"class": {"class_path": "trap.X"}, "path": "trap.X", "list": [{"class_path": "trap.X"}]}[form]
    last, config = FOLDER / run_folder.LAST, (FOLDER / "config.yaml")
    checkpoint, text = torch.load(last, weights_only=True), config.read_text(encoding="utf-8")
    torch.save(checkpoint | {"options": checkpoint["options"] | {option: named}}, last)
    codes = [run("--ckpt_path", "last", "--max_epochs", "3")]
    torch.save(checkpoint, last)
    options = yaml.safe_load(text)
    group, _, name = option.rpartition(".")
    (options[group] if group else options)[name] = named
    config.write_text(text.splitlines()[0] + "\n" + yaml.safe_dump(options), encoding="utf-8")
    codes.append(run("--ckpt_path", "last", "--max_epochs", "3"))
    assert not Path("sprung").exists()
    assert "trap" not in sys.modules
    assert codes[1][0] == 2
    if form != "path":
        assert all("trap.X, which is not imported" in err for _, _, err in codes)
    assert all("Traceback" not in err for _, _, err in codes)


def test_checkpoints_stay_plain_data(run: Run, small: list[str]) -> None:
    run(*small, *DCGAN, *NARROW)
    checkpoint = torch.load(FOLDER / run_folder.LAST, weights_only=True)
    assert checkpoint["options"]["model.generator"] == "networks.dcgan.Generator"
    assert checkpoint["options"]["model.generator.width"] == 4
    assert checkpoint["hyper_parameters"]["generator"]["init_args"] == {"width": 4, "hidden": 0}


def test_where_plain_data_may_name_classes_is_beside_gan_module() -> None:
    assert GAN(generator={"class_path": "networks.dcgan.Generator", "init_args": {"width": 2}}).generator.start[0] == 4  # type: ignore[arg-type]
    assert Path(gan_module.__file__).parent == gan_module.HERE


def test_networks_are_found_under_the_names_they_had_before(run: Run, small: list[str]) -> None:
    assert run(*small, "--max_epochs", "1")[0] == 0
    path = FOLDER / run_folder.LAST
    checkpoint = torch.load(path, weights_only=True)
    for name in ("generator", "discriminator"):
        before = f"gan_module.{name.capitalize()}"
        assert checkpoint["options"][f"model.{name}"] == f"gan_networks.{name.capitalize()}"
        checkpoint["options"][f"model.{name}"] = checkpoint["hyper_parameters"][name]["class_path"] = before
    torch.save(checkpoint, path)
    config = FOLDER / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("gan_networks.", "gan_module."), encoding="utf-8")
    assert generate.main([str(path)]) == 0
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "2")
    assert code == 0, err
    assert torch.load(path, weights_only=True)["options"]["model.generator"] == "gan_networks.Generator"
