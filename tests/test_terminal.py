"""What a terminal shows: a bar within 80 columns, a line per epoch that stays, verdicts wrapped and in colour."""

import io
import re

import pytest
from rich.console import Console
from rich.progress import Progress

from first_gan.callbacks import progress
from first_gan.callbacks import terminal as said
from first_gan.callbacks.terminal import say, wrapped
from tests.test_train import Run

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
VERDICT = "Verdict: mode collapse (confidence high): train/diversity 0.05 (healthy: above 0.11; real images: 1), and more of it"
ANSWER = (
    f"  {'Is G improving?':40} No: FCD 824, at first 813, at best 813 (real images 4.93); thumbnails' distance 6.54"
)


def terminal(width: int = 80) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=width, legacy_windows=False)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_bar_fits_80_columns_and_a_line_per_epoch_stays(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    console = terminal()
    monkeypatch.setattr(progress, "Console", lambda: console)
    monkeypatch.setattr(progress, "REFRESH_S", 0.0)
    scored = ["--quality.every_n_epochs", "1", "--quality.samples", "500", "--max_epochs", "12"]
    assert run(*small, *scored, "--data.train_rows", "128", "--enable_progress_bar", "true")[0] == 0
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", ANSI.sub("", written(console)))]
    bars = [line for line in lines if "ETA" in line]
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    assert any(re.fullmatch(r"Epoch 12/12 ━{10} 100% ETA \S+ d_loss \S+ g_loss \S+ FCD \S+", line) for line in bars)
    stay = [line for line in lines if "images/s" in line]
    assert [line.split()[1] for line in stay] == [f"{epoch}/12" for epoch in range(1, 13)]
    assert all("FCD" in line for line in stay)


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
