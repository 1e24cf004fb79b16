"""Tries settings over seeds and says which is best. Try it: `python study.py --seeds 3 --vary "model.r1=[0, 0.2]" --max_epochs 3`

Needs what requirements-study.txt lists. All options but its own are train.py's, of every trial.
"""

from first_gan.run import startup, stopping

if __name__ == "__main__":
    stopping.exit_on_signals()  # while torch loads, which takes seconds; main() takes over
    startup.wait_briefly()

import argparse
import json
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, NoReturn

from first_gan.run import cli
from first_gan.run.cli import UserError, expand
from first_gan.run.folder import NAME, ROOT
from first_gan.run.names import flat
from first_gan.run.shell import python_command

PACKAGES = ("optuna", "scipy", "sqlalchemy")  # requirements-study.txt; the last is Optuna's own
STUDIES = "studies"
# What may differ between the processes of a study: where things are, who computes, what is shown.
FREE = {
    *("data.data_dir", "model.steps_per_execution", "config", "name", "ckpt_path", "default_root_dir", "max_time"),
    *("devices", "num_nodes", "accelerator", "strategy", "matmul", "log_every_n_steps", "enable_progress_bar"),
    *("enable_model_summary", "benchmark", "detect_anomaly", "fast_dev_run"),
    *("quiet", "verbose", "show_samples", "logger", "open"),
}


class Options(argparse.ArgumentParser):
    """argparse with errors of one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code (see `cli.run_command`)."""
    return cli.run_command("study.py", study, argv)


def parser() -> Options:
    found = Options(
        prog="study.py",
        description="Tries settings over seeds, each trial a run of train.py, and writes studies/NAME/study.html.",
        epilog="All other options are train.py's, of every trial: python train.py --help lists them.",
        allow_abbrev=False,
    )
    found.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar='"model.lr=[5e-4, 1e-3]"',
        help="a grid's values; may be repeated",
    )
    found.add_argument(
        "--sample",
        action="append",
        default=[],
        metavar='"model.lr=loguniform(1e-4, 3e-3)"',
        help="a search's range, also uniform, int and categorical(a, b, ...); may be repeated; bad trials are stopped early",
    )
    found.add_argument("--seeds", type=int, default=1, help="runs of each setting, from --seed_everything on (1)")
    found.add_argument("--trials", type=int, help="settings that a search draws (20)")
    found.add_argument("--at_once", type=int, default=1, help="trials at a time, which share the cores (1)")
    found.add_argument("--name", help="the study's, and its folder's; by default the options that it varies")
    found.add_argument(
        "--storage", help="URL of a database, as SQLAlchemy takes it; by default a journal in the study's folder"
    )
    found.add_argument("--retry", action="store_true", help="try trials that failed again")
    found.add_argument("--report", action="store_true", help="write the study's page anew, and nothing else")
    return found


def study(argv: Sequence[str]) -> int:
    """Reads the options, checks all that can be known before, and takes part in the study; returns the exit code.

    Raises:
        UserError: Bad input; no trial was begun.
    """
    own, rest = parser().parse_known_args(list(argv))
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        install = python_command("-m", "pip", "install", "-r", ROOT / "requirements-study.txt")
        raise UserError(f"a study needs {', '.join(missing)}: {install}")
    for name in ("seeds", "at_once", "trials"):
        if (value := getattr(own, name)) is not None and value < 1:
            raise UserError(f"--{name} must be at least 1, got {value}")
    if own.vary and own.sample:
        raise UserError("--vary makes a grid and --sample a search: leave one of them out")
    if own.trials is not None and not own.sample:
        raise UserError("--trials says how many settings a search draws, and there is no --sample")
    if own.storage is not None and "://" not in own.storage:
        raise UserError(f"--storage {own.storage} is no database's URL, such as sqlite:///study.db")
    if own.report:
        return report(own, rest)
    if find_spec("torch") is not None:
        startup.say_loading()
    from first_gan.study.session import run
    from first_gan.study.space import Space, read_sample, read_vary

    resolve = resolver(rest)
    startup.loaded()
    options = resolve([])
    base = {name: plain(value) for name, value in flat(options.as_dict()).items() if name not in FREE}
    typed = typed_by(resolve)
    varied, sampled = read_vary(own.vary, typed), read_sample(own.sample, typed)
    seeds = range(options.seed_everything, options.seed_everything + own.seeds)
    space = Space(seeds, varied, sampled, own.trials or 20 if sampled else 0)
    ready(options)
    folder = expand(options.default_root_dir) / STUDIES / name_of(own.name, space.options)
    return 0 if run(folder, own.storage, space, base, rest, own.at_once, own.retry) else cli.FAILED


