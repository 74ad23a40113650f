"""Reads a run and its data set, and compares."""

from .compare import compare
from .dataset import load
from .report import Report
from .run_directory import RunDirectory
from .split import split
from .training import Training


def opened(path, datasets):
    """RunDirectory, Split and Training of a run."""
    run = RunDirectory(path)
    data = load(datasets, run.result["datasetFingerprint"])
    parts = split(data.labels, run.config["seed"], run.config["stratified"])
    return run, parts, Training(run.config, data, parts.train)


def check_run(path, datasets, steps, quiet=False, until_far=False):
    run, parts, training = opened(path, datasets)
    report = Report(quiet, until_far)
    compare(run, parts, training, steps, report)
    return report
