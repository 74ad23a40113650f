"""Plants each deviation into the oracle, and compares it with the correct run of a case: the comparison must fail, and by far."""

import argparse
import re
import time
from pathlib import Path

from . import keep_compiled
from .plants import DEVIATIONS, active
from .report import FarWrong


def main(arguments):
    parser = argparse.ArgumentParser("python -m oracle plants", description="show that each deviation is seen")
    parser.add_argument("--directory", type=Path, required=True, help="where `oracle cases --directory` left its runs")
    parser.add_argument("--only", action="append", metavar="NAME", help="this deviation; can be repeated")
    options = parser.parse_args(arguments)
    keep_compiled(options.directory.resolve() / "compiled")
    unseen = 0
    for name, (case, what) in DEVIATIONS.items():
        if options.only and name not in options.only:
            continue
        runs = sorted(path.parent for path in options.directory.glob(f"runs/*Z_{case}/result.json"))
        if not runs:
            print(f"{name:<28} no run of the case {case}: {what}", flush=True)
            continue
        active.clear()
        active.add(name)
        start = time.monotonic()
        line = far_wrong(runs[-1], options.directory / "cache" / "datasets")
        unseen += line is None
        print(f"{name:<28} {'UNSEEN' if line is None else 'seen':<6} {time.monotonic() - start:>5.1f}s  {line or what}", flush=True)
    active.clear()
    return unseen > 0


def far_wrong(run, datasets):
    """The line of the first number that is off by ten times its tolerance or more, or None."""
    from .run import check_run

    try:
        check_run(run, datasets, steps=20, quiet=True, until_far=True)
    except FarWrong as wrong:
        return re.sub(" +", " ", str(wrong))
    return None
