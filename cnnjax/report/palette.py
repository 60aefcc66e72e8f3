"""Colours, markers and dashes: who looks like what, in light and in dark.

The hues are Okabe and Ito's, which people with any kind of colour vision can tell apart, darkened
for white paper until text in them reads well. Nothing is told by colour alone: families and routes
differ in marker and dashes too.

A figure is drawn once, in the light colours; inside the page each of them becomes a CSS variable,
so that the dark page has its own.

Reference: M. Okabe, K. Ito, "Color Universal Design", 2008.
"""

from typing import NamedTuple

# Light (also the file's colour) and dark value by the name of the CSS variable.
COLOURS: dict[str, tuple[str, str]] = {
    "ink": ("#1c2229", "#e8ebee"),
    "muted": ("#5a646f", "#a3adb8"),
    "grid": ("#e3e7eb", "#333b45"),
    "paper": ("#ffffff", "#1a2027"),
    "blue": ("#0072b2", "#5cb3f0"),
    "vermilion": ("#c24e00", "#ff935a"),
    "green": ("#007a5a", "#3ccb9f"),
    "purple": ("#a0478a", "#e59bcf"),
    "amber": ("#9a6f00", "#e8bf4a"),
    "sky": ("#3f9bd4", "#a8dbfa"),
    "grey": ("#59636f", "#aab3bd"),
    "dark": ("#2b3138", "#dfe3e7"),
}

FAMILY_NAMES = {"none": "no route"}
"""What a family is called on the page, where that is not its own name."""


class Style(NamedTuple):
    """How a line, its points and its entry in a legend look.

    Attributes:
      colour: A key of `COLOURS`.
      marker: Matplotlib's letter, one of `MARKERS`.
      dashes: Lengths of stroke and gap in pixels; empty is a solid line.
      hollow: Whether the markers are filled with the paper's colour.
    """

    colour: str
    marker: str
    dashes: tuple[float, ...] = ()
    hollow: bool = False

    @property
    def ink(self) -> str:
        """The colour as the figure's file has it."""
        return COLOURS[self.colour][0]


MARKERS = {
    "o": '<circle r="3.6"/>',
    "s": '<path d="M-3.3-3.3h6.6v6.6h-6.6z"/>',
    "^": '<path d="M0-4.3 4.1 3.2H-4.1z"/>',
    "D": '<path d="M0-4.4 4.4 0 0 4.4-4.4 0z"/>',
    "v": '<path d="M0 4.3 4.1-3.2H-4.1z"/>',
    "P": '<path d="M-1.4-4h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6v-2.8h2.6z"/>',
    "X": '<path d="M-4-2.2-2.2-4 0-1.8 2.2-4 4-2.2 1.8 0 4 2.2 2.2 4 0 1.8-2.2 4-4 2.2-1.8 0z"/>',
}
"""SVG outlines of the markers around (0, 0), for the legends on the page."""

_BY_FAMILY = {
    "none": Style("grey", "X", (5.0, 3.0)),
    "features": Style("green", "^"),
    "structure": Style("blue", "o"),
    "training": Style("vermilion", "s"),
    "combined": Style("purple", "D"),
}

_WITHIN_FAMILY = (
    Style("blue", "o"),
    Style("vermilion", "s"),
    Style("green", "^"),
    Style("purple", "D"),
    Style("amber", "v"),
    Style("sky", "P"),
    Style("dark", "X"),
)


def of_family(family: str) -> Style:
    """Returns a family's style; a family that is not known looks like none.

    >>> of_family("structure").colour
    'blue'
    """
    return _BY_FAMILY.get(family, _BY_FAMILY["none"])


def within_family(position: int) -> Style:
    """Returns the style of a family's route number `position`; after seven, dashes tell them apart.

    >>> within_family(0).dashes == within_family(7).dashes
    False
    """
    style = _WITHIN_FAMILY[position % len(_WITHIN_FAMILY)]
    turns = position // len(_WITHIN_FAMILY)
    return style._replace(dashes=(2.0 + 3.0 * turns, 2.0)) if turns else style


def family_name(family: str) -> str:
    """Returns what a family is called on the page.

    >>> family_name("none"), family_name("structure")
    ('no route', 'structure')
    """
    return FAMILY_NAMES.get(family, family)


def stylesheet() -> str:
    """Returns the CSS rules that define every colour, for light and for dark."""
    light = "".join(f"--{name}:{value[0]};" for name, value in COLOURS.items())
    dark = "".join(f"--{name}:{value[1]};" for name, value in COLOURS.items())
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
