"""One drawing, two uses: a figure file as it stands, and its panels inside the page.

A figure with many panels is too wide for a phone. It is rendered once; the page shows each panel as
an SVG of its own, so that they wrap like words, with the page's fonts and with CSS variables in
place of the colours, so that the dark page needs no second rendering.
"""

import copy
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from cnnjax.report import palette

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"font-family:[^;]*;?|font:\s*(?P<weight>bold |\d+ )?(?P<size>[\d.]+px)[^;]*;?")
_NUMBERS = ("d", "x", "y", "width", "height", "transform", "points")


class Box(NamedTuple):
    """Where a panel lies in its figure, in pixels from the top left, and what it shows in words."""

    group: str
    x: float
    y: float
    width: float
    height: float
    description: str


def panels(drawing: str, boxes: Sequence[Box], *, prefix: str) -> list[Markup]:
    """Cuts a figure into panels that can stand in a page.

    Args:
      drawing: The text of Matplotlib's SVG, with text left as text.
      boxes: The panels; `group` is the id of the group that holds everything the panel shows.
      prefix: Makes the panels' ids unique within the page.

    Returns:
      The panels as `<svg>` elements, each with all that it refers to.

    Raises:
      ValueError: The figure has no group of that id.
    """
    root = ET.fromstring(drawing)
    known = {element.get("id"): element for element in root.iter() if element.get("id")}
    pieces = []
    for number, box in enumerate(boxes):
        if box.group not in known:
            raise ValueError(f"group={box.group!r}: expected the id of a group in the figure")
        group = copy.deepcopy(known[box.group])
        definitions = ET.Element(f"{{{_SVG}}}defs")
        inside = {element.get("id") for element in group.iter()}
        used = _references(group)
        for name in sorted(used - inside):
            definitions.append(copy.deepcopy(known[name]))
        piece = ET.Element(
            f"{{{_SVG}}}svg",
            {
                "class": "panel",
                "viewBox": f"{box.x:g} {box.y:g} {box.width:g} {box.height:g}",
                "width": f"{box.width:g}",
                "height": f"{box.height:g}",
                "role": "img",
                "aria-label": box.description,
            },
        )
        if len(definitions):
            piece.append(definitions)
        piece.append(group)
        _tidy(piece, used, f"{prefix}{number}-")
        pieces.append(Markup(_text(piece)))
    return pieces


def swatch(style: palette.Style) -> Markup:
    """Returns a legend's sample of a style: a short line with its marker.

    >>> "var(--blue)" in swatch(palette.of_family("structure"))
    True
    """
    colour = f"var(--{style.colour})"
    fill = "var(--paper)" if style.hollow else colour
    dashes = (
        f' stroke-dasharray="{" ".join(f"{d:g}" for d in style.dashes)}"' if style.dashes else ""
    )
    return Markup(
        '<svg class="swatch" width="30" height="12" viewBox="-15 -6 30 12" aria-hidden="true">'
        f'<path d="M-14 0H14" style="stroke:{colour};stroke-width:2"{dashes}/>'
        f'<g style="fill:{fill};stroke:{colour};stroke-width:1.2">'
        f"{palette.MARKERS[style.marker]}</g>"
        "</svg>"
    )


def _references(element: ET.Element) -> set[str]:
    found = set()
    for each in element.iter():
        if (each.get(_HREF) or "").startswith("#"):
            found.add(each.attrib[_HREF][1:])
        for value in each.attrib.values():
            found.update(_REFERENCE.findall(value))
    return found


def _tidy(piece: ET.Element, used: set[str], prefix: str) -> None:
    """Makes ids unique, drops those nobody refers to, shortens numbers, names the colours."""
    for element in piece.iter():
        name = element.attrib.pop("id", None)
        if name in used:
            element.set("id", prefix + str(name))
        if _HREF in element.attrib:
            element.set("href", f"#{prefix}{element.attrib.pop(_HREF)[1:]}")
        for key, value in list(element.attrib.items()):
            if "url(#" in value:
                element.set(key, _REFERENCE.sub(rf"url(#{prefix}\1)", value))
        for key in _NUMBERS:
            if key in element.attrib:
                element.set(key, _LONG_NUMBER.sub(_shorter, element.attrib[key]).strip())
        if "style" in element.attrib:
            element.set("style", _restyle(element.attrib["style"]))


def _restyle(style: str) -> str:
    style = _FONT.sub(_page_font, style)
    for name, (light, _) in palette.COLOURS.items():
        style = style.replace(light, f"var(--{name})")
    return re.sub(r"\s*([:;])\s*", r"\1", style).strip()


def _page_font(match: re.Match[str]) -> str:
    if not match["size"]:
        return ""
    weight = f"font-weight:{match['weight'].strip()};" if match["weight"] else ""
    return f"font-size:{match['size']};{weight}"


def _shorter(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def _text(piece: ET.Element) -> str:
    """Writes an element without namespaces, which a page that holds it needs no more."""
    for element in piece.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        element.tail = None
        if element.text is not None and not element.text.strip():
            element.text = None
    return ET.tostring(piece, encoding="unicode")
