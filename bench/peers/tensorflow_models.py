"""The models of `convoy bench models` in TensorFlow: Keras layers, a step of tf.function, one process with a thread per core.

    tensorflow_models.py mobilenet|text SAMPLES BATCH STEPS

Prints the number of trainable parameters and the seconds of each step as JSON. The data lie in memory.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf
from keras import layers

name = sys.argv[1]
count, batch, steps = map(int, sys.argv[2:5])
random = np.random.default_rng(1)
TOKENS = 1_000


def mobilenet():
    options = {"padding": "same", "use_bias": False}
    normalized = lambda: [layers.BatchNormalization(), layers.ReLU()]
    blocks = [(32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), *[(256, 1)] * 5, (512, 2), (512, 1)]
    stack = [keras.Input((96, 96, 3)), layers.Conv2D(16, 3, strides=2, **options), *normalized()]
    for filters, strides in blocks:
        stack += [layers.DepthwiseConv2D(3, strides=strides, **options), *normalized()]
        stack += [layers.Conv2D(filters, 1, **options), *normalized()]
    return keras.Sequential([*stack, layers.GlobalAveragePooling2D(), layers.Dense(10)])


def text():
    # Unrolled: a while loop is slower here.
    return keras.Sequential(
        [
            keras.Input((50,)),
            layers.Embedding(TOKENS, 64),
            layers.LSTM(128, return_sequences=True, unroll=True),
            layers.LSTM(128, unroll=True),
            layers.Dense(2),
        ]
    )


images = name == "mobilenet"
model = mobilenet() if images else text()
x = random.integers(0, 256 if images else TOKENS, (count, *model.input_shape[1:])).astype(np.uint8 if images else np.int32)
y = random.integers(0, model.output_shape[-1], count).astype(np.int32)
momenta = [tf.Variable(tf.zeros(v.shape)) for v in model.trainable_variables]


@tf.function
def step(samples, targets):
    inputs = tf.cast(samples, tf.float32) / 255 if images else samples
    with tf.GradientTape() as tape:
        logits = model(inputs, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits))
    variables = [v.value for v in model.trainable_variables]
    for v, m, g in zip(variables, momenta, tape.gradient(loss, variables)):
        m.assign(0.9 * m + g)
        v.assign_sub(0.01 * m)
    return loss


seconds = []
for _ in range(steps):
    start = time.perf_counter()
    chosen = random.integers(0, count, batch)
    step(x[chosen], y[chosen]).numpy()
    seconds.append(time.perf_counter() - start)
parameters = int(sum(np.prod(v.shape) for v in model.trainable_variables))
print(json.dumps({"parameters": parameters, "seconds": seconds}))
