"""Run folders: which one is resumed, and what resuming refuses."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Timer

import pytest
import torch
import yaml

from first_gan.run import checkpoints, finding
from first_gan.run import folder as run_folder
from gan_module import GAN
from tests.test_train import FOLDER, Run, steps, weights


def test_resuming_takes_the_runs_own_options_and_folder(run: Run, small: list[str]) -> None:
    run(*small, "--model.lr", "1e-3", "--default_root_dir", "logs")
    code, out, err = run("--ckpt_path", "last", "--max_epochs", "3", "--default_root_dir", "logs")
    assert (code, err) == (0, "")
    assert "resumed after 20 updates" in out
    assert [path.name for path in Path("logs/lightning_logs").iterdir()] == ["version_0"]
    assert (
        yaml.safe_load(Path("logs/lightning_logs/version_0/config.yaml").read_text(encoding="utf-8"))["model"]["lr"]
        == 1e-3
    )
    assert steps(Path("logs/lightning_logs/version_0"), "samples/generated") == [0, 10, 20, 30]


def test_a_run_of_an_earlier_version_goes_on_where_a_new_option_is_off(run: Run, small: list[str]) -> None:
    run(*small)
    last, new = FOLDER / run_folder.LAST, ["model.lr_decay", "model.generator.layer_norm"]
    checkpoint, lines = torch.load(last), (FOLDER / "config.yaml").read_text(encoding="utf-8").splitlines(True)
    assert [checkpoint["options"].pop(name) for name in new] == [0, False]
    model = checkpoint["hyper_parameters"]
    del model["lr_decay"], model["generator"]["init_args"]["layer_norm"]
    torch.save(checkpoint, last)
    kept = [line for line in lines if line.split(":")[0].strip() not in ("lr_decay", "layer_norm")]
    assert len(kept) == len(lines) - 2
    (FOLDER / "config.yaml").write_text("".join(kept), encoding="utf-8")
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "3", "--model.lr_decay", "0.5")
    assert code == 2
    assert "--model.lr_decay was None, is 0.5 now" in err
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "3")
    assert (code, err) == (0, "")


def test_last_is_the_newest_run_that_can_be_resumed(run: Run, small: list[str]) -> None:
    run(*small)
    run(*small)
    Path("lightning_logs/version_10").mkdir()
    assert finding.find_checkpoint("last", Path()) == Path("lightning_logs/version_1/checkpoints/last.ckpt")
    shutil.rmtree("lightning_logs/version_1/checkpoints")
    assert finding.find_checkpoint("last", Path()) == FOLDER / "checkpoints/last.ckpt"


def test_last_is_looked_for_where_a_typed_config_says(run: Run, small: list[str]) -> None:
    Path("c.yaml").write_text("default_root_dir: elsewhere\n", encoding="utf-8")
    run(*small)
    run(*small, "--config", "c.yaml")
    code, out, err = run("--config", "c.yaml", "--ckpt_path", "last", "--max_epochs", "3")
    assert (code, err) == (0, "")
    assert "elsewhere/lightning_logs/version_0, resumed" in out
    Path("d.yaml").write_text("ckpt_path: last\n", encoding="utf-8")
    assert "resumed after 20 updates" in run("--config", "d.yaml", "--max_epochs", "3")[1]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--model.lr", "0.5"], "--model.lr was 0.0002, is 0.5 now"),
        (["--model.latent_dim", "3"], "--model.latent_dim was 100, is 3 now"),
        (["--data.batch_size", "32"], "--data.batch_size was 64, is 32 now"),
        (["--seed_everything", "9"], "--seed_everything was 0, is 9 now"),
        (["--precision", "bf16-mixed"], "--precision was 32-true, is bf16-mixed now"),
        (["--limit_train_batches", "3"], "--limit_train_batches was None, is 3 now"),
        ([], "has trained 2 of 2 epochs: pass a --max_epochs over 2"),
        (["--max_epochs", "3", "--max_steps", "20"], "has trained 20 of 20 updates: pass a larger --max_steps"),
        (["--max_epochs", "1"], "has trained 2 of 1 epochs"),
        (["--max_epochs", "3", "--fast_dev_run", "true"], "--fast_dev_run keeps nothing"),
    ],
)
def test_resuming_refuses_what_changed(run: Run, finished_run: None, argv: list[str], said: str) -> None:
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    code, _, err = run("--ckpt_path", "last", *argv)
    assert code == 2
    assert said in err
    assert err.count("\n") <= 2
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_an_epoch_that_max_steps_cut_short_is_trained_again(run: Run, small: list[str]) -> None:
    run(*small, "--max_epochs", "3")
    _, out, _ = run(*small, "--max_epochs", "3", "--max_steps", "15")
    cut = Path("lightning_logs/version_1")
    assert checkpoints.load_checkpoint(cut / "checkpoints/last.ckpt")["global_step"] == 20
    assert "--max_steps -1" in out
    assert run("--ckpt_path", "last", "--max_steps", "-1")[0] == 0
    whole, resumed = weights(), weights(cut)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    logged = [4, 8, 10, 12, 16, 20, 24, 28, 30]
    assert [row["step"] for row in run_folder.read_metrics(cut)] == steps(cut, "train/g_loss") == logged
    assert steps(cut, "samples/generated") == [0, 10, 20, 30]


def test_a_checkpoint_copied_out_of_its_run_brings_its_options(run: Run, small: list[str], tmp_path: Path) -> None:
    run(*small, "--model.lr", "1e-3")
    (tmp_path / "mine").mkdir()
    (tmp_path / "config.yaml").write_text("not: ours\n", encoding="utf-8")
    shutil.copy(FOLDER / "checkpoints/last.ckpt", tmp_path / "mine/copy.ckpt")
    data = ["--data.data_dir", small[1]]
    code, out, err = run("--ckpt_path", "mine/copy.ckpt", "--max_epochs", "3", *data)
    assert (code, err) == (0, "")
    assert "lightning_logs/version_1, resumed after 20 updates" in out
    config = yaml.safe_load(Path("lightning_logs/version_1/config.yaml").read_text(encoding="utf-8"))
    assert (config["model"]["lr"], config["data"]["batch_size"], config["ckpt_path"]) == (1e-3, 64, None)
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == "not: ours\n"


def test_resuming_from_an_older_checkpoint_would_overwrite_and_is_refused(run: Run, run_of_one_epoch: None) -> None:
    shutil.copy(FOLDER / "checkpoints/last.ckpt", FOLDER / "checkpoints/best.ckpt")
    run("--ckpt_path", "last", "--max_epochs", "2")
    code, _, err = run("--ckpt_path", str(FOLDER / "checkpoints/best.ckpt"), "--max_epochs", "3")
    assert code == 2
    assert "is of epoch 1, and its run has gone on to epoch 2" in err


def test_a_run_that_still_goes_on_is_not_resumed(run: Run, finished_run: None) -> None:
    with ExitStack() as held:
        run_folder.lock(FOLDER, held)
        code, _, err = run("--ckpt_path", "last", "--max_epochs", "3")
    assert code == 2
    assert "still being trained" in err


def test_a_lock_that_outlives_its_run_for_a_moment_is_waited_for(run: Run, finished_run: None) -> None:
    held = ExitStack()
    run_folder.lock(FOLDER, held)
    Timer(0.3, held.close).start()
    assert run("--ckpt_path", "last", "--max_epochs", "3")[0] == 0


class Bomb:
    """Unpickled carelessly, it would leave a file."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("exploded"),))


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100_000])


