"""Sample by sample: what `convoy predict --json` says of every image of the folder, against the oracle's probabilities."""

import numpy as np

from .compare import evaluation
from .evaluation import make_evaluate

PROBABILITY = 1e-6  # absolute; float32's logits of order 1 to 10 differ by 1e-6


def compare_predictions(run, training, predictions, report):
    """`predictions`: the list of that name. The images of the folder in order of their paths are the samples in order."""
    ours = make_evaluate(training)(run.model("best").weights, np.arange(len(training.dataset.labels)))
    names = training.dataset.class_names
    report.exact("predicted images", len(predictions), ours.samples)
    for sample, prediction in enumerate(sorted(predictions, key=lambda one: one["file"])):
        theirs = [{one["name"]: one["probability"] for one in prediction["classes"]}[name] for name in names]
        difference = float(np.abs(np.array(theirs) - ours.probabilities[sample]).max())
        report.bounded(f"prediction: sample {sample}", max(theirs), float(ours.probabilities[sample].max()), difference, PROBABILITY)


def compare_eval(run, training, theirs, samples, tolerances, report):
    """`theirs`: `convoy eval --json` of a split, `samples`: its samples."""
    ours = make_evaluate(training)(run.model("best").weights, samples)
    evaluation(f"convoy eval, {theirs['split']}", theirs, ours, *tolerances.saved(), report)
    report.exact("convoy eval: sha256", theirs["weightsSha256"], run.model("best").sha256)
