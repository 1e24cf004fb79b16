"""How train.py's options are arranged and described in --help, as far as no docstring of ours does. Imports nothing heavy."""

MANUAL = "the GAN steps its two optimizers itself (manual optimization)"
NO_VALIDATION = "there is no validation loop: a GAN's losses on held-out images say nothing"
REFUSED = {
    "gradient_clip_val": f"{MANUAL}, and the Trainer cannot clip there; try a lower --model.lr",
    "gradient_clip_algorithm": f"{MANUAL}, and the Trainer cannot clip there",
    "accumulate_grad_batches": f"{MANUAL}; a larger --data.batch_size does the same",
    "limit_val_batches": NO_VALIDATION,
    "val_check_interval": NO_VALIDATION,
    "check_val_every_n_epoch": NO_VALIDATION,
    "num_sanity_val_steps": NO_VALIDATION,
}
NOT_OFFERED = {
    *REFUSED,
    *("callbacks", "logger", "plugins", "profiler", "barebones", "model_registry", "enable_checkpointing"),
    *("overfit_batches", "limit_test_batches", "limit_predict_batches", "reload_dataloaders_every_n_epochs"),
    *("use_distributed_sampler", "min_epochs", "min_steps", "enable_autolog_hparams", "inference_mode"),
}
# Of the classes whose arguments are options: those that are none.
SKIPPED = {
    "model": {"seed", "image_shape"},
    "data": {"seed"},
    "quality": {"seed", "judge", "images"},
    "health": {"seed", "real", "held_out", "names", "folder", "options"},
}
NESTED = (
    *("model.generator.widths", "model.generator.batch_norm", "model.generator.layer_norm"),
    *("model.discriminator.widths", "model.discriminator.center", "model.discriminator.minibatch_std"),
)

# By the heading they stand under: what is typed after the option, and what it does.
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "The run": {
        "config": ("FILE", "YAML file of options; may be repeated; what is typed goes over it"),
        "max_epochs": ("N", "end after so many epochs; -1: never"),
        "max_steps": ("N", "end after so many updates (D's steps and one of G's); -1: no such end"),
        "max_time": ("DD:HH:MM:SS", "end after so much time"),
        "name": ("NAME", "of the run's folder in lightning_logs; version_0, version_1, ... where there is none"),
        "ckpt_path": (
            "RUN",
            "go on: a run's name or folder, a checkpoint, `last` for the newest run, or `auto` for that if there is one, "
            "else a new run",
        ),
        "init_from": ("RUN", "begin a new run with another one's weights"),
        "seed_everything": ("N", "decides every random draw"),
        "default_root_dir": ("DIR", "where lightning_logs/ is; the working directory where it is not given"),
        "limit_train_batches": ("N", "updates in an epoch, or a share of them, such as 0.1"),
        "fast_dev_run": ("N", "so many updates, or true for one, to see that all parts work; keeps nothing"),
        "print_config": ("", "print all options as YAML, a file for --config, and end"),
        "help": ("", "print this and end"),
    },
    "The model": {},
    "The data": {},
    "Scores after each few epochs": {},
    "The diagnosis": {},
    "What is shown": {
        "quiet": ("", "one line at the end: the verdict, FCD, and the run's folder"),
        "verbose": ("", "everything that Lightning says too"),
        "open": ("", "open the report in the browser when the run ends"),
        "show_samples": ("{true,false}", "eight samples above the bar, in a terminal with colours"),
        "enable_progress_bar": ("{true,false}", "the bar, and the line for each epoch"),
        "enable_model_summary": ("{true,false}", "the networks' layers and their sizes"),
        "logger": ("NAME", "also log to wandb, mlflow or csv; several as a list"),
        "log_every_n_steps": (
            "N",
            "updates from one row of metrics.csv, and point of TensorBoard's curves, to the next",
        ),
    },
    "The machine": {
        "accelerator": ("NAME", "where to train: auto, cpu, gpu, cuda or mps"),
        "devices": ("N", "how many, or which: 2, or [0,3]; -1: all"),
        "num_nodes": ("N", "machines that share the work"),
        "strategy": ("NAME", "how several devices share it: auto or ddp"),
        "precision": ("NAME", "of the arithmetic: 32-true, bf16-mixed, bf16-true or 64-true"),
        "matmul": (
            "{auto,torch,onednn}",
            "who multiplies fp32 matrices on a CPU: torch as it likes, onednn, or auto, the faster one where it is exact",
        ),
        "deterministic": ("{true,false,warn}", "only algorithms of torch that give the same bits each time"),
        "benchmark": ("{true,false}", "let cuDNN try which algorithm is fastest"),
    },
    "More of Lightning's Trainer": {
        "detect_anomaly": ("{true,false}", "say which operation's gradient became NaN; slow"),
        "sync_batchnorm": ("{true,false}", "batch normalization over all devices' images"),
    },
}
GROUPS = dict(
    zip(("model", "data", "quality", "health"), list(SECTIONS)[1:5], strict=True)
)  # where their options stand
OWN = (  # options that are neither Lightning's nor an argument of ours
    *("config", "name", "ckpt_path", "init_from", "seed_everything", "print_config", "help"),
    *("quiet", "verbose", "open", "show_samples", "logger", "accelerator", "strategy", "matmul"),
)
METAVARS = {
    "model.generator": "CLASS",
    "model.discriminator": "CLASS",
    "data.data_dir": "DIR",
    "health.stop_on": "[VERDICT,...]",
}
EXAMPLES = """\
examples:
  train.py --max_epochs 5                      the lesson's networks on MNIST
  train.py --config configs/best.yaml          the best recipe, all 50 epochs
  train.py --ckpt_path last --max_epochs 100   train the newest run on
  train.py --model.lr 1e-3 --model.generator.widths '[256,512,1024]'
  train.py --data.dataset folder --data.data_dir pictures --data.image_size 28
"""


def described(name: str) -> tuple[str, str] | None:
    """What is typed after an option of the top level, and what it does; None for one that is not described here."""
    return next((section[name] for section in SECTIONS.values() if name in section), None)
