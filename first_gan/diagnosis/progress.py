"""Whether samples get better, by what was measured of them."""

import math

from first_gan.diagnosis.history import DIVERSITY, FCD, FLOOR, THUMBNAIL_FD, History

MOVING, MOVING_THUMBNAILS = 0.08, 0.15  # gain of FCD, and of the thumbnails' distance, over the last quarter of the run
MOVING_DIVERSITY = 0.06  # gain of diversity, likewise
LEARNED = 0.75  # of the first FCD: below it G has learned something
LEARNED_THUMBNAILS = 0.8  # of the distance of the average image: likewise
GOOD = 40.0  # times what real images reach: FCD below it is good, whatever it was at first


def g_moves(history: History) -> int:
    """1 where samples get better, by their distance from real images, -1 where they get worse, else 0."""
    if not history.series(history.distance):
        gain = _diversity_gain(history)
        return (gain > MOVING_DIVERSITY) - (gain < -MOVING_DIVERSITY)
    if history.gain(FCD) > MOVING or history.gain(THUMBNAIL_FD) > MOVING_THUMBNAILS:
        return 1
    return -int(history.gain(history.distance) < -MOVING)


def _diversity_gain(history: History) -> float:
    """How far the highest diversity of the last quarter lies above the highest before; beyond real images' 1 there is nothing to gain."""
    before, recent = history.recent(DIVERSITY)
    return min(max(recent), 1.0) - min(max(before), 1.0) if recent else 0.0


def gained(history: History) -> bool:
    """Whether G has learned anything: its samples got much better, or are good."""
    thumbnails = history.typical(THUMBNAIL_FD)
    if thumbnails < LEARNED_THUMBNAILS:
        return True
    if fcds := history.series(FCD):
        return min(fcds) < LEARNED * fcds[0] or min(fcds) < GOOD * history.last(FLOOR)
    if not math.isnan(thumbnails):
        return False
    seen = history.series(DIVERSITY)
    return len(seen) > 1 and max(seen) > seen[0] + MOVING_DIVERSITY
