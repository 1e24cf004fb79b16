"""Histories of which a person would say at once what is wrong: what the diagnosis says of them, with since when and why."""

from collections.abc import Sequence

import pytest

from first_gan.diagnosis import diagnose, judged, verdict_of
from first_gan.diagnosis.history import (
    COPYING,
    D_HELD_OUT,
    D_SEEN,
    DIVERSITY,
    FCD,
    FLOOR,
    MISSING_KINDS,
    RAW_FCD,
    THUMBNAIL_FD,
    History,
)
from first_gan.diagnosis.rules import swings
from first_gan.diagnosis.verdicts import (
    COLLAPSE,
    CONVERGED,
    HEALTHY,
    IMPROVING,
    MEMORIZING,
    MODES_MISSING,
    OSCILLATING,
    RELAPSED,
    STALLED,
    TOO_EARLY,
    Diagnosis,
)

Rows = list[dict[str, float]]
FALL = [900 * 0.9**n + 40 for n in range(44)]  # a good run's FCD


def run(fcds: Sequence[float], updates: int = 469, every: int = 1, **others: float | Sequence[float]) -> Rows:
    """A row per epoch; scored each `every` epochs. What is not said is healthy."""
    rows: Rows = []
    for n in range(len(fcds) * every):
        row = {"step": updates * (n + 1), "epoch": n, "train/d_accuracy": 0.8, "train/d_loss": 1.0, "train/g_loss": 1.0}
        row |= {"train/d_real": 0.6, "train/d_fake": 0.4, DIVERSITY: 0.8}
        if (n + 1) % every == 0:
            row |= {FCD: fcds[n // every], FLOOR: 4.9, "val/modes_covered": 10} | classes(10)
        for name, value in others.items():
            row[name.replace("__", "/")] = value if isinstance(value, (int, float)) else value[n]
        rows.append(row)
    return rows


def classes(drawn: int) -> dict[str, float]:
    """Shares of ten classes, of which the first so many are drawn, evenly."""
    return {f"val/class_{number}": (number < drawn) / drawn for number in range(10)}


def with_classes(rows: Rows, drawn: Sequence[int]) -> Rows:
    return [row | {"val/modes_covered": n} | classes(n) for row, n in zip(rows, drawn, strict=True)]


def first(rows: Rows, verdict: str) -> int:
    """After which epoch the verdict was first given."""
    return next(n for n in range(1, len(rows) + 1) if verdict_of(History.of(rows[:n])) == verdict)


@pytest.mark.parametrize("lost", [6, 11])
def test_a_late_collapse_is_a_relapse_since_when_it_began(lost: int) -> None:
    rows = run([*FALL[: 50 - lost], *[400.0] * lost])
    found = diagnose(rows, {})
    assert (found.verdict, found.confidence) == (RELAPSED, "high")
    (finding,) = found.findings
    assert finding.since == 51 - lost
    assert f"epoch {50 - lost} was better" in finding.note
    assert finding.evidence[0].value == 400
    assert "its best" in finding.evidence[0].expected
    assert f"relapsed since epoch {51 - lost}" in found.headline()
    assert first(rows, RELAPSED) <= 50 - lost + 3
    assert verdict_of(History.of(rows[: 50 - lost])) in HEALTHY


def test_a_single_bad_epoch_is_no_relapse_and_one_from_which_it_recovers_is_none_any_more() -> None:
    assert verdict_of(History.of(run([*FALL, 90.0]))) in HEALTHY
    assert verdict_of(History.of(run([*FALL, 90.0, 95.0]))) == RELAPSED
    assert verdict_of(History.of(run([*FALL, 90.0, 95.0, 52.0, 51.0]))) in HEALTHY


def test_scores_each_tenth_epoch_tell_a_relapse() -> None:
    assert verdict_of(History.of(run([200, 90, 60, 60, 900], every=10))) == RELAPSED
    assert verdict_of(History.of(run([200, 90, 60, 60, 61], every=10))) in HEALTHY


def test_quality_that_comes_and_goes_is_oscillating() -> None:
    rows = run([*FALL[:10], *[60.0, 300.0] * 10])
    found = diagnose(rows, {})
    assert (found.verdict, found.confidence) == (OSCILLATING, "high")
    assert "turned around" in found.findings[0].note
    assert verdict_of(History.of(run([*FALL[:10], *[60.0, 66.0] * 10]))) in HEALTHY  # within the noise of scores


def test_turns_are_counted_between_highs_and_lows() -> None:
    assert swings([1, 1.4, 1, 1.4, 1]) == 0
    assert swings([1, 2, 3, 4]) == 1
    assert swings([4, 2, 1]) == 1
    assert swings([1, 2, 1, 2, 1]) == 4
    assert swings([100, 60, 300, 280, 310, 55, 50]) == 3


def test_digits_that_vanish_are_named_and_r1_comes_first() -> None:
    drawn = [10] * 30 + [7] * 14
    found = diagnose(with_classes(run([40.0] * 44), drawn), {})
    assert found.verdict == MODES_MISSING
    assert "7, 8, 9" in found.findings[0].note
    assert found.advice[0].option == "--model.r1 0.4"
    throughout = diagnose(with_classes(run([40.0] * 44), [7] * 44), {})
    assert throughout.verdict == MODES_MISSING


def test_kinds_that_vanish_are_missed_where_there_are_no_labels() -> None:
    def unlabelled(share: float) -> Rows:
        kept = [{name: value for name, value in row.items() if not name.startswith("val/")} for row in run([40.0] * 20)]
        return [row | {THUMBNAIL_FD: 0.2, MISSING_KINDS: share} for row in kept]

    assert verdict_of(History.of(unlabelled(0.3))) == MODES_MISSING
    assert verdict_of(History.of(unlabelled(0.05))) == CONVERGED


def test_a_class_that_the_data_hardly_have_is_not_missing_where_it_is_drawn_as_seldom() -> None:
    rare = {"val/class_0": 0.97, "val/class_1": 0.03}
    rows = [{name: value for name, value in row.items() if "class_" not in name} for row in run([40.0] * 44)]
    real = {"val/floor_class_0": 0.97, "val/floor_class_1": 0.03}
    assert verdict_of(History.of([row | rare | real for row in rows])) == CONVERGED
    assert verdict_of(History.of([rows[0] | rare | real, *(row | rare for row in rows[1:])])) == CONVERGED
    gone = {"val/class_0": 0.998, "val/class_1": 0.002}
    assert verdict_of(History.of([row | gone | real for row in rows])) == MODES_MISSING


def test_digits_that_are_still_missing_are_said_of_a_run_that_improves() -> None:
    rows = with_classes(run([807, 760, 700, 640, 580, 523]), [2] * 6)
    found = diagnose(rows, {})
    assert found.verdict == IMPROVING
    assert [finding.verdict for finding in found.findings] == [MODES_MISSING]
    assert "2, 3, 4, 5, 6, 7, 8, 9" in found.findings[0].note
    for said in (found.text(), found.markdown()):
        assert "lso modes missing" in said


def test_what_hardly_moves_has_stalled() -> None:
    slow = [900 - 5 * n for n in range(15)]
    assert verdict_of(History.of(run(slow))) == STALLED
    assert verdict_of(History.of(run([880 - 5 * n for n in range(17)], updates=32))) in (TOO_EARLY, STALLED)
    assert verdict_of(History.of(run([880 - 5 * n for n in range(17)], updates=32))) != CONVERGED
    assert verdict_of(History.of(run([41.0, 40.0, 40.5] * 5))) == CONVERGED  # good from the first score on


def test_copies_of_training_images_are_memorized() -> None:
    known = {COPYING: 0.45, D_SEEN: 0.95, D_HELD_OUT: 0.2}
    found = diagnose([row | known for row in run([174.0] * 40)], {"data.train_rows": 500})
    assert found.verdict == MEMORIZING
    assert {evidence.metric for evidence in found.findings[0].evidence} == {COPYING, D_HELD_OUT}
    assert found.advice[0].option.startswith("--data.train_rows ")
    for copying in (0.02, 0.1):  # where D knows no image by heart, a little nearer is no copy
        as_near = {COPYING: copying, D_SEEN: 0.8, D_HELD_OUT: 0.75}
        assert verdict_of(History.of([row | as_near for row in run([40.0] * 40)])) == CONVERGED
    copies = {COPYING: 0.3}  # of another GAN, whose D is not known
    assert verdict_of(History.of([row | copies for row in run([40.0] * 40)])) == MEMORIZING


def test_noise_that_grows_is_no_improvement() -> None:
    fcds = [278.0, 300.0, 350.0, 500.0, 700.0, 900.0, 1200.0, 1500.0]
    diversity = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.3]
    found = diagnose(run(fcds, **{DIVERSITY.replace("/", "__"): diversity}), {})
    assert found.verdict not in HEALTHY
    assert found.answers["g_improving"].score == -1


def test_an_average_that_hides_a_collapse_of_the_trained_weights() -> None:
    raw = [*[100.0] * 30, 300.0, 600.0, 900.0, 1200.0, *[2000.0] * 4]
    rows = [row | {RAW_FCD: value} for row, value in zip(run(FALL[:38]), raw, strict=True)]
    found = diagnose([row | {FCD: 60.0} if row["epoch"] > 25 else row for row in rows], {})
    assert found.verdict == RELAPSED
    assert "the moving average still hides it" in found.headline()
    assert found.findings[0].evidence[0].metric == RAW_FCD


def test_without_scores_thumbnails_tell() -> None:
    def unscored(distances: Sequence[float]) -> Rows:
        rows = run([1.0] * len(distances))
        kept = ({name: value for name, value in row.items() if not name.startswith("val/")} for row in rows)
        return [row | {THUMBNAIL_FD: value} for row, value in zip(kept, distances, strict=True)]

    assert verdict_of(History.of(unscored([2.4, 1.2, 0.8, 0.6, 0.5]))) == IMPROVING
    assert verdict_of(History.of(unscored([2.4, 1.2, 0.6, 0.2, *[0.1] * 20]))) == CONVERGED
    assert verdict_of(History.of(unscored([2.4, 1.2, 0.6, 0.2, *[0.1] * 20, 0.5, 0.5, 0.6]))) == RELAPSED
    assert verdict_of(History.of(unscored([2.4, 2.41, 2.39, 2.4, 2.38, 2.42]))) == STALLED
    assert verdict_of(History.of(unscored([2.4, 1.2, 1.0, 1.0, 1.1, 1.0, 1.1, 1.0, 1.0]))) == STALLED  # one blob
    assert diagnose(unscored([2.4, 1.2, 0.8, 0.6, 0.5]), {}).confidence != "high"


def test_findings_are_in_order_and_a_second_trouble_is_not_hidden_by_the_first() -> None:
    rows = with_classes(run([*FALL[:38], *[400.0] * 6]), [10] * 38 + [3] * 6)
    found = diagnose(rows, {})
    assert [finding.verdict for finding in found.findings] == [RELAPSED, MODES_MISSING]
    collapsed = [row | {DIVERSITY: 0.05} for row in rows]
    assert [finding.verdict for finding in judged(History.of(collapsed))[2]] == [COLLAPSE, RELAPSED, MODES_MISSING]
    assert found.as_dict()["findings"][0]["verdict"] == RELAPSED
    assert isinstance(found, Diagnosis)


def test_before_a_verdict_can_be_told_d_neither_dominates_nor_is_too_weak_and_one_score_is_compared_with_nothing() -> (
    None
):
    for accuracy, diversity, later in ((1.0, 0.8, "Too much"), (0.5, 0.2, "Too little")):
        rows = run([800.0, 700.0], updates=400, train__d_accuracy=accuracy, train__diversity=diversity)
        early, late = diagnose(rows[:1], {}), diagnose(rows, {})
        assert early.verdict == TOO_EARLY
        answer = early.answers["d_dominance"]
        assert (answer.answer.partition(":")[0], answer.score) == ("Too soon to say", 0)
        assert late.answers["d_dominance"].answer.startswith(later)
    for epochs, expected in ((1, "real images: 4.9"), (2, "at first 200; real images: 4.9")):
        found = diagnose(run([200.0, 100.0][:epochs], updates=900, train__thumbnail_fd=0.1), {})
        assert found.verdict == IMPROVING
        assert found.evidence[0].expected == expected
