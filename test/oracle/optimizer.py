"""The step of the weights, in float64, one rounding to float32 for each store."""

import numpy as np

from .plants import planted


def f64(values):
    return values.astype(np.float64)


class Sgd:
    def __init__(self, settings, trainable, is_kernel):
        self.momentum, self.nesterov = settings["momentum"], settings["nesterov"] != planted("nesterov")
        self.velocity = np.zeros(trainable, np.float32)

    def apply(self, weights, gradient, factor, rate, peak):
        """New float32 weights. `gradient`: float32, `factor`: of clipping."""
        clipped = f64((f64(gradient) * factor).astype(np.float32))
        self.velocity = (self.momentum * f64(self.velocity) + clipped).astype(np.float32)
        velocity = f64(self.velocity)
        direction = clipped + self.momentum * velocity if self.nesterov else velocity
        return (f64(weights) - rate * direction).astype(np.float32)


class Adamw:
    def __init__(self, settings, trainable, is_kernel):
        self.settings, self.is_kernel = settings, is_kernel
        self.first = np.zeros(trainable, np.float32)
        self.second = np.zeros(trainable, np.float32)
        self.power1 = self.power2 = 1.0

    def apply(self, weights, gradient, factor, rate, peak):
        """As of Sgd. `is_kernel`: bool [trainable], elements of tensors with two dimensions or more, which decay."""
        beta1, beta2, epsilon = self.settings["beta1"], self.settings["beta2"], self.settings["epsilon"]
        clipped = f64((f64(gradient) * factor).astype(np.float32))
        self.power1, self.power2 = self.power1 * beta1, self.power2 * beta2
        self.first = (beta1 * f64(self.first) + (1 - beta1) * clipped).astype(np.float32)
        self.second = (beta2 * f64(self.second) + (1 - beta2) * clipped * clipped).astype(np.float32)
        correction1, correction2 = 1 - self.power1, 1 - self.power2
        if planted("no-bias-correction"):
            correction1 = correction2 = 1.0
        mean, square = f64(self.first) / correction1, f64(self.second) / correction2
        root = np.sqrt(square + epsilon) if planted("adam-epsilon") else np.sqrt(square) + epsilon
        decay = (peak if planted("decay-of-peak") else rate) * self.settings["weightDecay"]
        decays = np.where(self.is_kernel | planted("decay-on-all"), decay, 0.0)
        return (f64(weights) - decays * f64(weights) - rate * (mean / root)).astype(np.float32)


class Rmsprop:
    def __init__(self, settings, trainable, is_kernel):
        self.settings = settings
        self.square, self.mean, self.change = (np.zeros(trainable, np.float32) for _ in range(3))

    def apply(self, weights, gradient, factor, rate, peak):
        """As of Sgd."""
        decay, epsilon = self.settings["decay"], self.settings["epsilon"]
        clipped = f64((f64(gradient) * factor).astype(np.float32))
        self.square = (decay * f64(self.square) + (1 - decay) * clipped * clipped).astype(np.float32)
        below = f64(self.square) + epsilon
        if self.settings["centered"]:
            self.mean = (decay * f64(self.mean) + (1 - decay) * clipped).astype(np.float32)
            below = f64(self.square) - (f64(self.mean) * f64(self.mean) + epsilon)
        step = np.zeros(len(below))
        np.divide(rate * clipped, np.sqrt(np.maximum(below, 0)), out=step, where=below > 0)
        self.change = (self.settings["momentum"] * f64(self.change) + step).astype(np.float32)
        return (f64(weights) - f64(self.change)).astype(np.float32)


class Adagrad:
    def __init__(self, settings, trainable, is_kernel):
        self.settings = settings
        self.sum = np.full(trainable, settings["initialAccumulatorValue"], np.float32)

    def apply(self, weights, gradient, factor, rate, peak):
        """As of Sgd."""
        clipped = f64((f64(gradient) * factor).astype(np.float32))
        self.sum = (f64(self.sum) + clipped * clipped).astype(np.float32)
        return (f64(weights) - (rate * clipped) / np.sqrt(f64(self.sum) + self.settings["epsilon"])).astype(np.float32)


class Adadelta:
    def __init__(self, settings, trainable, is_kernel):
        self.settings = settings
        self.gradients, self.updates = (np.zeros(trainable, np.float32) for _ in range(2))

    def apply(self, weights, gradient, factor, rate, peak):
        """As of Sgd."""
        rho, epsilon = self.settings["rho"], self.settings["epsilon"]
        clipped = f64((f64(gradient) * factor).astype(np.float32))
        update = (np.sqrt(f64(self.updates) + epsilon) / np.sqrt(f64(self.gradients) + epsilon)) * clipped
        self.gradients = (rho * f64(self.gradients) + (1 - rho) * clipped * clipped).astype(np.float32)
        self.updates = (rho * f64(self.updates) + (1 - rho) * update * update).astype(np.float32)
        return (f64(weights) - rate * update).astype(np.float32)


class Adamax:
    def __init__(self, settings, trainable, is_kernel):
        self.settings = settings
        self.first, self.largest = (np.zeros(trainable, np.float32) for _ in range(2))
        self.power, self.steps = 1.0, 0

    def apply(self, weights, gradient, factor, rate, peak):
        """As of Sgd."""
        beta1, beta2, epsilon = self.settings["beta1"], self.settings["beta2"], self.settings["epsilon"]
        clipped = f64((f64(gradient) * factor).astype(np.float32))
        self.power *= beta1
        self.first = (beta1 * f64(self.first) + (1 - beta1) * clipped).astype(np.float32)
        self.largest = np.maximum(beta2 * f64(self.largest), np.abs(clipped)).astype(np.float32)
        scaled = rate / (1 + self.settings["decay"] * self.steps) / (1 - self.power)
        self.steps += 1
        return (f64(weights) - scaled * (f64(self.first) / (f64(self.largest) + epsilon))).astype(np.float32)


OPTIMIZERS = {"sgd": Sgd, "adamw": Adamw, "rmsprop": Rmsprop, "adagrad": Adagrad, "adadelta": Adadelta, "adamax": Adamax}


def make_optimizer(settings, trainable, is_kernel):
    return OPTIMIZERS[settings["kind"]](settings, trainable, is_kernel)


def moving_statistics(weights, sums, shards):
    """New float32 moving statistics of the float32 sums of the shards' statistics."""
    momentum = 0.99 if planted("statistics-momentum") else 0.9
    return (momentum * f64(weights) + ((1 - momentum) * f64(sums)) / shards).astype(np.float32)
