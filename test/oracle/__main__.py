"""python -m oracle RUN [--datasets DIRECTORY] [--steps N] [--plant NAME];
vectors PAGE, cases --convoy PATH, plants --directory DIRECTORY"""

import argparse
import os
import sys
from pathlib import Path


def cache_directory():
    """Where the program keeps data sets: $CONVOY_CACHE, else $XDG_CACHE_HOME/convoy, else ~/.cache/convoy."""
    if os.environ.get("CONVOY_CACHE"):
        return Path(os.environ["CONVOY_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "convoy"


def run_command(arguments):
    parser = argparse.ArgumentParser("python -m oracle", description="recompute a run's numbers and compare them")
    parser.add_argument("run", type=Path, metavar="RUN_DIRECTORY")
    parser.add_argument("--datasets", type=Path, default=cache_directory() / "datasets")
    parser.add_argument("--steps", type=int, default=20, help="how many steps to train at most (default: 20)")
    parser.add_argument("--plant", action="append", default=[], metavar="NAME", help="deviate on purpose; `list` shows the names")
    parser.add_argument("--quiet", action="store_true", help="print only what is wrong, and the summary")
    options = parser.parse_args(arguments)
    from .plants import DEVIATIONS, active

    unknown = [name for name in options.plant if name not in DEVIATIONS]
    if unknown:
        names = "\n".join(f"  {name}: {what}" for name, (_, what) in DEVIATIONS.items())
        parser.error(f"unknown deviation {unknown[0]}; there are:\n{names}")
    for file in ("config.yaml", "metrics.jsonl", "result.json"):
        if not (options.run / file).exists():
            parser.error(f"{options.run} is no directory of a run that ended: it has no {file}")
    active.update(options.plant)
    from .run import check_run

    try:
        report = check_run(options.run, options.datasets, options.steps, options.quiet)
    except FileNotFoundError as missing:
        parser.error(f"{missing.filename} is missing")
    print(report.summary())
    return report.wrong > 0


def vectors_command(arguments):
    parser = argparse.ArgumentParser("python -m oracle vectors", description="recompute the page's test vectors")
    parser.add_argument("page", type=Path)
    options = parser.parse_args(arguments)
    if not options.page.exists():
        parser.error(f"{options.page} is missing")
    from .vectors import check_vectors

    report = check_vectors(options.page)
    print(f"{report.compared} vectors compared, {report.wrong} wrong")
    return report.wrong > 0


def plants_command(arguments):
    from .sensitivity import main

    return main(arguments)


def cases_command(arguments):
    from .cases import main

    return main(arguments)


if __name__ == "__main__":
    commands = {"vectors": vectors_command, "cases": cases_command, "plants": plants_command}
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    failed = commands[first](sys.argv[2:]) if first in commands else run_command(sys.argv[1:])
    sys.exit(1 if failed else 0)
