"""Compares a run with the oracle."""

import numpy as np

from .evaluation import better, make_evaluate
from .initial_weights import initial_weights
from .network import cut
from .tolerances import Tolerances


def compare(run, parts, training, steps, report):
    """`run`: RunDirectory, `parts`: Split, `steps`: how many to train at most."""
    lines, result = run.of_kind("step"), run.result
    done = result["steps"]
    exact_numbers(run, parts, training, report)
    models = {which: run.model(which) for which in ("best", "last")}
    saved_weights(run, models, training, report)
    evaluate, tolerances = make_evaluate(training), Tolerances(run.config)
    evaluations(run, models, evaluate, parts, tolerances, report)
    evaluated = {line["result"]["step"]: line["result"] for line in run.of_kind("evaluated") if line["result"]["split"] == "validation"}
    initial = initial_weights(training.tensors, run.config["seed"])
    for step in training.steps(min(steps, done), [line["gradientNorm"] for line in lines]):
        report.other_side += step.other_side
        report.unsure += not step.sure
        if report.until_far:  # a plant in the oracle: without it no rounding of the case is doubtful, so it shall hide behind none
            step = step._replace(sure=True)
        one_step(step, lines[step.step - 1], run.config["batchSize"], tolerances, report)
        for which, model in models.items():
            if step.step == result["weights"][which]["step"] and (which == "last" or step.step != done):
                weights(f"{which} weights", step, model.weights, initial, training, tolerances, report)
        if step.step in evaluated and step.step not in (result["weights"][which]["step"] for which in models):
            ours, limits = evaluate(step.weights, parts.validation), tolerances.trained(step.step, step.sure)
            evaluation(f"trained, step {step.step}", evaluated[step.step], ours, *limits, report)


def exact_numbers(run, parts, training, report):
    started, lines = run.of_kind("started")[0], run.of_kind("step")
    report.exact("fingerprint", run.result["datasetFingerprint"], training.dataset.fingerprint)
    for name, part in parts._asdict().items():
        report.exact(f"samples of {name}", started["splitSizes"][name], len(part))
    report.exact("totalSteps", started["totalSteps"], training.total_steps)
    report.exact("stepsPerEpoch", started["stepsPerEpoch"], len(parts.train) / run.config["batchSize"])
    report.exact("parameterCount", started["parameterCount"], training.trainable)
    report.exact("samplesSeen", run.result["samplesSeen"], run.result["steps"] * run.config["batchSize"])
    report.exact("steps, in order", [line["step"] for line in lines], list(range(1, run.result["steps"] + 1)))
    for line in lines:
        step = line["step"]
        report.exact(f"learningRate: step {step}", line["learningRate"], training.rate(step - 1))
        report.exact(f"epoch: step {step}", line["epoch"], training.epoch(step))


def saved_weights(run, models, training, report):
    names = [(tensor.name, tensor.shape, "F32") for tensor in training.tensors]
    for which, model in models.items():
        report.exact(f"{which}: names, shapes, order of tensors", model.tensors, names)
        report.exact(f"{which}: sha256 of the weights", run.result["weights"][which]["sha256"], model.sha256)
    report.exact("weightsSha256", run.result["weightsSha256"], models["last"].sha256)
    finished = run.of_kind("finished")[-1]
    report.exact("finished: weightsSha256", finished["weightsSha256"], models["last"].sha256)
    report.exact("finished: weights", finished["weights"], run.result["weights"])


