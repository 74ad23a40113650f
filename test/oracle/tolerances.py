"""How much a number may differ, with the reason for each. The oracle's network is float64, the program's float32."""

import numpy as np

# Relative; of the first step. Measured: loss up to 2e-7, norm up to 3e-7 (float32 sums of a shard).
FIRST_STEP = 1e-6
# Factor of each further step: training amplifies what differs. Measured: loss 2e-7 at step 1, 6e-7 at step 20, at rates up to 0.01.
GROWTH = 1.15
# Of the weights, root mean square relative to the change since the initial weights. adamw divides by the gradient's size, so the
# float32 noise of an element with a gradient near 0 counts as much as that of a large one. sgd measured: 7e-6 (a beta whose sum cancels).
WEIGHTS = {"sgd": 1e-5, "adamw": 1e-4}
# Relative; of a loss from the run's own weights: no training in between. The oracle computes long evaluations in float32 too.
EVALUATION = 1e-6
# Predictions whose two largest logits are closer than that may go either way: logits are of order 1 and 10, float32 has 7 digits.
LOGITS = 1e-5
# Times that with bfloat16, where a float32 sum that differs a little may round to the next of 8 bits. An estimate: not measured, for
# want of a processor with bfloat16. Leaving the roundings out changes the loss of a step by 4e-4 to 1e-3.
BFLOAT16_FACTOR = 200

# Deep networks have some doubtful ReLUs in every step (doubtful_relus.py); not all are found, since the norm may hide one.
DEEP_FACTOR = 100
SHALLOW = ("resnet8", "wide8")


class Tolerances:
    def __init__(self, config):
        self.rounding = BFLOAT16_FACTOR if config["precision"] == "bfloat16" else 1
        self.factor = self.rounding * (1 if config["network"]["name"] in SHALLOW else DEEP_FACTOR)
        self.optimizer = config["optimizer"]["kind"]

    def growth(self, step):
        return GROWTH ** (step - 1)

    def step(self, step):
        """Relative, of loss and norm of step 1, 2, …"""
        return self.factor * FIRST_STEP * self.growth(step)

    def step_logits(self, step):
        return 10 * self.step(step)

    def weights(self, step, values, change):
        """Relative to the change. Storing may round either way: one spacing of float32 comes on top."""
        spacing = float(np.sqrt(np.mean(np.spacing(np.abs(values)).astype(np.float64) ** 2)))
        return self.factor * WEIGHTS[self.optimizer] * self.growth(step) + spacing / change

    def trained(self, step):
        """Of an evaluation by the oracle's own weights after that step: loss, logits."""
        return 10 * self.step(step + 1), self.step_logits(step + 1)

    def saved(self):
        """Of an evaluation by the run's own weights: loss, logits."""
        return self.rounding * EVALUATION, self.rounding * LOGITS
