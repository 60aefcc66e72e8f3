"""Numbers and names as a reader meets them."""

import math

import numpy as np

Number = float | int | np.number
"""What a table's cell holds."""


def percent(share: Number, *, digits: int = 1) -> str:
    """Returns a share of one as a percentage.

    >>> percent(0.97321), percent(0.97321, digits=2), percent(float("nan"))
    ('97.3 %', '97.32 %', '–')
    """
    return "–" if math.isnan(share) else f"{100 * share:.{digits}f} %"


def with_interval(share: Number, half: Number, *, digits: int = 1) -> str:
    """Returns a percentage with the half width of its interval, where there is one.

    >>> with_interval(0.9732, 0.0051), with_interval(0.9732, float("nan"))
    ('97.3 ± 0.5 %', '97.3 %')
    """
    if math.isnan(share) or math.isnan(half):
        return percent(share, digits=digits)
    return f"{100 * share:.{digits}f} ± {100 * half:.{digits}f} %"


def probability(share: Number) -> str:
    """Returns a probability in whole percent, which are nought or all only where it is.

    >>> [probability(share) for share in (0.0, 0.004, 0.123, 0.997, 1.0)]
    ['0 %', '<1 %', '12 %', '>99 %', '100 %']
    """
    if 0 < share < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= share < 1 else percent(share, digits=0)


def amount(value: Number, *, digits: int = 1) -> str:
    """Returns a number with thousands separated, and decimals where they say something.

    >>> amount(1347510), amount(6.25), amount(6.0), amount(float("nan"))
    ('1,347,510', '6.2', '6', '–')
    """
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.{digits}f}"


def counted(mean: Number, half: Number) -> tuple[str, str]:
    """Returns a mean number of things and the half width of its interval, which may be empty.

    >>> counted(48.667, 1.434), counted(118.0, 17.4), counted(7.0, float("nan"))
    (('48.7', '1.4'), ('118', '17'), ('7', ''))
    """
    if math.isnan(half) or math.isnan(mean):
        return amount(mean), ""
    digits = 1 if half < 10 else 0
    return f"{mean:,.{digits}f}", f"{half:,.{digits}f}"


def seconds(value: Number) -> str:
    """Returns a duration with about two digits that matter.

    >>> seconds(0.512), seconds(21.4), seconds(200.2), seconds(4000)
    ('0.51 s', '21 s', '3.3 min', '67 min')
    """
    if math.isnan(value):
        return "–"
    if value < 1:
        return f"{value:.2f} s"
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    if value < 1200:
        return f"{value / 60:.1f} min"
    return f"{value / 60:.0f} min" if value < 2 * 3600 else f"{value / 3600:.1f} h"


def short(value: Number) -> str:
    """Returns a large count with a prefix.

    >>> short(416520), short(12_115_010), short(1.2e9), short(410)
    ('417 k', '12.1 M', '1.2 G', '410')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"


def listed(items: list[str], *, word: str = "and") -> str:
    """Returns items as a sentence lists them.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


_UNITS = {
    "translation": "shift in pixels",
    "rotation": "angle in degrees",
    "scale": "change of size (0.1 is 10 %)",
    "shear": "shear (shift per pixel of height)",
    "noise": "standard deviation (pixels run 0 to 1)",
}
_UNITS_OF_SIGNALS = _UNITS | {
    "translation": "shift in samples",
    "noise": "standard deviation (a signal’s own is 1)",
}


def unit(transformation: str, *, signals: bool = False) -> str:
    """Returns what the magnitude of a transformation means, of images or of signals.

    >>> unit("rotation"), unit("swirl"), unit("translation", signals=True)
    ('angle in degrees', 'magnitude', 'shift in samples')
    """
    return (_UNITS_OF_SIGNALS if signals else _UNITS).get(transformation, "magnitude")


def by(transformation: str, magnitude: Number, *, signals: bool = False) -> str:
    """Returns a transformation with its magnitude.

    >>> by("translation", 2.0), by("rotation", 90), by("translation", 2, signals=True)
    ('translation by 2 px', 'rotation by 90°', 'translation by 2 samples')
    >>> by("translation", 1, signals=True)
    'translation by 1 sample'
    """
    shift = (" sample" if magnitude == 1 else " samples") if signals else " px"
    return f"{transformation} by {magnitude:g}" + (
        {"translation": shift, "rotation": "°"}.get(transformation, "")
    )