def evaluations(run, models, evaluate, parts, tolerances, report):
    lines, chosen = run.of_kind("evaluated"), None
    validations = [line for line in lines if line["result"]["split"] == "validation"]
    expected = [line["step"] for line in run.of_kind("step") if evaluated_after(run, parts, line["step"])]
    report.exact("steps with a validation", [line["result"]["step"] for line in validations], expected)
    for line in validations:
        number = (line["result"]["accuracy"], line["result"]["loss"])
        is_better = better(number, chosen and chosen[1:])
        report.exact(f"validation, step {line['result']['step']}: best", line["best"], is_better)
        epoch = line["result"]["step"] * run.config["batchSize"] / len(parts.train)
        report.exact(f"validation, step {line['result']['step']}: epoch", line["epoch"], epoch)
        chosen = (line["result"]["step"], *number) if is_better else chosen
    report.exact("bestStep", run.result["bestStep"], chosen[0])
    for which, model in models.items():
        step = run.result["weights"][which]["step"]
        if which == "best" or step != run.result["bestStep"]:
            theirs = next(line["result"] for line in validations if line["result"]["step"] == step)
            evaluation(f"saved, {which}", theirs, evaluate(model.weights, parts.validation), *tolerances.saved(), report)
            stated = run.result["weights"][which]["validation"]
            report.exact(f"{which}: validation", stated, {key: theirs[key] for key in ("accuracy", "loss")})
    ours = evaluate(models["best"].weights, parts.test)
    evaluation("saved, test", run.result["test"], ours, *tolerances.saved(), report)
    test = next(line for line in lines if line["result"]["split"] == "test")
    line = test["result"]
    report.exact("test: epoch", test["epoch"], chosen[0] * run.config["batchSize"] / len(parts.train))
    stated = [chosen[0], run.result["test"]["confusion"]]
    report.exact("test: step and confusion in metrics.jsonl", [line["step"], line["confusion"]], stated)


def evaluated_after(run, parts, step):
    size, length = run.config["batchSize"], len(parts.train)
    return step * size // length > (step - 1) * size // length or step == run.result["steps"]


def evaluation(what, theirs, ours, tolerance, logits, report):
    """Predictions with logits closer than `logits` may go either way: each moves one sample to another column."""
    doubtful = int((ours.margins < logits).sum())
    report.exact(f"{what}: samples", theirs["samples"], ours.samples)
    report.close(f"{what}: loss", theirs["loss"], ours.loss, tolerance)
    moved = np.abs(np.array(theirs["confusion"]) - ours.confusion).sum() / 2
    report.bounded(f"{what}: confusion (samples moved)", np.trace(theirs["confusion"]), np.trace(ours.confusion), moved, doubtful)
    report.exact(f"{what}: accuracy is the confusion's", theirs["accuracy"], float(np.trace(theirs["confusion"]) / theirs["samples"]))


def one_step(step, line, batch_size, tolerances, report):
    tolerance = tolerances.step(step.step, step.sure)
    report.close(f"loss: step {step.step}", line["loss"], step.loss, tolerance)
    doubtful = int((step.margins < tolerances.step_logits(step.step, step.sure)).sum())
    difference = abs(line["accuracy"] - step.correct / batch_size) * batch_size
    report.bounded(f"correct: step {step.step}", line["accuracy"] * batch_size, step.correct, difference, doubtful)
    report.close(f"gradientNorm: step {step.step}", line["gradientNorm"], step.norm, 3 * tolerance)


def weights(what, step, theirs, initial, training, tolerances, report):
    """All trainable ones, all moving statistics, each tensor by itself: root mean squares of difference and change."""
    cuts = [cut(vector, training.tensors, np.float32) for vector in (theirs, step.weights, initial)]
    size = training.trainable
    groups = {"trainable": [vector[:size] for vector in (theirs, step.weights, initial)]}
    groups["moving statistics"] = [vector[size:] for vector in (theirs, step.weights, initial)]
    groups |= {tensor.name: [parts[tensor.name] for parts in cuts] for tensor in training.tensors}
    for name, (program, oracle, before) in groups.items():
        difference, change, size = (root_mean_square(values) for values in (program - oracle, oracle - before, program))
        tolerance = tolerances.weights(step.step, step.sure, oracle, change) if change else 0.0
        report.bounded(f"{what}: {name}", size, root_mean_square(oracle), difference / change if change else difference, tolerance)


def root_mean_square(values):
    return float(np.sqrt(np.mean(np.asarray(values, np.float64) ** 2)))
