"""What a terminal shows: a bar within 80 columns, a line per epoch that stays, verdicts wrapped and in colour."""

import io
import logging
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from first_gan.callbacks import progress
from first_gan.callbacks import terminal as said
from first_gan.callbacks.blocks import Samples, can_show, smaller
from first_gan.callbacks.terminal import say, wrapped
from first_gan.run.hush import Stderr
from first_gan.run.stopping import STOP
from gan_module import GAN
from tests.test_train import Run

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
VERDICT = "Verdict: mode collapse (confidence high): train/diversity 0.05 (healthy: above 0.11; real images: 1), and more of it"
ANSWER = (
    f"  {'Is G improving?':40} No: FCD 824, at first 813, at best 813 (real images 4.93); thumbnails' distance 6.54"
)


def terminal(width: int = 80, **changed: Any) -> Console:
    plain: dict[str, Any] = {"file": io.StringIO(), "force_terminal": True, "color_system": "standard"}
    return Console(**plain | {"width": width, "height": 24, "legacy_windows": False, "_environ": {}} | changed)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_bar_fits_80_columns_and_a_line_per_epoch_stays(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    console = terminal(color_system="truecolor")
    monkeypatch.setattr(progress, "can_show", lambda console: True)  # whatever the stream's encoding
    monkeypatch.setattr(progress, "Console", lambda: console)
    monkeypatch.setattr(progress, "REFRESH_S", 0.0)
    monkeypatch.setattr(said, "Console", terminal)
    scored = ["--quality.every_n_epochs", "1", "--quality.samples", "500", "--max_epochs", "12"]
    code, out, _ = run(*small, *scored, "--data.train_rows", "128", "--enable_progress_bar", "true")
    assert code == 0
    assert "\n" + " " * 15 + "lightning_logs/version_0/checkpoints/best.ckpt\n" in out  # too long for one line
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", ANSI.sub("", written(console)))]
    bars = [line for line in lines if "ETA" in line]
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    assert any(re.fullmatch(r"Epoch 12/12 ━{10} 100% ETA \S+ d_loss \S+ g_loss \S+ FCD \S+", line) for line in bars)
    stay = [line for line in lines if "images/s" in line]
    assert [line.split()[1] for line in stay] == [f"{epoch}/12" for epoch in range(1, 13)]
    assert all("FCD" in line for line in stay)
    screen = [line for line in lines if line]
    assert "ETA" in screen[-6]
    assert all("▀" in line for line in screen[-5:])  # which stay; the last epoch's line says what the bar said


def test_samples_are_not_shown_where_that_is_not_wanted(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    console = terminal(color_system="truecolor")
    monkeypatch.setattr(progress, "can_show", lambda console: True)
    monkeypatch.setattr(progress, "Console", lambda: console)
    one = [*small, "--max_epochs", "1", "--limit_train_batches", "1", "--show_samples", "false"]
    assert run(*one, "--enable_progress_bar", "true")[0] == 0
    assert "Epoch 1/1" in written(console)
    assert "▀" not in written(console)


def halves(colours: list[list[int]], height: int = 28, width: int = 28) -> Tensor:
    """Images (N, 3, H, W) of one colour above, its opposite below."""
    above = torch.tensor(colours, dtype=torch.uint8)[:, :, None, None].expand(-1, -1, height // 2, width)
    return torch.cat([above, 255 - above], dim=2)


@pytest.mark.parametrize(
    ("width", "shown", "lines"), [(79, 8, 5), (80, 8, 5), (120, 8, 7), (300, 8, 10), (36, 3, 6), (5, 1, 3)]
)
def test_eight_samples_stand_side_by_side_or_as_many_as_fit(width: int, shown: int, lines: int) -> None:
    console = terminal(width, color_system="truecolor")
    console.print(Samples(halves([[248, 0, 0]] * 64)), end="")
    rows = written(console).splitlines()
    assert len(rows) == lines
    assert {len(ANSI.sub("", row)) <= width for row in rows} == {True}
    assert {len(ANSI.sub("", row).split(" ")) for row in rows} == {shown}


def test_two_pixels_of_a_sample_are_one_character_in_their_colours() -> None:
    pixels = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    pixels[0, :, 0] = 128  # the first line of the first image is gray, all else black
    console = terminal(20, color_system="truecolor")
    console.print(Samples(pixels), end="")
    black, gray = "0;0;0", "128;128;128"
    first, second = (f"\x1b[38;2;{above};48;2;{black}m▀▀▀▀\x1b[0m" for above in (gray, black))
    assert written(console) == f"{first} {second}\n{second} {second}\n"


def test_a_large_image_is_shown_by_the_means_of_its_pixels() -> None:
    """Of every second pixel alone, a thin line would vanish or stay by chance."""
    lines = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    lines[:, :, :, ::2] = 224
    assert smaller(lines, 14).unique().tolist() == [112]
    assert smaller(halves([[248, 0, 0]]), 14)[0, :, [0, -1], 3].T.tolist() == [[248, 0, 0], [8, 255, 255]]


@pytest.mark.parametrize(
    "changed",
    [
        {"force_terminal": False},
        {"no_color": True},
        {"_environ": {"NO_COLOR": "1"}},
        {"_environ": {"TERM": "dumb"}},
        {"color_system": "standard"},
        {"color_system": None},
        {"legacy_windows": True},
        {"height": 10},
        {"file": io.TextIOWrapper(io.BytesIO(), encoding="cp1252")},
    ],
    ids=str,
)
def test_samples_need_a_terminal_with_colours(changed: dict[str, Any]) -> None:
    utf8 = {"file": io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), "color_system": "256"}
    assert can_show(terminal(**utf8))
    assert not can_show(terminal(**utf8 | changed))


def test_quiet_is_one_line(run: Run, small: list[str]) -> None:
    scored = ["--quality.every_n_epochs", "1", "--quality.samples", "500", "--enable_progress_bar", "true"]
    code, out, err = run(*small, *scored, "--quiet", "--ckpt_path", "auto")
    assert (code, err) == (0, "")
    line = r"too early to tell \(confidence \w+\), FCD [\d.]+ after epoch 2, lightning_logs/version_0\n"
    assert re.fullmatch(line, out)
    assert "quiet: false" in Path("lightning_logs/version_0/config.yaml").read_text(encoding="utf-8")
    code, out, _ = run("--ckpt_path", "last", "--max_epochs", "3")
    assert (code, out.count("\n") > 5) == (0, True)  # the run does not stay quiet


def test_verbose_lets_lightning_speak_and_a_verdict_is_said_once(run: Run, small: list[str]) -> None:
    """And not past a bar, as the handler does that Lightning made of the stderr it was loaded with."""
    logger, lightnings = logging.getLogger("pytorch_lightning"), io.StringIO()
    logger.addHandler(logging.StreamHandler(lightnings))
    for argv, speaks in ([], False), (["--verbose"], True):
        code, out, err = run(*small, "--max_epochs", "1", *argv)
        assert code == 0
        assert ("`max_epochs=1` reached" in err) == speaks
        assert out.count("Verdict") == 1
    assert lightnings.getvalue() == ""
    for handler in [each for each in logger.handlers if isinstance(each, Stderr)]:
        logger.removeHandler(handler)


@pytest.mark.parametrize(("width", "lines"), [(80, 3), (120, 2), (200, 1)])
def test_lines_are_broken_between_words_and_hang(width: int, lines: int) -> None:
    found = wrapped(ANSWER, width)
    assert len(found) == lines
    assert max(map(len, found)) <= width
    assert (found[0] == "  Is G improving?") == (width == 80)
    assert " ".join(" ".join(found).split()) == " ".join(ANSWER.split())
    assert all(line.startswith("      ") for line in found[1:])


@pytest.mark.parametrize(
    ("verdict", "colour"), [("improving", "32"), ("converged", "32"), ("too early to tell", "33"), ("stalled", "31")]
)
def test_the_verdict_has_its_colour(
    verdict: str, colour: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(said, "Console", terminal)
    say(VERDICT.replace("mode collapse", verdict), verdict)
    out = capsys.readouterr().out
    assert f"\x1b[1;{colour}m{verdict}\x1b[0m" in out
    assert max(len(line) for line in ANSI.sub("", out).splitlines()) <= 80


def test_without_a_terminal_lines_are_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(said, "Console", lambda: Console(width=40))
    say(f"{VERDICT}\n{ANSWER}", "mode collapse")
    assert capsys.readouterr().out == f"{VERDICT}\n{ANSWER}\n"


def test_a_notebook_has_whole_words_and_no_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(said, "Console", lambda: Console(width=80, force_jupyter=True))
    say(f"{VERDICT}\n{ANSWER}", "mode collapse")
    expected = [part for line in (VERDICT, ANSWER) for part in wrapped(line, 80)]
    assert capsys.readouterr().out.splitlines() == expected


def test_a_verdict_does_not_run_into_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """As rich's own print would, whose console knows nothing of the bar's."""
    console = terminal()
    monkeypatch.setattr(said, "Console", terminal)
    with Progress(console=console, auto_refresh=False, redirect_stdout=True) as bar:
        bar.add_task("Epoch 1/3", total=3)
        bar.refresh()
        say(VERDICT, "mode collapse")
    lines = re.split(r"[\r\n]+", ANSI.sub("", written(console)))
    assert any(line.startswith("Verdict: mode collapse") for line in lines)
    assert not any("Epoch" in line and "Verdict" in line for line in lines)


def test_an_interruption_says_what_it_costs(run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    update, done = GAN.update, list[int]()

    def interrupted(self: GAN, *args: Any) -> dict[str, Tensor]:
        measured = update(self, *args)
        done.append(self.updates)
        if len(done) == 14:  # of 10 in an epoch
            STOP.received = signal.SIGINT
        return measured

    monkeypatch.setattr(GAN, "update", interrupted)
    code, _, err = run(*small)
    assert code == 130
    assert "Interrupted. Dropped: 4 updates of epoch 2. To go on after the last whole epoch:\n" in err
    assert all(Path("lightning_logs/version_0", name).is_file() for name in ("evolution.png", "curves.png"))
