"""A TensorFlow contestant of `convoy bench engine`: one process with a thread per core, tf.function.

    tensorflow_peer.py NETWORK float32|bfloat16 augment|plain

Prints the parameter count, then for each line on standard input (a number of steps) the seconds of each step, as JSON.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf

BATCH = 128
IMAGES = 42_000

name, precision, augmentation = sys.argv[1:4]
low = tf.bfloat16 if precision == "bfloat16" else tf.float32
random = np.random.default_rng(1)
pixels = random.integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8)
labels = random.integers(0, 10, IMAGES).astype(np.int32)
variables = []


def variable(*shape, deviation=0.1):
    variables.append(tf.Variable(tf.random.normal(shape, stddev=deviation)))
    return variables[-1]


def norm(channels):
    return variable(channels), variable(channels)


def conv(x, kernel, stride=1):
    return tf.nn.conv2d(x, tf.cast(kernel, low), stride, "SAME")


def batch_norm(x, parameters):
    return tf.raw_ops.FusedBatchNormV3(
        x=x, scale=parameters[0], offset=parameters[1], mean=[], variance=[], epsilon=1e-5, is_training=True
    )[0]


widths, depth = ([64, 128, 256, 512], 2) if name == "resnet18" else ([16, 32, 64], (int(name[6:]) - 2) // 6)
stem = (variable(3, 3, 3, widths[0]), norm(widths[0]))
blocks, channels = [], widths[0]
for stage, width in enumerate(widths):
    for index in range(depth):
        stride = 2 if stage > 0 and index == 0 else 1
        projects = name == "resnet18" and (stride != 1 or width != channels)
        block = {"stride": stride, "missing": width - channels}
        block["first"] = (variable(3, 3, channels, width), norm(width))
        block["second"] = (variable(3, 3, width, width), norm(width))
        block["projection"] = (variable(1, 1, channels, width), norm(width)) if projects else None
        blocks.append(block)
        channels = width
top, bias = variable(channels, 10), variable(10)
momenta = [tf.Variable(tf.zeros_like(v)) for v in variables]


def network(images):
    x = tf.nn.relu(batch_norm(conv(tf.cast(images, low), stem[0]), stem[1]))
    for block in blocks:
        y = tf.nn.relu(batch_norm(conv(x, block["first"][0], block["stride"]), block["first"][1]))
        y = batch_norm(conv(y, block["second"][0]), block["second"][1])
        if block["projection"]:
            x = batch_norm(conv(x, block["projection"][0], block["stride"]), block["projection"][1])
        elif block["missing"]:
            x = tf.pad(x[:, :: block["stride"], :: block["stride"]], [[0, 0], [0, 0], [0, 0], [0, block["missing"]]])
        x = tf.nn.relu(x + y)
    return tf.matmul(tf.reduce_mean(tf.cast(x, tf.float32), [1, 2]), top) + bias


def augment(images):
    """Horizontal flip, rotation by up to 20 degrees, zoom by up to 10 %, as one bilinear transform with reflection."""
    angle = tf.random.uniform([BATCH], -np.pi / 9, np.pi / 9)
    zoom_x, zoom_y = tf.random.uniform([BATCH], 0.9, 1.1), tf.random.uniform([BATCH], 0.9, 1.1)
    flip = tf.cast(tf.random.uniform([BATCH], 0, 2, tf.int32) * 2 - 1, tf.float32)
    a, b = tf.cos(angle) * zoom_x * flip, -tf.sin(angle) * zoom_y
    c, d = tf.sin(angle) * zoom_x * flip, tf.cos(angle) * zoom_y
    centre, zero = 15.5, tf.zeros([BATCH])
    transforms = tf.stack([a, b, centre - (a + b) * centre, c, d, centre - (c + d) * centre, zero, zero], 1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images, transforms=transforms, output_shape=[32, 32], fill_value=0.0, interpolation="BILINEAR", fill_mode="REFLECT"
    )


@tf.function
def step(images, targets):
    images = tf.cast(images, tf.float32) / 255
    if augmentation == "augment":
        images = augment(images)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=network(images)))
    for v, m, g in zip(variables, momenta, tape.gradient(loss, variables)):
        g = g + 1e-4 * v
        m.assign(0.9 * m + g)
        v.assign_sub(0.01 * (g + 0.9 * m))
    return loss


print(json.dumps({"parameters": int(sum(np.prod(v.shape) for v in variables)), "version": tf.__version__}), flush=True)
for line in iter(sys.stdin.readline, ""):
    times = []
    for _ in range(int(line)):
        start = time.perf_counter()
        samples = random.integers(0, IMAGES, BATCH)
        step(pixels[samples], labels[samples]).numpy()
        times.append(time.perf_counter() - start)
    print(json.dumps({"seconds": times}), flush=True)
