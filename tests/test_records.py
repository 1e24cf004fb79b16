"""Records: measured again, judged, and appended; docs/records.md is what docs/records.yaml holds, which only grows."""

import hashlib
import json
import math
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import scipy.stats
import yaml

from benchmarks import quality, records, runs, speed, time_to_quality
from benchmarks.records import DATA, PAGE
from first_gan.study.records import FIRST, RECORD, SAME, UNTESTED, WORSE, Records, Row, judged
from first_gan.study.statistics import paired_p, welch_p

ROWS = Records.read(DATA).rows
FIRST_ROWS = "ca490b9135cb0a67"  # of the rows up to 2026-11-25: they are never changed
WHERE = {"measured": "2027-01-01", "revision": "abc1234", "lock": "0" * 12, "hardware": "here", "command": "x"}


def test_the_page_is_what_the_file_holds_and_old_rows_are_as_they_were() -> None:
    assert PAGE.read_text(encoding="utf-8") == Records.read(DATA).page(), "python -m benchmarks.records writes it"
    rows = yaml.safe_load(DATA.read_text(encoding="utf-8"))["rows"][:12]
    assert hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16] == FIRST_ROWS
    assert [row.measured for row in ROWS] == sorted(row.measured for row in ROWS)


def test_rows_say_what_their_values_do() -> None:
    """And the first ones are those of docs/quality.json."""
    kept = json.loads((runs.ROOT / "docs/quality.json").read_text(encoding="utf-8"))["60000 images"]
    for name, of in (("quality", "best"), ("lesson", "lesson")):
        row = next(row for row in ROWS if row.claim == name)
        assert row.values == {str(seed): each["fcd"] for seed, each in enumerate(kept[of])}
    for row in ROWS:
        assert row.claim in Records.read(DATA).claims
        assert row.lock == "none then" or re.fullmatch(r"[0-9a-f]{12}", row.lock)
        if row.values is not None:
            values = list(row.values.values())
            assert row.n == len(values)
            assert row.value == pytest.approx(sum(values) / len(values), rel=1e-4)
            low, high = scipy.stats.t.interval(0.95, row.n - 1, row.value, scipy.stats.sem(values))
            assert row.interval == pytest.approx((low, high), rel=1e-3)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_revisions_had_the_lock_files_that_rows_say() -> None:
    for row in ROWS:
        git = ["git", "-C", str(runs.ROOT)]
        if subprocess.run([*git, "cat-file", "-e", row.revision], capture_output=True).returncode:
            pytest.skip("this checkout has no history")
        shown = subprocess.run([*git, "show", f"{row.revision}:requirements.lock"], capture_output=True)
        found = hashlib.sha256(shown.stdout).hexdigest()[:12] if shown.returncode == 0 else "none then"
        assert row.lock == found, row.revision


def test_what_is_measured_is_judged_by_the_record_that_stands() -> None:
    """FCDs seed by seed; times against the same machine alone, however they pair."""
    claims = Records.read(DATA).claims
    fcds, times = claims["quality"], claims["time"]
    old = {"0": 6.0, "1": 8.0, "2": 10.0}
    better, mixed = {"0": 5.0, "1": 7.1, "2": 9.05, "7": 99.0}, {"2": 5.0, "1": 7.1, "0": 9.05}
    p, verdict = judged(fcds, old, better)
    assert (p, verdict) == (pytest.approx(scipy.stats.ttest_rel([5.0, 7.1, 9.05], [6.0, 8.0, 10.0]).pvalue), RECORD)
    assert judged(fcds, {seed: better[seed] for seed in old}, old)[1] == WORSE
    assert judged(fcds, old, mixed)[1] == SAME  # the same FCDs, of other seeds
    assert judged(fcds, None, better) == judged(fcds, {"8": 1.0}, better) == (None, UNTESTED)
    slow, fast = {"0": 20.0, "1": 21.0, "2": 22.0}, {"0": 32.0, "1": 31.0, "2": 30.0}
    p = scipy.stats.ttest_ind([32, 31, 30], [20, 21, 22], equal_var=False).pvalue
    assert judged(times, slow, fast) == (pytest.approx(p), RECORD)
    assert judged(times, fast, slow)[1] == WORSE


