"""The list of mutants fits the code; that its tests go red is seen by `make mutants`."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests import mutants

ALL = mutants.mutants()


def test_there_are_many_and_none_twice() -> None:
    assert len(ALL) >= 60
    assert max(Counter((each.file, each.before, each.after) for each in ALL).values()) == 1
    parts = " ".join(each.file for each in ALL)
    for part in (
        "gan_module",
        "gan_networks",
        "datamodule",
        "data/",
        "scores/",
        "diagnosis/",
        "quality",
        "checkpoints",
        "evaluate",
        "report",
    ):
        assert part in parts, f"nothing of {part} is broken"


@pytest.mark.parametrize("mutant", ALL, ids=lambda each: f"{each.number}-{Path(each.file).name}")
def test_each_changes_one_place_of_the_code_and_names_tests_that_exist(mutant: mutants.Mutant) -> None:
    text = (mutants.ROOT / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.before) == 1
    assert mutant.before != mutant.after
    if mutant.file.endswith(".py"):
        compile(text.replace(mutant.before, mutant.after), mutant.file, "exec")
    for test in mutant.tests:
        file, _, name = test.partition("::")
        tests = (mutants.ROOT / file).read_text(encoding="utf-8")
        assert not name or re.search(rf"^def {re.escape(name.split('[')[0])}\(", tests, re.MULTILINE), test


def test_a_mutant_is_caught_survives_or_cannot_run(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("def double(x):\n    return 2 * x\n", encoding="utf-8")
    (tmp_path / "test_code.py").write_text(
        "from code import double\n\n\ndef test():\n    assert double(0) == 0\n", encoding="utf-8"
    )
    (tmp_path / "code.py").rename(tmp_path / "mycode.py")
    test = (tmp_path / "test_code.py").read_text(encoding="utf-8").replace("from code", "from mycode")
    (tmp_path / "test_code.py").write_text(test, encoding="utf-8")

    def verdict(before: str, after: str, tests: str = "test_code.py") -> str:
        return mutants.survives(mutants.Mutant(1, "mycode.py", before, after, (tests,)), tmp_path)

    assert verdict("2 * x", "2 + x") == ""
    assert verdict("2 * x", "3 * x").startswith("SURVIVED")
    assert "did not run" in verdict("2 * x", "2 + x", "test_code.py::test_nothing")
    assert "occurs 0 times" in verdict("4 * x", "5 * x")
    assert (tmp_path / "mycode.py").read_text(encoding="utf-8").count("2 * x") == 1  # as it was
