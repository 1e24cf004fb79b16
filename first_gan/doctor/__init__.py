"""A doctor for anybody's GAN: watches a training loop, names faults in its code and says whether it learns."""

from first_gan.doctor.doctor import Doctor
from first_gan.doctor.faults import Fault

__all__ = ["Doctor", "Fault"]
