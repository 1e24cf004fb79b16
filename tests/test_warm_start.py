"""--init_from: a new run that begins with the weights of a checkpoint; and where --ckpt_path finds one."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml

import train
from first_gan.run import starting
from tests.test_cli import Run, refused

LAST = Path("lightning_logs/version_0/checkpoints/last.ckpt")
NETWORKS = ["--model.generator.widths", "[24]", "--model.discriminator.widths", "[16]", "--model.ema_decay", "0.9"]


@pytest.fixture
def trained(run: Run, small: list[str]) -> dict[str, torch.Tensor]:
    """A run of small networks with a moving average; its last weights."""
    assert run(*small, *NETWORKS, "--model.r1", "0.1", "--seed_everything", "5")[0] == 0
    shutil.copy(LAST, "copy.ckpt")
    return torch.load("copy.ckpt", weights_only=True)["state_dict"]


def initial_weights(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """The weights that each later run begins to train with."""
    seen: list[dict[str, torch.Tensor]] = []
    fit = train.fit

    def noting(trainer: object, gan: torch.nn.Module, *rest: object) -> int:
        seen.append({name: value.clone() for name, value in gan.state_dict().items()})
        return fit(trainer, gan, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(train, "fit", noting)
    return seen


def test_a_new_run_begins_with_the_weights(
    run: Run, small: list[str], trained: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = initial_weights(monkeypatch)
    code, out, err = run("--init_from", "copy.ckpt", "--model.lr", "1e-4", *small)
    assert code == 0, err
    assert "Weights  at the start those of copy.ckpt" in out
    for name, value in seen[0].items():
        source = name.replace("ema.", "generator.") if name.startswith("ema.") else name
        assert torch.equal(value, trained[source]), name
    config = yaml.safe_load(Path("lightning_logs/version_1/config.yaml").read_text(encoding="utf-8"))
    assert config["init_from"] == str(Path("copy.ckpt").absolute())
    assert config["model"]["lr"] == 1e-4
    assert config["model"]["r1"] == 0.1
    assert config["seed_everything"] == 0  # all that is not the model's is as in any new run
    assert config["model"]["generator"]["init_args"]["widths"] == [24]
    after = torch.load("lightning_logs/version_1/checkpoints/last.ckpt", weights_only=True)
    assert after["global_step"] == 40
    assert len(list(Path("lightning_logs/version_0").glob("checkpoints/*"))) == 1  # the old run is as it was


def test_its_own_resume_goes_on_and_does_not_begin_again(
    run: Run, small: list[str], trained: dict[str, torch.Tensor]
) -> None:
    begun = ["--init_from", "copy.ckpt", *small]
    assert run(*begun, "--max_epochs", "2", "--default_root_dir", "whole")[0] == 0
    assert run(*begun, "--max_epochs", "1", "--default_root_dir", "broken", "--ckpt_path", "auto")[0] == 0
    Path("copy.ckpt").unlink()
    again = ["--max_epochs", "2", "--default_root_dir", "broken", "--ckpt_path", "auto"]
    assert run("--init_from", "copy.ckpt", *small, *again)[0] == 0
    whole, broken = (
        torch.load(root / LAST, weights_only=True)["state_dict"] for root in map(Path, ("whole", "broken"))
    )
    assert all(torch.equal(value, broken[name]) for name, value in whole.items())


def test_weights_of_other_networks_are_one_line(run: Run, trained: dict[str, torch.Tensor]) -> None:
    err = refused(run, "--init_from", "copy.ckpt", "--model.latent_dim", "64", "--data.data_dir", "nowhere")
    assert "--init_from copy.ckpt: its networks are others than this run's: generator.model.0.weight" in err
    assert "[24, 100] there, [24, 64] here" in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--init_from", "nowhere.ckpt"], "no checkpoint at nowhere.ckpt"),
        (["--init_from", "copy.ckpt", "--ckpt_path", "last"], "--init_from begins a new run"),
        (["--init_from", "s3://bucket/copy.ckpt"], "s3://bucket/copy.ckpt is a URL"),
    ],
)
def test_what_cannot_be_begun_with(run: Run, trained: dict[str, torch.Tensor], argv: list[str], said: str) -> None:
    assert said in refused(run, *argv)


def test_ckpt_path_takes_a_run_folder_or_names_what_is_in_one(run: Run, small: list[str]) -> None:
    assert run(*small)[0] == 0
    for number, place in enumerate((LAST.parents[1], LAST.parent), start=3):
        code, out, err = run("--ckpt_path", str(place), "--max_epochs", str(number))
        assert code == 0, err
        assert "version_0, resumed after" in out
    assert f"lightning_logs is a folder; name {LAST}" in refused(run, "--ckpt_path", "lightning_logs")
    Path("empty").mkdir()
    assert "empty is a folder without a checkpoint" in refused(run, "--ckpt_path", "empty")
    assert "no checkpoint at /x.ckpt" in refused(run, "--ckpt_path", "/x.ckpt")


def test_a_checkpoint_at_the_root_of_the_disk_has_no_run_folder() -> None:
    assert starting.folder_of(Path("/last.ckpt")) is None
