"""Figures cut into panels."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from cnnjax import config as configs
from cnnjax.report import palette, plotting, svg


def line(end: float, label: str) -> plotting.Line:
    values = np.array([0.0, end])
    style = palette.within_family(0)
    return plotting.Line(label, style, np.array([0.0, 1.0]), values, np.array([0.1, np.nan]))


def drawing(tmp_path, **options) -> plotting.Drawing:
    def draw(axes):
        plotting.curves(axes, [line(5.0, "one")], x_label="$5 & <x>")

    panels = [plotting.Panel(f"panel {i}", "unit", f"shows <{i}>", draw) for i in range(4)]
    return plotting.compose(panels, tmp_path / "figure.svg", **options)


def test_a_panel_shows_its_own_rectangle_and_words(tmp_path):
    found = drawing(tmp_path, size=(200, 150), columns=2, legend=[("l", palette.within_family(1))])
    boxes = [tuple(map(float, re.search(r'viewBox="([^"]+)"', p)[1].split())) for p in found.panels]
    assert [box[2:] for box in boxes] == [(200, 150)] * 4
    lefts, tops = zip(*(box[:2] for box in boxes), strict=True)
    assert lefts == (0, 200, 0, 200)
    assert tops[0] == tops[1] == tops[2] - 150
    for number, panel in enumerate(found.panels):
        assert f"panel {number}" in panel
        assert f"panel {(number + 1) % 4}<" not in panel
        assert f'aria-label="shows &lt;{number}&gt;"' in panel
        assert "$5 &amp; &lt;x&gt;" in panel


def test_a_panel_brings_what_it_refers_to(tmp_path):
    panels = drawing(tmp_path).panels
    seen: set[str] = set()
    for panel in panels:
        identities = re.findall(r'\bid="([^"]+)"', panel)
        wanted = re.findall(r'href="#([^"]+)"', panel) + re.findall(r"url\(#([^)]+)\)", panel)
        assert wanted
        assert set(wanted) == set(identities)
        assert not seen & set(identities)
        seen |= set(identities)


def test_fonts_and_colours_are_the_pages(tmp_path):
    for panel in drawing(tmp_path).panels:
        assert "font-family" not in panel
        assert "DejaVu" not in panel
        assert not re.search("#[0-9a-f]{6}", panel)
        assert "xmlns" not in panel


def test_an_unknown_group_is_named():
    figure = Figure()
    FigureCanvasSVG(figure)
    with pytest.raises(ValueError, match="group='no': expected the id of a group"):
        svg.panels(
            '<svg xmlns="http://www.w3.org/2000/svg"/>', [svg.Box("no", 0, 0, 1, 1, "")], prefix="p"
        )


@given(st.lists(st.floats(0, 100), min_size=2, max_size=6))
def test_names_at_the_ends_of_lines_keep_their_order_and_distance(ends):
    figure = Figure(figsize=(5, 4))
    axes = figure.add_axes((0.1, 0.1, 0.6, 0.8))
    axes.set_ylim(0, 100)
    plotting._name_ends(axes, [line(end, str(i)) for i, end in enumerate(ends)])
    pixels = 0.8 * 4 * 72
    heights = {int(text.get_text()): text.get_position()[1] * pixels for text in axes.texts}
    order = np.argsort(ends, kind="stable")
    gaps = np.diff([heights[index] for index in order])
    assert (gaps >= 12).all()


def test_styles_differ_in_more_than_colour():
    styles = [palette.within_family(place) for place in range(14)]
    assert len({(style.marker, style.dashes) for style in styles}) == 14
    families = [palette.of_family(family) for family in configs.FAMILIES]
    assert len({style.marker for style in families}) == len(families)


def contrast(one: str, other: str) -> float:
    """The ratio of the Web Content Accessibility Guidelines."""

    def luminance(colour: str) -> float:
        values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("family", configs.FAMILIES)
@pytest.mark.parametrize("scheme", [0, 1])
def test_family_names_can_be_read_on_the_page(family, scheme):
    paper = palette.COLOURS["paper"][scheme]
    assert contrast(palette.COLOURS[palette.of_family(family).colour][scheme], paper) >= 4.5
