"""Sine and cosine as Taylor series in a fixed order: every machine gets the same bits."""


def sine_cosine(x):
    """sin(x), cos(x) of a float or a float64 array."""
    square = x * x
    sine = cosine = 0.0
    for k in range(14, 0, -1):
        sine = (-square / (2 * k * (2 * k + 1))) * (1 + sine)
        cosine = (-square / ((2 * k - 1) * (2 * k))) * (1 + cosine)
    return x * (1 + sine), 1 + cosine
