"""What a study says of its settings: intervals, paired tests, corrections, importance; and how options are read."""

from typing import Any

import pytest
from scipy import stats

from first_gan.run.cli import UserError
from first_gan.run.folder import NAME
from first_gan.study import space
from first_gan.study.importance import importance
from first_gan.study.results import Outcome
from first_gan.study.space import Sampled, Slot, Space
from first_gan.study.statistics import comparisons, holm, interval, p_in_words, paired_p

A, B = [5.8, 6.1, 5.5, 5.9, 5.7], [7.1, 7.4, 6.9, 7.5, 6.6]


def test_intervals_are_students() -> None:
    low, high = stats.t.interval(0.95, 4, loc=5.8, scale=stats.sem(A))
    assert interval(A) == pytest.approx((low, high))
    assert interval([5.8]) is None


def test_two_settings_are_compared_seed_by_seed() -> None:
    assert paired_p(A, B) == pytest.approx(stats.ttest_rel(A, B).pvalue)
    assert paired_p(A, B) != pytest.approx(stats.ttest_ind(A, B).pvalue)
    assert paired_p([1.0], [2.0]) is None
    assert paired_p([1.0, 2.0], [1.0, 2.0]) == 1
    assert paired_p([1.0, 2.0], [2.0, 3.0]) == 0  # by the same amount with each seed


def test_p_values_are_corrected_by_holm() -> None:
    """The worked example of p.adjust in R: p.adjust(c(.01, .04, .03, .005), "holm") is .03 .06 .06 .02."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_what_can_be_told_is_said_in_words() -> None:
    of_seeds = [dict(enumerate(values)) for values in (B, A, [5.9, 6.0, 5.6, 5.8, 5.7])]
    found = comparisons(dict(zip(("r1 0.2", "r1 0.4", "r1 0.5"), of_seeds, strict=True)))
    words = [each.words() for each in found]
    ps = holm([paired_p(B, A) or 0, paired_p(B, list(of_seeds[2].values())) or 0, 1.0])
    assert words[0] == f"r1 0.4 is better than r1 0.2 (FCD 5.8 against 7.1, 5 seeds, {p_in_words(ps[0])})"
    assert words[2] == "r1 0.4 and r1 0.5 cannot be told apart (FCD 5.8 and 5.8, 5 seeds, p = 1.00)"
    (one,) = comparisons({"a": {0: 1.0, 1: 5.0}, "b": {0: 2.0, 2: 9.0}})
    assert one.words() == "a and b cannot be told apart by one seed (FCD 1 and 2)"
    assert comparisons({"a": {0: 1.0}, "b": {1: 2.0}}) == []


def test_p_is_written_as_papers_do() -> None:
    assert [p_in_words(p) for p in (0.0004, 0.0042, 0.0451, 0.31)] == ["p < .001", "p = .004", "p = .05", "p = .31"]


def test_importance_finds_the_option_that_matters() -> None:
    tried = [{"model.lr": lr, "model.r1": r1} for lr in (1e-4, 1e-3, 1e-2) for r1 in (0.1, 0.2) for _ in range(3)]
    done = [
        Outcome(str(number), number, setting, "done", {"fcd": 1e4 * setting["model.lr"] + number / 100})
        for number, setting in enumerate(tried)
    ]
    shares = importance(done)
    assert list(shares) == ["model.lr", "model.r1"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["model.lr"] > 0.8
    assert importance(done[:9]) == {}
    assert importance([Outcome("x", 0, {"model.lr": number}, "done", {"fcd": 1.0}) for number in range(12)]) == {}


def as_typed(name: str, text: str) -> Any:
    if name == "model.lt":
        raise UserError("unknown option --model.lt")
    return float(text) if name == "model.lr" else text


def test_a_grid_is_every_value_with_every_other_and_each_seed() -> None:
    varied = space.read_vary(["model.r1=[a, null]", " --model.lr = [5e-4, 1e-3, 0.001]"], as_typed)
    assert varied == {"model.lr": [0.0005, 0.001], "model.r1": ["a", "null"]}
    slots = Space([3, 4], varied, {}).slots()
    assert len(slots) == 8
    assert [slot.seed for slot in slots] == [3] * 4 + [4] * 4
    assert slots[0].run_name == "lr=0.0005_r1=a_seed_3"
    assert Slot.read(slots[0].key) == slots[0]
    assert len({slot.run_name for slot in slots}) == 8


def test_names_of_runs_are_legal_and_never_the_same() -> None:
    settings = [{"config": "configs/best.yaml"}, {"config": "configs-best.yaml"}, {"model.betas": [0.0, 0.99]}]
    settings += [{"model.generator.widths": [512] * 40}, {"model.generator.widths": [512] * 41}]
    names = [Slot(0, setting).run_name for setting in settings]
    assert len(set(names)) == len(names)
    assert names[1:3] == ["config=configs-best.yaml_seed_0", "betas=0+0.99_seed_0"]
    assert all(NAME.fullmatch(name) for name in names)


def test_ranges_are_read() -> None:
    texts = ["model.lr=loguniform(1e-4, 3e-3)", "data.batch_size=int(16,64)", "model.betas=categorical([0, 0.99], x)"]
    assert space.read_sample(texts, as_typed) == {
        "data.batch_size": Sampled("int", ("16", "64")),
        "model.betas": Sampled("categorical", ("[0, 0.99]", "x")),
        "model.lr": Sampled("loguniform", (0.0001, 0.003)),
    }


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (space.read_vary, "model.lr", "an option and its values are needed"),
        (space.read_vary, "model.lr=1e-3", 'values in brackets are needed, as in --vary "model.lr=[1, 2]"'),
        (space.read_vary, "model.lr=[]", "values in brackets are needed"),
        (space.read_vary, "model.lr=[1, *x]", "values in brackets are needed"),
        (space.read_vary, "seed_everything=[1,2]", "--seeds tries so many"),
        (space.read_vary, "model.lt=[1]", "unknown option --model.lt"),
        (space.read_sample, "model.lr=[1]", "one of uniform(low, high), loguniform"),
        (space.read_sample, "model.lr=normal(0, 1)", "one of uniform(low, high), loguniform"),
        (space.read_sample, "model.lr=uniform(2, 1)", "the lowest must be below the highest"),
        (space.read_sample, "model.lr=uniform(1)", "takes two numbers"),
        (space.read_sample, "model.lr=int(1, 2.5)", "takes two numbers"),
        (space.read_sample, "model.lr=loguniform(0, 1)", "and above 0"),
        (space.read_sample, "model.lr=uniform(a, b)", "takes two numbers"),
        (space.read_sample, "model.lr=uniform(nan, 1)", "the lowest must be below the highest"),
    ],
)
def test_what_cannot_be_read_is_one_line(read: Any, text: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        read([text], as_typed)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(UserError, match="is given twice"):
        space.read_vary(["model.lr=[1]", "model.lr=[2]"], as_typed)
