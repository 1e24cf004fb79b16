"""What someone who typed an option that there is not may have meant. Imports nothing heavy."""

import difflib
from collections.abc import Collection, Mapping

# What other programs call it.
COMMON_NAMES = {
    **dict.fromkeys(("epochs", "n_epochs", "num_epochs"), "max_epochs"),
    **dict.fromkeys(("learning_rate", "g_lr", "d_lr"), "model.lr"),
    **dict.fromkeys(("z_dim", "nz", "latent_size", "noise_dim"), "model.latent_dim"),
    **dict.fromkeys(("beta1", "beta2", "b1", "b2"), "model.betas"),
    **dict.fromkeys(("dataroot", "data_path", "data_root", "root"), "data.data_dir"),
    **dict.fromkeys(("gpus", "num_gpus", "ngpu", "gpu_ids"), "devices"),
    **dict.fromkeys(("resume", "resume_from_checkpoint", "checkpoint"), "ckpt_path"),
    **dict.fromkeys(("output_dir", "out_dir", "outdir", "outf", "logdir", "log_dir"), "default_root_dir"),
    **dict.fromkeys(("seed", "manual_seed", "manualSeed"), "seed_everything"),
    **dict.fromkeys(("device", "cuda"), "accelerator"),
    "img_size": "data.image_size",
}


def unknown_option(name: str, given: str, known: Collection[str], refused: Mapping[str, str]) -> str:
    """What to say of an option that there is not.

    Args:
        name: As it was typed, without dashes: `lr`.
        given: How to speak of it: all that was typed, or `in a config file: lr`.
        known: All options, with their groups.
        refused: Options that exist elsewhere and cannot work here, with the reason.
    """
    if name in refused:
        return f"--{name} cannot be used here: {refused[name]}"
    hint = f"; did you mean --{meant}?" if (meant := closest(name, known)) else "; --help lists the options"
    return f"unknown option {given if given.startswith('in ') else '--' + name if '--' in given else given}{hint}"


def closest(name: str, known: Collection[str]) -> str | None:
    """The option that an unknown one most probably means: the same at another depth, one of that meaning, or one spelt alike.

    Args:
        name: As it was typed: `lr`, `trainer.max_epochs`, `model.init_args.lr`, `batch-size`.
        known: All options, with their groups.
    """
    last = name.replace("-", "_").split(".")[-1]
    same = [option for option in known if option.split(".")[-1] == last]
    if same:
        group = name.split(".")[0]
        return min(same, key=lambda option: (not option.startswith(f"{group}."), option.count(".")))
    if (meant := COMMON_NAMES.get(last)) in known:
        return meant
    return next(iter(difflib.get_close_matches(name, known, n=1)), None)
