"""The programs of `convoy bench fit` in Keras: model.fit on TensorFlow, with its default threads.

    keras_fit.py PROGRAM DIRECTORY EPOCHS BATCH

DIRECTORY has the data, as src/bench/fit/fit-data.ts writes them. Prints the ends of the epochs and the last loss as JSON.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
from keras import layers

CLASSES = 10
name, directory, epochs, batch = sys.argv[1:5]
of_classes = {"loss": "categorical_crossentropy", "metrics": ["accuracy"]}


def cnn():
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.001), **of_classes)
    return model


def dense():
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(64, activation="relu"), layers.Dense(64, activation="relu"), layers.Dense(1)]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.001), loss="mean_squared_error", metrics=["mae"])
    return model


def abalone():
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(50, activation="sigmoid"),
            layers.Dense(50, activation="sigmoid"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mean_squared_error", metrics=["mae"])
    return model


def iris():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(10, activation="sigmoid"), layers.Dense(3, activation="softmax")]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.01), **of_classes)
    return model


def lstm():
    model = keras.Sequential(
        [
            keras.Input((40, 50)),
            layers.LSTM(128, return_sequences=True, recurrent_initializer="glorot_uniform"),
            layers.LSTM(128, recurrent_initializer="glorot_uniform"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.001), **of_classes)
    return model


def resnet20():
    def convolve(x, filters, size, strides):
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    relu = layers.Activation("relu")
    image = keras.Input((32, 32, 3))
    x = relu(convolve(image, 16, 3, 1))
    for filters in (16, 32, 64):
        for block in range(3):
            strides = 2 if filters > 16 and block == 0 else 1
            y = convolve(relu(convolve(x, filters, 3, strides)), filters, 3, 1)
            x = relu(layers.add([convolve(x, filters, 1, 2) if strides == 2 else x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x))
    model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9), **of_classes)
    return model


class Epochs(keras.callbacks.Callback):
    ends = []

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(1000 * time.time())
        self.logs = logs


programs = {"cnn": cnn, "dense": dense, "lstm": lstm, "resnet20": resnet20, "abalone": abalone, "iris": iris}
model = programs[name]()
classes = model.output_shape[-1]
targets = np.fromfile(os.path.join(directory, "y.bin"), np.float32)
x = np.fromfile(os.path.join(directory, "x.bin"), np.float32).reshape(len(targets), *model.input_shape[1:])
y = targets[:, None] if classes == 1 else keras.utils.to_categorical(targets, classes)
observer = Epochs()
model.fit(x, y, batch_size=int(batch), epochs=int(epochs), verbose=0, callbacks=[observer])
measure = observer.logs["mae" if classes == 1 else "accuracy"]
print(json.dumps({"epochEndsMs": observer.ends, "loss": observer.logs["loss"], "measure": measure}))