def test_p_is_two_sided() -> None:
    one, other = [1.0, 2.0, 4.0], [2.0, 3.5, 5.2]
    for p in (paired_p, welch_p):
        assert p(one, other) == pytest.approx(p(other, one))
    assert welch_p([1.0], other) is None
    assert welch_p([1.0, 1.0], [1.0, 1.0]) == 1


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the file of records, in a clean checkout."""
    monkeypatch.setattr(records, "DATA", Path(shutil.copy(DATA, tmp_path)))
    monkeypatch.setattr(records, "PAGE", tmp_path / "records.md")
    monkeypatch.setattr(records, "git_revision", lambda: "abc1234")
    monkeypatch.setattr(runs, "machine", lambda: "here; Python 3")
    return tmp_path / DATA.name


def test_the_record_that_stands_is_the_last_one_whose_values_are_known(kept: Path) -> None:
    found = Records.read(kept)
    assert found.before("quality", "anywhere") == next(row for row in ROWS if row.claim == "quality")
    assert found.before("time", "elsewhere") is None
    zen = next(row.hardware for row in ROWS if row.claim == "time")
    assert found.before("time", zen).value == 19.9  # type: ignore[union-attr]
    new = found.measured("time", {"0": 20.0, "1": 22.0}, **WHERE | {"hardware": zen})
    assert (new.verdict, new.p, new.n) == (UNTESTED, None, 2)
    assert found.measured("time", {"0": 20.0}, **WHERE).verdict == FIRST
    more = found.add(new).add(replace(new, verdict=WORSE, value=1.0)).add(replace(new, verdict=SAME))
    assert more.before("time", zen) == new
    assert Records.read(kept).rows == more.rows  # as they are read again


def test_a_record_is_measured_again_and_appended_only_when_told(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fcds, commands = {str(seed): value - 2 for seed, value in (ROWS[3].values or {}).items()}, []

    def measured(command: list[str], env: dict[str, str]) -> SimpleNamespace:
        commands.append(command)
        out = Path(command[-1])
        out.mkdir(parents=True, exist_ok=True)
        figures = {"best": [{"fcd": value, "recall": 0.0} for value in fcds.values()]}
        (out / "best_50_epochs_of_60000.json").write_text(json.dumps(figures), encoding="utf-8")
        return SimpleNamespace(returncode=1)  # a target was missed, and the figures are there all the same

    monkeypatch.setattr(subprocess, "run", measured)
    before = kept.read_bytes()
    assert records.bench(["quality"]) == 0
    out = capsys.readouterr().out
    words = "benchmarks.quality --configs best --epochs 50 --seeds 5 --out benchmarks/results/records/abc1234/quality"
    assert commands == [[sys.executable, "-m", *words.split()]]
    assert re.search(r"\| 5\.77 \| 5 .*\n\| 3\.77 \| 5 \|.* \| a record \| .* \| `abc1234`", out)
    assert out.endswith(": a record\n")
    assert kept.read_bytes() == before
    assert not records.PAGE.exists()
    assert records.bench(["quality", "--add"]) == 0
    assert kept.read_bytes().startswith(before)
    added = Records.read(kept).rows[len(ROWS) :]
    assert [(row.claim, row.verdict, row.values) for row in added] == [("quality", RECORD, fcds)]
    assert added[0].lock == hashlib.sha256(records.LOCK.read_bytes()).hexdigest()[:12]
    assert records.PAGE.read_text(encoding="utf-8") == Records.read(kept).page()
    assert records.bench(["quality"]) == 0  # against the new one
    assert capsys.readouterr().out.endswith(": the same\n")
    monkeypatch.setattr(records, "git_revision", lambda: "abc1234-dirty")
    with pytest.raises(records.UserError, match="commit first"):
        records.bench(["quality", "--add"])
    assert records.bench(["quality"]) == 0
    assert re.search(r"/abc1234-dirty/quality/[\d_-]+$", commands[-1][-1])  # beside what other changes measured
    monkeypatch.setattr(records, "git_revision", lambda: "abc1234")  # where figures lie already
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1))
    with pytest.raises(records.RunFailed, match=r"benchmarks\.quality .* failed"):
        records.bench(["quality"])


def test_what_the_claims_name_is_there() -> None:
    """Their commands' options, and the files and values that these leave."""
    found = Records.read(DATA).claims
    for claim in found.values():
        module, *_ = claim.command.removeprefix("python -m benchmarks.").split()
        assert hasattr({"quality": quality, "speed": speed, "time_to_quality": time_to_quality}[module], "bench")
        assert claim.file.startswith(("best", "dcgan", "lesson") if module == "quality" else module)
    figures = {"128": {"ratios": {"train": [2.0, 3.0], "bf16": [4.0]}}}
    assert found["speed"].values(figures) == {"0": 2.0, "1": 3.0}
    assert found["speed-bf16"].values(figures) == {"0": 4.0}
    assert found["time"].values({"32-true": [{"times": 7, "fcd": math.nan}]}) == {"0": 7.0}
    assert isinstance(Row(**vars(ROWS[0])), Row)
