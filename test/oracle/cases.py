"""Makes the runs of cases.yaml with the program, and compares each with the oracle."""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import yaml

from . import keep_compiled
from .run_directory import Yaml12
from .settings import complete

HERE = Path(__file__).parent


def user_cache():
    from .__main__ import cache_directory

    return cache_directory()


class Room:
    """A directory with a cache of its own. Runtime and CIFAR-10 are linked from the user's: they take minutes to make."""

    def __init__(self, directory: Path, convoy: str):
        self.directory, self.convoy, self.imported = directory, convoy, set()
        cache = directory / "cache"
        (cache / "datasets").mkdir(parents=True, exist_ok=True)
        users = user_cache()
        links = [(users / "runtime", cache / "runtime")]
        links += [
            (info.parent, cache / "datasets" / info.parent.name)
            for info in users.glob("datasets/*/info.json")
            if json.loads(info.read_text(encoding="utf-8"))["name"] == "cifar10"
        ]
        for source, link in links:
            if source.exists() and not link.exists():
                link.symlink_to(source)
        self.environment = os.environ | {"CONVOY_CACHE": str(cache)}
        self.datasets = cache / "datasets"

    def call(self, *arguments):
        done = subprocess.run([self.convoy, *map(str, arguments)], env=self.environment, capture_output=True, text=True, timeout=900)
        return done.returncode, done.stdout, done.stderr

    def data(self, name):
        """What --data takes. A data set is made and imported the first time."""
        from .made_data import MAKERS

        if name in MAKERS and name not in self.imported:
            source = self.directory / "data" / name
            if not source.exists():
                MAKERS[name](source)
            status, _, errors = self.call("data", "import", source, "--name", name)
            if status:
                raise RuntimeError(errors)
            self.imported.add(name)
        return name

    def train(self, case):
        """The run directory, or None with the program's last words if it refused."""
        settings = {"recipe": case["recipe"], "maxSteps": case["steps"]} | case.get("settings", {})
        config = self.directory / f"{case['name']}.yaml"
        config.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        flags = case.get("flags", ["--standalone"])
        status, output, errors = self.call(
            "train", "--config", config, "--data", self.data(case["data"]), "--runs-dir", self.directory / "runs",
            "--name", case["name"], "--device", "cpu", "--json", *flags)  # fmt: skip
        if status:
            return None, errors.strip().splitlines()[-1]
        return Path(json.loads(output)["runDirectory"]), ""


def main(arguments):
    parser = argparse.ArgumentParser("python -m oracle cases", description="make the runs of cases.yaml and compare them")
    parser.add_argument("--convoy", required=True, help="the program")
    parser.add_argument("--only", action="append", metavar="NAME", help="this case; can be repeated")
    parser.add_argument("--short", action="store_true", help="the short cases")
    parser.add_argument("--directory", type=Path, help="where runs and data sets stay (default: a temporary directory)")
    parser.add_argument("--verbose", action="store_true", help="print every number compared")
    options = parser.parse_args(arguments)
    cases = yaml.load((HERE / "cases.yaml").read_text(encoding="utf-8"), Yaml12)
    unknown = set(options.only or []) - {case["name"] for case in cases}
    if unknown:
        parser.error(f"no case {', '.join(unknown)}")
    chosen = [case for case in cases if (not options.only or case["name"] in options.only) and (not options.short or case.get("short"))]
    with tempfile.TemporaryDirectory(prefix="oracle-") as temporary:
        keep_compiled((options.directory or Path(temporary)).resolve() / "compiled")
        room = Room((options.directory or Path(temporary)).resolve(), options.convoy)
        print(f"{'case':<18} {'result':<8} {'run':>6} {'oracle':>7}  what", flush=True)
        results = [one_case(room, case, options.verbose) for case in chosen]
    return any(result in ("WRONG", "failed") for result in results)


def one_case(room, case, verbose):
    """Prints the case's line; ok, WRONG, failed or refused. A processor that cannot compute in bfloat16 refuses: that is no failure."""
    start = time.monotonic()
    run, words = room.train(case)
    seconds = time.monotonic() - start
    if run is None:
        result = "refused" if case.get("settings", {}).get("precision") == "bfloat16" else "failed"
    else:
        report = check_case(room, case, run, verbose)
        result, words = "WRONG" if report.wrong else "ok", report.summary()
    print(f"{case['name']:<18} {result:<8} {seconds:>5.1f}s {time.monotonic() - start - seconds:>6.1f}s  {words}", flush=True)
    return result


def check_case(room, case, path, verbose):
    """The run, and what a case knows besides: the settings and files that it was made of, and other commands' answers."""
    from .predictions import compare_eval, compare_predictions
    from .run import check_run, opened
    from .source_files import READERS, fingerprint
    from .tolerances import Tolerances

    report = check_run(path, room.datasets, case["steps"], not verbose)
    run, parts, training = opened(path, room.datasets)
    expected = complete(case["recipe"], {"maxSteps": case["steps"]} | case.get("settings", {}))
    report.exact("config.yaml", run.config, expected)
    if case.get("sure"):
        report.exact("steps after a doubtful rounding", report.unsure, 0)
    if case["data"] in READERS:
        images = room.directory / "data" / case["data"]
        report.exact("fingerprint of the files", run.result["datasetFingerprint"], fingerprint(*READERS[case["data"]](images)))
    if case.get("predict"):
        _, output, _ = room.call("predict", path, images, "--json", "--top", len(training.dataset.class_names), "--device", "cpu")
        compare_predictions(run, training, json.loads(output)["predictions"], report)
        _, output, _ = room.call("eval", path, "--split", "train", "--json", "--device", "cpu")
        compare_eval(run, training, json.loads(output), parts.train, Tolerances(run.config), report)
    return report
