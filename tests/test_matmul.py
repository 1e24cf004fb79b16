"""The faster library for matrix products is taken where it is exact, and nowhere else; what was taken is kept and said."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from first_gan.run import checkpoints, matmul
from first_gan.run.names import LIBRARY
from gan_module import GAN
from tests.test_gan_module import fit
from tests.test_train import FOLDER, Run, weights

ONEDNN = pytest.mark.skipif(not matmul.is_taken() or not matmul.is_exact(), reason="needs an exact oneDNN, and AVX-512")


def as_bf16(left: Tensor, right: Tensor) -> Tensor:
    """What a CPU with AMX makes of a product that may be rounded."""
    return (left.bfloat16().float() @ right.bfloat16().float()).float()


def as_tf32(left: Tensor, right: Tensor) -> Tensor:
    """Operands cut to 10 bits of mantissa."""
    cut = [(each.view(torch.int32) & ~0x1FFF).view(torch.float32) for each in (left, right)]
    return cut[0] @ cut[1]


def only_large(left: Tensor, right: Tensor) -> Tensor:
    """Rounded where it pays, exact in small products."""
    return as_bf16(left, right) if left.numel() > 200_000 else left @ right


@contextmanager
def machine(
    monkeypatch: pytest.MonkeyPatch, vendor: str, capability: str, product: Callable
) -> Iterator[SimpleNamespace]:
    """Another machine's CPU and oneDNN, which computes fp32 products when it is permitted to."""
    settings = SimpleNamespace(fp32_precision="none")

    def multiplied(left: Tensor, right: Tensor) -> Tensor:
        return product(left, right) if settings.fp32_precision == "bf16" else left @ right

    with monkeypatch.context() as patch:
        patch.setattr(matmul, "settings", lambda: settings)
        patch.setattr(matmul, "vendor", lambda: vendor)
        patch.setattr(matmul, "multiplied", multiplied)
        patch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
        yield settings


@pytest.mark.parametrize(
    ("vendor", "capability", "product", "taken"),
    [
        ("AuthenticAMD", "AVX512", torch.mm, "onednn"),
        ("AuthenticAMD", "AVX512", as_bf16, "torch"),
        ("AuthenticAMD", "AVX512", as_tf32, "torch"),
        ("AuthenticAMD", "AVX512", only_large, "torch"),
        ("AuthenticAMD", "AVX2", torch.mm, "torch"),
        ("GenuineIntel", "AVX512", torch.mm, "torch"),
        ("", "DEFAULT", torch.mm, "torch"),
    ],
)
def test_auto_takes_onednn_where_it_is_exact_and_faster(
    monkeypatch: pytest.MonkeyPatch, vendor: str, capability: str, product: Callable, taken: str
) -> None:
    with machine(monkeypatch, vendor, capability, product) as settings:
        with matmul.chosen("auto") as library:
            assert library == taken
            assert settings.fp32_precision == ("bf16" if taken == "onednn" else "none")
        assert settings.fp32_precision == "none"


def test_a_rounding_onednn_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, run: Run, small: list[str]) -> None:
    with machine(monkeypatch, "GenuineIntel", "AVX512", as_bf16):
        code, _, err = run(*small, "--matmul", "onednn")
    assert code == 2
    assert "--matmul onednn: on this CPU it rounds products to bf16" in err
    assert not FOLDER.exists()


def test_where_torch_does_not_take_it_that_is_said(monkeypatch: pytest.MonkeyPatch, run: Run, small: list[str]) -> None:
    with machine(monkeypatch, "AuthenticAMD", "AVX2", torch.mm):
        code, _, err = run(*small, "--matmul", "onednn")
    assert code == 2
    assert "--matmul onednn: this CPU has no AVX-512, without which torch does not take it" in err


def test_without_the_setting_torch_is_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends, "mkldnn", SimpleNamespace(is_available=lambda: True))  # torch before 2.9
    with matmul.chosen("auto") as library:
        assert library == "torch"
    with pytest.raises(matmul.MatmulError, match="has no oneDNN whose products can be chosen"), matmul.chosen("onednn"):
        pass


@ONEDNN
def test_the_setting_is_as_it_was_after_a_run(run: Run, small: list[str]) -> None:
    settings = torch.backends.mkldnn.matmul
    before, settings.fp32_precision = settings.fp32_precision, "ieee"
    try:
        assert run(*small, "--matmul", "onednn")[0] == 0
        assert run(*small, "--matmul", "onednn", "--model.lr", "-1")[0] == 2
        assert settings.fp32_precision == "ieee"
    finally:
        settings.fp32_precision = before


@ONEDNN
def test_a_run_by_onednn_says_so_keeps_it_and_resumes_to_the_same_bits(run: Run, small: list[str]) -> None:
    longer = [*small, "--matmul", "onednn", "--model.r1", "0.2", "--model.ema_decay", "0.9"]
    code, out, _ = run(*longer, "--max_epochs", "3")
    assert code == 0
    assert "precision 32-true, products by oneDNN" in out
    assert "matrix products by oneDNN" in (FOLDER / "config.yaml").read_text(encoding="utf-8").splitlines()[1]
    assert checkpoints.load_checkpoint(FOLDER / "checkpoints/last.ckpt")["options"][LIBRARY] == "oneDNN"
    run(*longer, "--max_epochs", "1", "--default_root_dir", "broken")
    last = Path("broken") / FOLDER / "checkpoints/last.ckpt"
    code, out, _ = run("--ckpt_path", str(last), "--max_epochs", "3")
    assert code == 0
    assert "last bits" not in out
    for name, tensor in weights(FOLDER).items():
        assert torch.equal(tensor, weights(Path("broken") / FOLDER)[name]), name


@ONEDNN
def test_resuming_with_another_library_is_said(run: Run, small: list[str]) -> None:
    run(*small, "--matmul", "onednn", "--max_epochs", "1")
    code, out, _ = run("--ckpt_path", "last", "--max_epochs", "2", "--matmul", "torch")
    assert code == 0
    here = matmul.spelled("torch")
    assert f"Its matrix products were computed by oneDNN, here they are by {here}: last bits may differ." in out
    assert f"products by {here}" in out.split("Training")[1].splitlines()[0]


def test_resuming_by_another_library_is_said_on_any_cpu(
    run: Run, run_of_one_epoch: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run("--ckpt_path", "last", "--max_epochs", "2")[1]
    assert "last bits" not in out
    before = out.split("products by ")[1].splitlines()[0]
    monkeypatch.setattr(matmul, "spelled", lambda library: "another")
    _, out, _ = run("--ckpt_path", "last", "--max_epochs", "3")
    assert f"Its matrix products were computed by {before}, here they are by another: last bits may differ." in out


@ONEDNN
def test_updates_by_onednn_are_those_of_torch_and_not_of_bf16() -> None:
    def trained(library: str, precision: str) -> Tensor:
        torch.manual_seed(0)
        gan = GAN(r1=0.1)
        with matmul.chosen(library):
            fit(gan, updates=6, precision=precision)
        return torch.cat([weights.detach().flatten() for weights in gan.parameters()])

    exact = trained("torch", "32-true")
    by_onednn, rounded = (
        (trained(*how) - exact).abs().mean() for how in (("onednn", "32-true"), ("torch", "bf16-mixed"))
    )
    assert 0 < by_onednn < rounded / 20
