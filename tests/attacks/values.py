"""Odd values, and how Hypothesis hands them out: always the same ones."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\n(" + b"sprung) (w) file closefile\n{} loop\n"


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


ODD = (
    *(
        "",
        " ",
        "{a: 1}",
        "&a [*a]",
        "!!int abc",
        "!!python/object/apply:os.system [touch sprung]",
        "!!binary x",
        "? [a]",
    ),
    *[
        "null",
        "~",
        "[]",
        "{}",
        "[1,2",
        "true",
        "..",
        "-",
        "--",
        "a.b.c",
        "1e308",
        "-1e308",
        "nan",
        "inf",
        "0x10",
        "1_000",
        "1e-400",
        ".5.",
        "2147483648",
        "2024-99-99",
    ],
    *("9" * 30, "9" * 5000, "-" + "9" * 30, "9223372036854775808", "a" * 5000, "[" * 500, "{a: " * 500, "%s%n"),
    *("\x1b[31mred\x1b[0m", "\x07", "\u202edrow", "\ud800", "データ", "${HOME}", "{class_path: os.system}"),
    *[
        "os.system",
        "torch.nn.Linear",
        "subprocess.Popen",
        "/dev/zero",
        "/dev/full",
        "/proc/self/mem",
        "~nosuch/x",
        "a::b",
        "/",
        ".",
    ],
    *["http://127.0.0.1:9/x", "s3://b/x", "\\\\host\\x", "lightning_logs"],
    "x" * 300 + "/y",
)


NUMBERS = st.one_of(
    st.integers(),
    st.integers(-3, 3),
    st.floats(),
    st.sampled_from([10**30, 2**31, 2**63, -(2**63), 1e308, 5e-324]),
)


WORDS = st.one_of(st.sampled_from(ODD), NUMBERS.map(str), st.text(max_size=12), st.lists(NUMBERS, max_size=4).map(str))


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.sampled_from(ODD[8:])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["class_path", "init_args", "a", "lr"]), inner)
    ),
    max_leaves=5,
)


def each(strategy: st.SearchStrategy[Any], count: int, body: Callable[[Any], None], number: int = 0) -> None:
    """Calls the body with that many examples, always the same ones."""
    if count < 1:
        return
    health = [HealthCheck.too_slow]  # each is a run; the other health checks hold

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=health)
    @given(strategy)
    def tries(example: Any) -> None:
        body(example)

    tries()


def typed(text: str) -> str:
    """As the system can hand it to a program: without NUL and lone surrogates of no byte."""
    return "".join(char for char in text if char != "\0" and not "\ud800" <= char < "\udc80")


SPOILT = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [BOMB, "a: *a", "[" * 5000, "- " * 2000, "9" * 5000, "a: " + "9" * 5000, "\ufeff", "\0", "{", "!!int abc"]
    ).map(str.encode),
    st.sampled_from(["", "null", "a", "[]", "1", "{}"]).map(str.encode),
)


OPTION = st.sampled_from(
    [
        "accelerator",
        "strategy",
        "devices",
        "model",
        "data",
        "quality",
        "health",
        "model.lr",
        "model.generator",
        "data.dataset",
        "default_root_dir",
        "max_epochs",
        "ckpt_path",
        "init_from",
        "config",
        "precision",
        "seed_everything",
        "limit_train_batches",
        "callbacks",
        "logger",
        "plugins",
        "a",
    ]
)


def nested(name: str, value: Any) -> dict[str, Any]:
    """{"model": {"lr": value}} of model.lr."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return value
