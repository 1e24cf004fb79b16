"""What a notebook shows: diagnoses, the doctor's findings, pages and bars."""

import html
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from first_gan import Page, Run
from first_gan.bars import NotebookBar, bar
from first_gan.diagnosis.advice import Advice
from first_gan.diagnosis.verdicts import (
    BAD,
    GOOD,
    HEALTHY,
    MODES_MISSING,
    QUESTIONS,
    TOO_EARLY,
    UNSURE,
    VERDICTS,
    Answer,
    Diagnosis,
    Evidence,
    Finding,
)
from first_gan.doctor import Fault
from first_gan.run.folder import RunFolderError
from tests.made_runs import make_run
from tests.watched_loop import Loop

EVIL = "<script>alert(1)</script> & \"'"


def diagnosis(verdict: str, text: str = "it is so") -> Diagnosis:
    """Everything in it says the text."""
    answers = {name: Answer(question, text, 0) for name, question in QUESTIONS.items()}
    evidence, advice = [Evidence(text, 0.5, text)], [Advice(text, text)]
    findings = [Finding(each, evidence, 3, f"note: {text}") for each in dict.fromkeys((verdict, MODES_MISSING))]
    return Diagnosis(verdict, "high", answers, evidence, advice, 8, findings)


def plain(shown: str) -> str:
    """The words of HTML."""
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", shown)).split())


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_diagnosis_is_shown_whole(verdict: str) -> None:
    shown = diagnosis(verdict)._repr_html_()
    color = UNSURE if verdict == TOO_EARLY else GOOD if verdict in HEALTHY else BAD
    assert re.search(rf'<strong style="background: {color}; color: #fff[^>]*>{verdict}</strong>', shown)
    words = plain(shown)
    assert words.startswith(f"{verdict} since epoch 3, confidence high, after epoch 8")
    assert all(f"{question} it is so" in words for question in QUESTIONS.values())
    assert "Evidence: it is so 0.5 (it is so) note: it is so" in words
    assert ("Also found: modes missing since epoch 3: it is so 0.5" in words) == (verdict != MODES_MISSING)
    assert words.endswith(f"{diagnosis(verdict).before_advice()}: it is so it is so")
    assert len(shown) < 2500


def test_white_letters_can_be_read_on_each_color() -> None:
    """WCAG 2's contrast for small text; all other letters have the notebook's color on the notebook's background."""
    for color in (GOOD, UNSURE, BAD):
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        luminance = sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
        assert 1.05 / (luminance + 0.05) >= 4.5
    shown = diagnosis(GOOD)._repr_html_()
    assert len(re.findall(r"style=", shown)) == 1


def test_what_a_diagnosis_or_fault_says_is_never_html() -> None:
    shown = diagnosis(EVIL, EVIL)._repr_html_()
    doctor = Loop().doctor()
    doctor.faults = [Fault(EVIL, EVIL, EVIL, 8)]
    for each in (shown, doctor._repr_html_()):
        assert "<script" not in each
        assert EVIL in html.unescape(each)
        assert set(re.findall(r"</?(\w+)", each)) <= {"p", "strong", "ul", "li", "b", "code"}


def test_a_doctor_shows_faults_and_verdict() -> None:
    doctor = Loop().doctor()
    assert "no faults in the loop's code , after 0 updates No epoch has ended yet." in plain(doctor._repr_html_())
    doctor.faults = [Fault("same-noise", "G gets the same z", "Draw a new z", 8)] * 2
    doctor.diagnosis = diagnosis("mode collapse")
    shown = plain(doctor._repr_html_())
    assert shown.startswith("2 faults in the loop's code , after 0 updates same-noise G gets the same z. Draw a new z")
    assert "mode collapse since epoch 3" in shown


def test_a_run_is_found_by_name_and_the_newest_by_none(tmp_path: Path) -> None:
    make_run(tmp_path / "lightning_logs/mine", epochs=2)
    assert Run.called("mine").folder == Path("lightning_logs/mine")
    with pytest.raises(RunFolderError, match="no run"):
        Run.called()  # none has a checkpoint
    (tmp_path / "lightning_logs/mine/checkpoints").mkdir()
    (tmp_path / "lightning_logs/mine/checkpoints/last.ckpt").touch()
    assert Run.called().name == "mine"


def frame(page: Page) -> dict[str, str]:
    (attributes,) = re.findall(r"^<iframe ([^>]+)></iframe>$", page._repr_html_())
    return {name: html.unescape(value) for name, value in re.findall(r'(\w+)="([^"]*)"', attributes)}


def test_a_page_is_in_a_frame_of_its_own(tmp_path: Path) -> None:
    """From which its scripts reach nothing of the notebook."""
    (tmp_path / "page.html").write_text(f"<p>ü {EVIL}</p>", encoding="utf-8")
    for page in (Page(f"<p>ü {EVIL}</p>", height=300), Page(tmp_path / "page.html", height=300)):
        shown = frame(page)
        assert shown["srcdoc"] == f"<p>ü {EVIL}</p>"
        assert (shown["height"], shown["sandbox"]) == ("300", "allow-scripts allow-downloads")


@pytest.fixture
def jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Jupyter server of the working directory, and in it a notebook in a subfolder; returns a page in another one."""
    for file in ("notebooks/a.ipynb", "runs/a b/page.html"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("<p>", encoding="utf-8")
    shell = SimpleNamespace(user_ns={"_dh": [str(tmp_path / "notebooks"), str(tmp_path)]})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/a.ipynb")
    return Path("runs/a b/page.html")


def test_a_file_that_jupyter_serves_is_named_and_not_sent(
    jupyter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert frame(Page(jupyter))["src"] == "../runs/a%20b/page.html"
    outside = tmp_path.parent / f"{tmp_path.name}.html"
    outside.write_text("<p>", encoding="utf-8")
    assert "srcdoc" in frame(Page(outside))
    monkeypatch.setenv("JPY_SESSION_NAME", "elsewhere/a.ipynb")  # a server that shows no such notebook
    assert "srcdoc" in frame(Page(jupyter))


def test_a_bar_in_a_notebook_is_shown_anew_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[float] = []
    place = SimpleNamespace(update=lambda each: shown.append(each.tasks[0].completed))

    def display(each: Any, display_id: bool) -> SimpleNamespace:
        assert display_id
        return place

    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = bar(console=Console(force_jupyter=True))
    assert isinstance(progress, NotebookBar)
    with progress:
        task = progress.add_task("Rendering", total=100)
        for _ in range(10):
            now[0] += 0.1
            progress.advance(task, 10)
    assert shown == [30, 60, 90, 100]  # four times a second, and when it is done
    assert "Rendering" in progress._repr_mimebundle_(None, None)["text/html"]
    assert type(bar(console=Console())) is Progress


def test_a_disabled_bar_is_not_shown() -> None:
    with bar(console=Console(force_jupyter=True), disable=True) as progress:  # IPython.display would show it
        progress.advance(progress.add_task("", total=1))
