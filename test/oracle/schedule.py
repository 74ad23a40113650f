"""The learning rate of every step, float64 bit for bit."""

import math

from .plants import planted
from .trigonometry import sine_cosine


def learning_rate(schedule, step, steps):
    """Rate of `step` in a schedule of `steps`. `schedule`: the settings below `schedule`."""
    if planted("rate-next"):
        step = min(step + 1, steps - 1)
    progress = step / (steps - 1) if steps > 1 else 0.0
    kind = schedule["kind"]
    if kind == "step":
        rate = schedule["initial"]
        for milestone in schedule["milestones"]:
            if milestone <= progress:
                rate = rate * schedule["factor"]
        return rate
    peak, warmup = schedule["peak"], schedule["warmup"]
    if progress < warmup:
        if kind == "one-cycle":
            return half_wave(schedule["initial"] * peak, peak, progress / warmup)
        return (peak * (step + 1)) / (warmup * (steps - 1) + 1)
    fraction = 0.0 if warmup == 1 else (progress - warmup) / (1 - warmup)
    return half_wave(peak, schedule["final"] * peak, fraction)


def half_wave(start, end, fraction):
    """From `start` to `end` along half a cosine. Not exactly `start` at 0: the order of operations is the page's."""
    cosine = sine_cosine(math.pi * min(1, fraction))[1]
    return end + ((start - end) * (1 + cosine)) / 2