def report(own: argparse.Namespace, rest: Sequence[str]) -> int:
    """Writes a study's page anew; loads neither torch nor train.py."""
    from first_gan.study.session import rewrite

    root = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    root.add_argument("--default_root_dir", nargs="?")
    options = sorted(text.partition("=")[0].strip().removeprefix("--") for text in [*own.vary, *own.sample])
    place = expand(root.parse_known_args(list(rest))[0].default_root_dir)
    rewrite(place / STUDIES / name_of(own.name, options), own.storage)
    return 0


def name_of(name: str | None, options: Sequence[str]) -> str:
    """The study's name: as typed, or after what it varies, so that the same command finds it again.

    Raises:
        UserError: No folder should have that name.
    """
    found = name or "_".join(option.rsplit(".", 1)[-1] for option in options) or "seeds"
    if not NAME.fullmatch(found):
        raise UserError(f"--name {found}: up to 100 letters, digits and . _ + = - make a name")
    return found


def resolver(rest: Sequence[str]) -> Callable[[Sequence[str]], Any]:
    """Reads train.py's options, and builds its networks and its data by them; a function of what is typed beside `rest`."""
    import train
    from first_gan.run import hush, starting
    from first_gan.run.folder import RunFolderError
    from first_gan.run.options import typed_checkpoint

    hush.hush()
    typed = typed_checkpoint(rest)
    if typed.ckpt_path is not None:
        raise UserError("--ckpt_path goes on with one run; a study goes on by itself when it is typed again")
    options = train.build_parser(train.GAN, train.MNISTDataModule)
    own = vars(parser().parse_args([]))
    options.nested = [*options.nested, *own]

    def resolve(more: Sequence[str]) -> Any:
        try:
            found = starting.read(options, [*rest, *more], train.HERE, None).options
        except RunFolderError as error:
            raise UserError(str(error)) from error
        if found.fast_dev_run:
            raise UserError("--fast_dev_run keeps nothing, so a study learns nothing of it")
        if found.open:
            raise UserError("--open would open every trial's report: open study.html")
        if not found.quality.every_n_epochs:
            raise UserError("--quality.every_n_epochs 0 scores nothing, and a study goes by the FCD")
        train.build_parts(found)
        return found

    return resolve


def typed_by(resolve: Callable[[Sequence[str]], Any]) -> Callable[[str, str], Any]:
    """A function from an option and its value as text to the value as train.py has it, which refuses bad ones."""

    def typed(name: str, text: str) -> Any:
        found = flat(resolve([f"--{name}={text}"]).as_dict())
        return text if name == "config" else plain(found[name])

    return typed


def plain(value: Any) -> Any:
    """As JSON keeps it."""
    return json.loads(json.dumps(value, default=str))


def ready(options: Any) -> None:
    """Fetches the images, and trains their judge where they have none, once and not in each trial.

    Raises:
        UserError: They cannot be had, or not be scored.
    """
    import train
    from first_gan.data import DataError
    from first_gan.run.machine import check_trainer_options
    from first_gan.run.options import check_batches
    from first_gan.scores.judge import JudgeError

    try:
        gan, data, quality, _ = train.build_parts(options)
        trainer = check_trainer_options(options, gan.d_steps)[1]
        train.fetch(data)
        check_batches(options, data.train_rows, trainer.world_size)
        train.judged(quality, data, may_train=True)
    except (DataError, JudgeError) as error:
        raise UserError(str(error)) from error
    if quality.judge is None:
        raise UserError("a study goes by the FCD, and images without labels have none")


if __name__ == "__main__":
    stopping.leave(main())
