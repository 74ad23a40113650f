"""How much a number may differ, with the reason for each. The oracle's network is float64, the program's float32."""

import numpy as np

# Relative; of the first step. Measured: loss up to 2e-7, norm up to 3e-7 (float32 sums of a shard).
FIRST_STEP = 1e-6
# Factor of each further step: training amplifies what differs. Measured: loss 2e-7 at step 1, 6e-7 at step 20, at rates up to 0.01.
GROWTH = 1.15
# Of the weights, root mean square relative to the change since the initial weights. All but sgd divide by the gradient's size, so the
# float32 noise of an element with a gradient near 0 counts as much as that of a large one. sgd measured: 7e-6 (a beta whose sum cancels).
WEIGHTS = {"sgd": 1e-5, "adamw": 1e-4, "rmsprop": 1e-4, "adagrad": 1e-4, "adadelta": 1e-4, "adamax": 1e-4}
# Relative; of a loss from the run's own weights: no training in between. The oracle computes long evaluations in float32 too.
EVALUATION = 1e-6
# Predictions whose two largest logits are closer than that may go either way: logits are of order 1 and 10, float32 has 7 digits.
LOGITS = 1e-5
# Times that with bfloat16, of weights after steps without a doubtful rounding (bfloat16.py): elements of the kernels' gradients may
# round to the next of 8 bits. Measured: 1e-6. Loss and norm have float32's tolerances: measured 3e-7 and 1e-8.
BFLOAT16_SURE = 10
# Steps after a doubtful rounding are nearly as far off as without any rounding. Measured with 8 images of 13x10 in a shard: loss 9e-5 to
# 7e-4, norm up to 2e-3, weights after 8 steps up to 4e-2.
BFLOAT16_DOUBTFUL = 10000
# Evaluations may have doubtful roundings: a few in 9 images of 5x4 or 23 of 13x10. Measured: 0 to 1e-4.
BFLOAT16_EVALUATION = 500
# Times that with `wire: bfloat16`: sums of gradients within float32's noise of a middle round to the next of 8 bits. Measured: 9e-5 of
# the change after 8 steps. Without a rounding it is 1e-3.
WIRE_BFLOAT16 = 10

# Deep networks have some doubtful ReLUs in every step (doubtful_relus.py); not all are found, since the norm may hide one.
DEEP_FACTOR = 100
SHALLOW = ("resnet8", "wide8")


class Tolerances:
    def __init__(self, config):
        self.bfloat16 = config["precision"] == "bfloat16"
        self.wire = WIRE_BFLOAT16 if config.get("wire") == "bfloat16" else 1
        self.deep = 1 if config["network"]["name"] in SHALLOW else DEEP_FACTOR
        self.optimizer = config["optimizer"]["kind"]

    def growth(self, step):
        return GROWTH ** (step - 1)

    def factor(self, sure):
        """`sure`: whether no rounding to bfloat16 was doubtful in the steps so far."""
        return self.deep * (1 if sure else BFLOAT16_DOUBTFUL)

    def step(self, step, sure):
        """Relative, of loss and norm of step 1, 2, …"""
        return self.factor(sure) * FIRST_STEP * self.growth(step)

    def step_logits(self, step, sure):
        return 10 * self.step(step, sure)

    def weights(self, step, sure, values, change):
        """Relative to the change. Storing may round either way: one spacing of float32 comes on top."""
        spacing = float(np.sqrt(np.mean(np.spacing(np.abs(values)).astype(np.float64) ** 2)))
        factor = self.factor(sure) * (BFLOAT16_SURE if self.bfloat16 and sure else 1)
        return factor * self.wire * WEIGHTS[self.optimizer] * self.growth(step) + spacing / change

    def trained(self, step, sure):
        """Of an evaluation by the oracle's own weights after that step: loss, logits."""
        return 10 * self.step(step + 1, sure), self.step_logits(step + 1, sure)

    def saved(self):
        """Of an evaluation by the run's own weights: loss, logits."""
        factor = BFLOAT16_EVALUATION if self.bfloat16 else 1
        return factor * EVALUATION, factor * LOGITS
