"""The forward pass. Values are float64 (or float32 for long evaluations), so that what differs is the program's own rounding."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from .architecture import blocks
from .bfloat16 import rounding
from .plants import planted


def convolution(x, kernel, stride):
    """Padding SAME as TensorFlow's: of the padding's total the smaller half comes first. x: [m, h, w, in], kernel: HWIO.

    In float64 a matrix product of shifted images: XLA's own convolution takes several times as long there.
    """
    size = kernel.shape[0]
    outputs, pads, totals = [], [], []
    for length in x.shape[1:3]:
        output = -(-length // stride)
        total = max(0, (output - 1) * stride + size - length)
        before = 1 if planted("padding-symmetric") and stride == 2 and size == 3 else total // 2
        outputs.append(output)
        totals.append(total)
        pads.append((before, max(total - before, 1 if size == 3 else 0)))
    if x.dtype == jnp.float32:
        exact = [(before, max(0, total - before)) for before, total in zip((pads[0][0], pads[1][0]), totals)]
        return lax.conv_general_dilated(x, kernel, (stride, stride), exact, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    height, width = outputs
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    rows, columns = (height - 1) * stride + 1, (width - 1) * stride + 1
    shifted = [padded[:, i : i + rows : stride, j : j + columns : stride] for i in range(size) for j in range(size)]
    return jnp.concatenate(shifted, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])


def batch_norm(x, name, tensors, training, statistics):
    """In training by the shard's own mean and biased variance; `statistics` gets the mean and the unbiased variance."""
    epsilon = 1e-3 if planted("epsilon") else 1.001e-5
    if training or planted("evaluation-shard-statistics"):
        count = x.shape[0] * x.shape[1] * x.shape[2]
        mean = jnp.mean(x, axis=(0, 1, 2))
        variance = jnp.mean((x - mean) ** 2, axis=(0, 1, 2))
        correction = 1 if planted("biased-variance") else count / max(1, count - 1)
        statistics[f"{name}/moving_mean"], statistics[f"{name}/moving_variance"] = mean, variance * correction
    else:
        mean, variance = tensors[f"{name}/moving_mean"], tensors[f"{name}/moving_variance"]
    return tensors[f"{name}/gamma"] * (x - mean) / jnp.sqrt(variance + epsilon) + tensors[f"{name}/beta"]


def relu(x, threshold, inputs):
    """max(x, 0). The gradient passes where x > threshold: 0, or a number that is 0 within float32's noise (doubtful_relus.py)."""
    inputs.append(x.ravel())
    passed = jnp.where(x > threshold, x, jnp.zeros_like(x))
    return passed + lax.stop_gradient(jnp.maximum(x, 0) - passed)


def forward(network, tensors, x, precision, training=False, masks=None, threshold=0.0, nudge=0.0):
    """Logits [m, classes], the statistics of the shard, and the inputs of all ReLUs.

    `tensors`: name to array; `masks`: factors of each dropout layer; `nudge`: of the values that are rounded to bfloat16 (bfloat16.py).
    """
    low = rounding(precision, nudge)
    statistics, inputs = {}, []

    def rectify(x):
        return low(relu(x, threshold, inputs), "relu")

    def convolve(x, name, stride=1):
        return low(convolution(low(x, "input"), low(tensors[f"{name}/kernel"], "kernel"), stride), "convolution")

    def normalise(x, name):
        return low(batch_norm(x, name, tensors, training, statistics), "batch norm")

    x = rectify(normalise(convolve(x, "stem_conv"), "stem_bn"))
    for number, block in enumerate(blocks(network)):
        name, stride = block.name, block.stride
        y = rectify(normalise(convolve(x, f"{name}_conv1", stride), f"{name}_bn1"))
        if masks is not None:
            y = y * masks[number]
        y = normalise(convolve(y, f"{name}_conv2"), f"{name}_bn2")
        if block.projection:
            skip = normalise(convolve(x, f"{name}_skip", stride), f"{name}_skip_bn")
        else:
            missing = block.outputs - block.inputs
            before = 0 if planted("shortcut-after") else missing // 2
            skip = low(jnp.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (before, missing - before))), "skip")
        x = low(rectify(y) + skip, "addition") if planted("relu-before-add") else rectify(low(y + skip, "addition"))
    x = low(x, "last")
    mean = low(jnp.mean(x, axis=(1, 2)), "mean") if planted("bfloat16-mean") else jnp.mean(x, axis=(1, 2))
    logits = mean @ tensors["logits/kernel"] + tensors["logits/bias"]
    return logits, statistics, jnp.concatenate(inputs)


def cut(vector, all_tensors, dtype=np.float64):
    """Tensors by name of a flat vector."""
    parts, start = {}, 0
    for tensor in all_tensors:
        size = int(np.prod(tensor.shape))
        parts[tensor.name] = np.asarray(vector[start : start + size], dtype).reshape(tensor.shape)
        start += size
    return parts
