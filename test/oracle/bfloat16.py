"""Rounding to bfloat16 where the precision is bfloat16, and a way to see whether a rounding is doubtful.

A value in the middle between two of bfloat16's, within float32's noise, is rounded up in the program and down in the oracle, or the other
way round. That moves it by 2^-8 of its size, which sends some values of the next op to the other side; a few ops later, results differ as
much as they would without roundings. Nothing can be compared closely then. So each shard is computed again with all sums nudged up, and
with all nudged down (NUDGE): if that sends no value to another side, the program's noise does not either, and its numbers are the oracle's.
"""

import jax
import jax.numpy as jnp
from jax import lax

from .plants import planted

# Of a value and of its array's root mean square. It sends some fourteen times as many values to another side as the noise of float32
# does. With half of it, one of 15 seeds that it called sure was not.
NUDGE = 2e-7
# Of a tensor, relative: what a nudge changes without a rounding to the other side. One that goes there changes 1e-4 or more.
STEADY = 1e-5

# What each plant does not round. Batch norm's results are rounded before the ReLU, so there the second rounding changes nothing.
PLANTED_FORWARD = {
    "bfloat16-kernel": ["kernel"],
    "bfloat16-convolution": ["convolution"],
    "bfloat16-batch-norm": ["batch norm"],
    "bfloat16-addition": ["addition", "relu", "skip", "last"],
}
PLANTED_BACKWARD = {
    "bfloat16-kernel-gradient": "kernel",
    "bfloat16-input-gradient": "input",
    "bfloat16-batch-norm-gradient": "convolution",
}


def nearest(values):
    """reduce_precision, and not a cast there and back: XLA may leave such casts out."""
    if planted("bfloat16-truncated"):
        mantissa, exponent = jnp.frexp(values)
        return jnp.ldexp(jnp.trunc(mantissa * 256) / 256, exponent)
    return lax.reduce_precision(values, exponent_bits=8, mantissa_bits=7)


def nudged(values, nudge):
    """What is a value of bfloat16 already stays: ReLU's zeros, values that are only moved."""
    size = jnp.sqrt(jnp.mean(values * values))
    return nearest(jnp.where(nearest(values) == values, values, values + nudge * (jnp.abs(values) + size)))


def make_rounding(forward, backward):
    """A function of (values, nudge) that rounds: the values with `forward`, on the way back their gradient with `backward`."""

    @jax.custom_vjp
    def rounded(values, nudge):
        return forward(values, nudge)

    def on_the_way_back(nudge, gradient):
        return backward(gradient, nudge), jnp.zeros_like(nudge)

    rounded.defvjp(lambda values, nudge: (forward(values, nudge), nudge), on_the_way_back)
    return rounded


def rounding(precision, nudge):
    """A function of (values, what they are) that rounds them, and on the way back their gradient; with float32 it changes nothing.

    what: input, kernel (of a convolution), convolution, batch norm, addition (its result), last (what the mean takes), and others.
    """
    if precision != "bfloat16" or planted("bfloat16-off"):
        return lambda values, what: values

    def exactly(values, _):
        return nearest(values)

    def unchanged(values, _):
        return values

    # Only what float32 does not compute exactly: the sum of two values of bfloat16 is often just in the middle, and even decides. So
    # is a kernel's gradient where it has few terms; no other value of the shard depends on it.
    forward = {"convolution": nudged, "batch norm": nudged}
    backward = {"input": nudged, "convolution": nudged, "last": nudged}
    for plant, names in PLANTED_FORWARD.items():
        forward |= dict.fromkeys(names, unchanged) if planted(plant) else {}
    for plant, name in PLANTED_BACKWARD.items():
        backward |= {name: unchanged} if planted(plant) else {}

    def low(values, what):
        back = unchanged if planted("bfloat16-gradients") else backward.get(what, exactly)
        return make_rounding(forward.get(what, exactly), back)(values, nudge)

    return low