def _no_checkpoint(path: Path) -> None:
    path.write_text("not a checkpoint", encoding="utf-8")


def _pickled(path: Path) -> None:
    checkpoint = torch.load(path, weights_only=True)
    torch.save(checkpoint | {"bomb": Bomb()}, path)


def _other_program(path: Path) -> None:
    torch.save({"state_dict": {}}, path)


def _other_architecture(path: Path) -> None:
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"] = GAN(latent_dim=5).state_dict()
    torch.save(checkpoint, path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_truncated, "is damaged or not a checkpoint"),
        (_no_checkpoint, "not a checkpoint"),
        (_pickled, "refused, not loaded"),
        (_other_program, "is not a checkpoint of this program"),
        (_other_architecture, "other networks than its options say"),
    ],
)
def test_spoilt_checkpoints_are_refused(run: Run, finished_run: None, spoil: Callable[[Path], None], said: str) -> None:
    spoil(FOLDER / "checkpoints/last.ckpt")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "3")
    assert code == 2
    assert said in err
    assert err.count("\n") <= 2
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("line", ["x,y", "1", "7,0" + ",0.5" * 50])
def test_a_broken_line_of_metrics_is_named_and_nothing_is_lost(run: Run, finished_run: None, line: str) -> None:
    with (FOLDER / "metrics.csv").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    before = (FOLDER / "metrics.csv").read_bytes()
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "3")
    assert code == 2
    assert "metrics.csv, line 8, is broken" in err
    assert err.count("\n") == 1
    assert (FOLDER / "metrics.csv").read_bytes() == before
