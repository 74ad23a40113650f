"""Rounding to bfloat16 where the precision is bfloat16."""

from jax import lax

from .plants import planted


def rounding(precision):
    """A function that rounds an activation, and on the way back its gradient, to bfloat16; with float32 it changes nothing.

    reduce_precision, and not a cast there and back: XLA may leave such casts out.
    """
    if precision == "bfloat16" and not planted("bfloat16-off"):
        return lambda values: lax.reduce_precision(values, exponent_bits=8, mantissa_bits=7)
    return lambda values: values
