"""What train.py may do, since the process is its own: take signals over, reset torch's random state, wait for the others."""

from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, Trainer

from first_gan.callbacks.counting import GAN
from first_gan.run.stopping import STOP


class OwnProcess(Callback):
    """From the start of training on, a signal ends the run before an optimizer's next step; each epoch has a seed of its own.

    Of several processes all end together, after the same training step: one that ended alone would leave the others waiting for
    its gradients.
    """

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        STOP.install(deferred=True)
        STOP.shared = trainer.world_size > 1
        for optimizer in trainer.optimizers:
            optimizer.register_step_pre_hook(lambda *_: STOP.check())

    def on_train_batch_end(self, trainer: Trainer, gan: GAN, outputs: Any, batch: Any, batch_idx: int) -> None:
        if STOP.shared:  # a sync point
            received = torch.tensor([STOP.received or 0], device=trainer.strategy.root_device)
            STOP.stop_together(int(trainer.strategy.all_gather(received).max()))

    def on_train_epoch_start(self, trainer: Trainer, gan: GAN) -> None:
        # So that networks that draw at random themselves, by dropout, are resumed exactly too; GAN's own noise is not torch's.
        entropy = np.random.SeedSequence([gan.hparams["seed"], trainer.current_epoch, trainer.global_rank, 1])
        torch.manual_seed(int(entropy.generate_state(1, np.uint64)[0]))


class WaitForAll(Callback):
    """The other processes would end while the first still writes, which Lightning takes for a failure where they end with a code."""

    def on_train_end(self, trainer: Trainer, gan: GAN) -> None:
        trainer.strategy.barrier()

    def on_exception(self, trainer: Trainer, gan: GAN, exception: BaseException) -> None:
        if STOP.together:
            trainer.strategy.barrier()
