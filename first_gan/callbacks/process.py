"""What train.py may do, since the process is its own: take signals over, reset torch's random state, wait for the others."""

import numpy as np
import torch
from pytorch_lightning import Callback, Trainer

from first_gan.callbacks.counting import GAN
from first_gan.run.stopping import STOP


class OwnProcess(Callback):
    """From the start of training on, a signal ends the run before an optimizer's next step; each epoch has a seed of its own."""

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        STOP.install(deferred=True)
        for optimizer in trainer.optimizers:
            optimizer.register_step_pre_hook(lambda *_: STOP.check())

    def on_train_epoch_start(self, trainer: Trainer, gan: GAN) -> None:
        # So that networks that draw at random themselves, by dropout, are resumed exactly too; GAN's own noise is not torch's.
        entropy = np.random.SeedSequence([gan.hparams["seed"], trainer.current_epoch, trainer.global_rank, 1])
        torch.manual_seed(int(entropy.generate_state(1, np.uint64)[0]))


class WaitForAll(Callback):
    """The other processes would end while the first still writes, which Lightning takes for a failure where they end with a code."""

    def on_train_end(self, trainer: Trainer, gan: GAN) -> None:
        trainer.strategy.barrier()
