"""One aligned line for each number compared."""


def text(value):
    if isinstance(value, float):
        return f"{value:.12g}"
    value = str(value)
    return value if len(value) <= 24 else value[:21] + "..."


FAR = 10  # times the tolerance


class FarWrong(Exception):
    """Raised at the first number that is far wrong, where that is all that matters."""


class Report:
    def __init__(self, quiet=False, until_far=False):
        self.until_far = until_far
        self.compared, self.wrong, self.quiet, self.measured = 0, 0, quiet, {}
        self.unsure = 0  # steps that a doubtful rounding to bfloat16 makes incomparable but for their size
        self.other_side = 0  # doubtful ReLUs that the oracle let go the program's way
        self.line("what", "program", "oracle", "difference", "tolerance", "")

    def line(self, what, program, oracle, difference, tolerance, verdict, far=True):
        if not self.quiet or verdict == "WRONG":
            line = f"{what:<50} {text(program):>24} {text(oracle):>24} {difference:>10} {tolerance:>10} {verdict}"
            if not self.until_far:
                print(line, flush=True)
            elif far:
                raise FarWrong(line)

    def exact(self, what, program, oracle):
        """Equal values; floats bit for bit."""
        agree = program == oracle
        self.count(agree)
        self.line(what, program, oracle, "0" if agree else "differs", "exact", "ok" if agree else "WRONG")

    def close(self, what, program, oracle, tolerance):
        """Relative difference."""
        size = max(abs(program), abs(oracle))
        self.bounded(what, program, oracle, abs(program - oracle) / size if size > 0 else 0.0, tolerance)

    def bounded(self, what, program, oracle, difference, tolerance):
        """A difference that is given. NaN is wrong."""
        agree = bool(difference <= tolerance)
        self.count(agree)
        kind = what.split(":")[0]
        self.measured[kind] = max(self.measured.get(kind, 0.0), float(difference))
        self.line(
            what, program, oracle, f"{difference:.1e}", f"{tolerance:.1e}", "ok" if agree else "WRONG", not difference <= FAR * tolerance
        )

    def count(self, agree):
        self.compared += 1
        self.wrong += not agree

    def summary(self):
        largest = ", ".join(f"{kind} {value:.1e}" for kind, value in self.measured.items())
        counts = f"{self.compared} numbers compared, {self.wrong} wrong; {self.other_side} doubtful ReLUs went the other way"
        counts += f"; {self.unsure} steps after a doubtful rounding" if self.unsure else ""
        return f"{counts}; largest differences: {largest}"
