"""What a panel can show: curves with bands, dots with intervals, layers in a column.

Each function draws on axes it is given and says nothing about where its numbers come from.
`compose` lays panels out in a figure and gives it to the page.
"""

import io
import textwrap
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from cnnjax.report import palette, svg, words
from cnnjax.report.palette import Style

_STYLE = Path(__file__).with_name("figures.mplstyle")
_APART = 0.14  # of a row: how far before and after training lie from its middle
_LINE = 24  # letters of a line of a name that is broken in two
ROW_NAME = 40  # letters of a row's name that stand beside a heat map; longer ones are shortened
_POINTS = 72  # an SVG of Matplotlib's has 72 units to the inch: here a unit is a pixel


class Line(NamedTuple):
    """A curve: what it is called, how it looks, where it goes and how wide its band is."""

    label: str
    style: Style
    x: np.ndarray
    mean: np.ndarray
    half: np.ndarray


class Dot(NamedTuple):
    """A mean with its half width; NaN where there is none."""

    mean: float
    half: float


class Panel(NamedTuple):
    """A part of a figure.

    Attributes:
      title: Stands above it, bold.
      unit: What its vertical axis measures, set flat above the axis, where it is read without
        turning the head; empty where names stand there.
      description: What it shows, for those who do not see it.
      draw: Draws it on the axes it is given.
    """

    title: str
    unit: str
    description: str
    draw: Callable[[Axes], None]


class Drawing(NamedTuple):
    """A figure as the page needs it.

    Attributes:
      file: The name of its file in figures/.
      panels: `<svg>` elements.
      legend: Swatches with their labels.
    """

    file: str
    panels: list[Markup]
    legend: list[tuple[Markup, str]]


def compose(
    panels: Sequence[Panel],
    path: Path,
    *,
    legend: Sequence[tuple[str, Style]] = (),
    size: tuple[int, int] = (350, 262),
    margins: tuple[int, int, int, int] = (34, 16, 54, 40),
    columns: int = 3,
) -> Drawing:
    """Draws a figure of equal panels and saves it.

    Args:
      panels: The panels, row by row.
      path: The SVG to write.
      legend: Labels and styles that all panels share.
      size: Width and height of a panel in pixels.
      margins: Left, right, top and bottom of a panel in pixels, outside its axes.
      columns: How many panels stand side by side in the file.

    Returns:
      The drawing for the page.
    """
    with matplotlib.rc_context(fname=_STYLE):
        width, height = size
        columns = min(columns, len(panels))
        rows = -(-len(panels) // columns)
        per_row = max(1, (columns * width) // 270)
        top = 26 * -(-len(legend) // per_row) + (12 if legend else 0)
        whole = columns * width, rows * height + top
        figure = Figure(figsize=(whole[0] / _POINTS, whole[1] / _POINTS))
        FigureCanvasSVG(figure)
        left, right, above, below = margins
        boxes = []
        for number, panel in enumerate(panels):
            x, y = number % columns * width, number // columns * height + top
            axes = figure.add_axes(
                (
                    (x + left) / whole[0],
                    1 - (y + height - below) / whole[1],
                    (width - left - right) / whole[0],
                    (height - above - below) / whole[1],
                )
            )
            panel.draw(axes)
            _head(axes, panel, indent=left - 2)
            axes.set_gid(f"panel{number}")
            boxes.append(svg.Box(f"panel{number}", x, y, width, height, panel.description))
        if legend:
            figure.legend(
                handles=[_handle(label, style) for label, style in legend],
                loc="upper left",
                ncols=min(per_row, len(legend)),
            )
        buffer = io.StringIO()
        with warnings.catch_warnings():
            # The page's fonts are the reader's; a glyph that ours lacks is no loss.
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            figure.savefig(buffer, format="svg", metadata={"Date": None})
    path.write_text(buffer.getvalue(), encoding="utf-8")
    pieces = svg.panels(buffer.getvalue(), boxes, prefix=f"{path.stem}-")
    return Drawing(path.name, pieces, [(svg.swatch(style), label) for label, style in legend])


def curves(
    axes: Axes,
    lines: Sequence[Line],
    *,
    x_label: str,
    y_range: tuple[float, float] | None = None,
    log: bool = False,
    direct: bool = False,
) -> None:
    """Draws lines in percent with bands; every mean is marked.

    Args:
      axes: Where to draw.
      lines: What to draw; the last lies on top.
      x_label: With its unit.
      y_range: Limits that panels share.
      log: Whether x is logarithmic; its ticks are then the measured values.
      direct: Whether each line is named at its end.
    """
    for line in lines:
        style, colour = line.style, line.style.ink
        known = np.isfinite(line.half)
        if known.any() and len(line.x) > 1:
            # Shares in percent: what an interval holds beyond them cannot be.
            low, high = (
                np.clip(line.mean + sign * np.nan_to_num(line.half), 0, 100) for sign in (-1, 1)
            )
            axes.fill_between(line.x, low, high, color=colour, alpha=0.13, linewidth=0)
        elif known.any():
            axes.errorbar(line.x, line.mean, line.half, color=colour, linewidth=1.2)
        axes.plot(
            line.x,
            line.mean,
            color=colour,
            marker=style.marker,
            linestyle=(0, style.dashes) if style.dashes else "-",
            markerfacecolor=palette.COLOURS["paper"][0] if style.hollow else colour,
        )
    axes.set_xlabel(x_label, loc="left")
    if y_range is not None:
        axes.set_ylim(*y_range)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ticks = sorted({float(x) for line in lines for x in line.x})
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(_apart(ticks)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        axes.margins(x=0.06)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.margins(x=0.03)
    if direct:
        _name_ends(axes, lines)


def pairs(
    axes: Axes,
    rows: Sequence[tuple[str, Style, Dot | None, Dot | None]],
    *,
    x_label: str,
    x_range: tuple[float, float] | None = None,
) -> None:
    """Draws a row for each name: hollow before training, filled just below after, joined by dots.

    Args:
      axes: Where to draw.
      rows: Name, style, the mean before and the mean after training, top to bottom.
      x_label: With its unit.
      x_range: Limits that panels share.
    """
    for place, (_, style, before, after) in enumerate(rows):
        if before is not None and after is not None:
            axes.plot(
                [before.mean, after.mean],
                [place - _APART, place + _APART],
                color=style.ink,
                linestyle=(0, (1.0, 2.5)),
                linewidth=1,
            )
        # Apart, so that each whisker is seen to be its mark's.
        paper = palette.COLOURS["paper"][0]
        for dot, fill, shift in ((before, paper, -_APART), (after, style.ink, _APART)):
            if dot is not None:
                # Shares in percent, as in `curves`.
                ends = np.clip([dot.half, dot.half], 0, [dot.mean, 100 - dot.mean])
                axes.errorbar(
                    dot.mean,
                    place + shift,
                    xerr=None if np.isnan(dot.half) else ends[:, None],
                    color=style.ink,
                    marker=style.marker,
                    markersize=6.5,
                    markerfacecolor=fill,
                    linestyle="none",
                    elinewidth=1.1,
                    capsize=2.5,
                )
    axes.set_xlabel(x_label, loc="left")
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.set_yticks(range(len(rows)), ["\n".join(wrap(name)) for name, *_ in rows])
    axes.tick_params(axis="y", labelcolor=palette.COLOURS["ink"][0], pad=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    if x_range is not None:
        axes.set_xlim(*x_range)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def layers(
    axes: Axes, lines: Sequence[Line], names: Sequence[str], *, x_label: str, x_max: float
) -> None:
    """Draws values layer by layer, from the input at the top to the output at the bottom.

    Args:
      axes: Where to draw.
      lines: `x` holds the layer's place, `mean` the value.
      names: The layers' names by place.
      x_label: With its unit.
      x_max: Right limit.
    """
    for line in lines:
        style, colour = line.style, line.style.ink
        axes.plot(
            line.mean,
            line.x,
            color=colour,
            marker=style.marker,
            linestyle=(0, style.dashes) if style.dashes else "-",
            markerfacecolor=palette.COLOURS["paper"][0] if style.hollow else colour,
        )
        if np.isfinite(line.half).any():
            low, high = (line.mean + sign * np.nan_to_num(line.half) for sign in (-1, 1))
            axes.fill_betweenx(line.x, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.set_xlabel(x_label, loc="left")
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.set_yticks(range(len(names)), [_clip(name, 16) for name in names])
    axes.set_ylim(len(names) - 0.6, -0.4)
    axes.set_xlim(-0.02 * x_max, x_max)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def costs(
    axes: Axes,
    points: Sequence[tuple[str, Style, float, Dot]],
    *,
    x_label: str,
) -> None:
    """Draws what is got against what it costs, on a logarithmic axis; named points stand out.

    Args:
      axes: Where to draw.
      points: Name (empty for a point in the background), style, cost, and what is got in percent:
        intervals end at 0 and 100.
      x_label: With its unit.
    """
    named = []
    for name, style, cost, got in points:
        axes.errorbar(
            cost,
            got.mean,
            yerr=None if np.isnan(got.half) else _whiskers(got),
            color=style.ink,
            marker=style.marker,
            markersize=7 if name else 4.5,
            alpha=1.0 if name else 0.55,
            linestyle="none",
            elinewidth=1.1 if name else 0.6,
        )
        if name:
            named.append(Line(name, style, np.array([cost]), np.array([got.mean]), np.array([0.0])))
    axes.set_xlabel(x_label, loc="left")
    axes.set_xscale("log")
    axes.margins(x=0.08, y=0.08)
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(FixedLocator(_apart(_round_ticks(low, high))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: words.short(x)))
    axes.set_xlim(low, high)
    _name_ends(axes, named)


def _whiskers(share: Dot) -> np.ndarray:
    """How far down and up the interval of a share in percent goes, (2, 1)."""
    return np.minimum(share.half, [[share.mean], [100 - share.mean]])


def heat(
    axes: Axes,
    ratios: np.ndarray,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    limit: float,
    set_off: int = 0,
) -> None:
    """Draws ratios as coloured cells: paper at 1, blue below, vermilion above, on a log scale.

    A cell is its hue with an opacity of |log ratio| / log limit, so that on dark paper, too, what
    does not differ from 1 looks like the paper. Its number, in percent, says what the colour does.

    Args:
      axes: Where to draw.
      ratios: Shape (rows, columns); NaN leaves a cell empty.
      rows: Their names, top to bottom.
      columns: Their names, left to right.
      limit: The ratio (and, inverted, the other one) from which colour grows no stronger.
      set_off: How many of the last columns stand apart, in bold: summaries of the others.
    """
    count, gap = len(columns) - set_off, 0.25
    at = [place + gap * (place >= count) for place in range(len(columns))]
    for row, column in np.argwhere(np.isfinite(ratios)).tolist():
        ratio = float(ratios[row, column])
        _shaded(axes, (at[column] - 0.5, row - 0.5), (1.0, 1.0), ratio, limit)
        axes.text(
            at[column],
            row,
            f"{100 * ratio:.0f}",
            ha="center",
            va="center_baseline",
            size=10,
            weight="bold" if column >= count else "normal",
        )
    # The key: what each shade stands for.
    steps = np.geomspace(1 / limit, limit, 9).tolist()
    step = min(1.0, (at[-1] + 1) / len(steps))
    for place, ratio in enumerate(steps):
        _shaded(axes, (place * step - 0.5, len(rows) + 0.2), (step, 0.45), ratio, limit)
    ends = (f"≤ {100 / limit:.0f} %", "100 %", f"≥ {100 * limit:.0f} %")
    for part, words_for_it in enumerate(ends):
        across = len(steps) * step * part / 2 - 0.5
        side = ("left", "center", "right")[part]
        axes.text(across, len(rows) + 0.78, words_for_it, ha=side, va="top", size=10)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xlim(-0.5, at[-1] + 0.5)
    axes.set_ylim(len(rows) + 1.4, -0.5)
    axes.xaxis.tick_top()
    axes.set_xticks(at, columns, rotation=45, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [_clip(name, ROW_NAME) for name in rows])
    axes.tick_params(axis="both", length=0, labelcolor=palette.COLOURS["ink"][0])


def _shaded(
    axes: Axes,
    corner: tuple[float, float],
    size: tuple[float, float],
    ratio: float,
    limit: float,
) -> None:
    """Draws a rectangle in the colour that `heat` gives a ratio."""
    strength = np.log(max(ratio, 1e-9)) / np.log(limit)
    hue = palette.COLOURS["vermilion" if strength > 0 else "blue"][0]
    share = 0.6 * min(abs(strength), 1.0)
    axes.add_patch(Rectangle(corner, *size, facecolor=hue, alpha=share, linewidth=0))


def _head(axes: Axes, panel: Panel, *, indent: int) -> None:
    """Writes title and unit flush with the panel's left edge, `indent` pixels left of the axes."""
    above = 26 if panel.unit else 10
    for text, height, look in (
        (_clip(panel.title, 44), above, {"size": 13, "weight": "bold"}),
        (panel.unit, 10, {"color": palette.COLOURS["muted"][0]}),
    ):
        if text:
            axes.annotate(
                text,
                (0, 1),
                xytext=(-indent, height),
                xycoords="axes fraction",
                textcoords="offset points",
                **look,
            )


def _name_ends(axes: Axes, lines: Sequence[Line]) -> None:
    """Writes each line's name right of the axes at the height of its end, and keeps names apart."""
    lines = [line for line in lines if len(line.x)]
    low, high = axes.get_ylim()
    figure = axes.get_figure(root=True)
    assert figure is not None
    pixels = axes.get_position().height * figure.get_figheight() * _POINTS
    gap = 13.5 / pixels * (high - low)
    order = sorted(lines, key=lambda line: float(line.mean[-1]))
    heights = [float(np.clip(line.mean[-1], low, high)) for line in order]
    for _ in range(50):  # push overlapping neighbours apart, half each, until none overlap
        moved = False
        for index in range(len(heights) - 1):
            lack = gap - (heights[index + 1] - heights[index])
            if lack > 1e-9:
                heights[index] -= lack / 2
                heights[index + 1] += lack / 2
                moved = True
        if not moved:
            break
    for line, height in zip(order, heights, strict=True):
        axes.text(
            1.02,
            (height - low) / (high - low),
            line.label,
            transform=axes.transAxes,
            color=line.style.ink,
            va="center",
        )


def _handle(label: str, style: Style) -> Line2D:
    return Line2D(
        [],
        [],
        label=_clip(label, 42),
        color=style.ink,
        marker=style.marker,
        linestyle=(0, style.dashes) if style.dashes else "-",
        markerfacecolor=palette.COLOURS["paper"][0] if style.hollow else style.ink,
    )


def _round_ticks(low: float, high: float) -> list[float]:
    """Returns round numbers between two: the fewest kinds of which there are three at least.

    >>> _round_ticks(30.0, 4e4), _round_ticks(0.7, 12.0), _round_ticks(88.0, 170.0)
    ([100.0, 1000.0, 10000.0], [1.0, 3.0, 10.0], [100.0, 120.0, 150.0])
    """
    ticks: list[float] = []
    for kinds in ((1,), (1, 3), (1, 2, 5), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)):
        ticks = [kind * 10.0**power for power in range(-4, 14) for kind in kinds]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 3:
            break
    return ticks


def wrap(name: str) -> list[str]:
    """Breaks a name into two lines at the most.

    >>> wrap("LeNet-5 (modern), affine + elastic")
    ['LeNet-5 (modern), affine', '+ elastic']
    """
    lines = textwrap.wrap(
        name, _LINE, max_lines=2, placeholder="…", break_on_hyphens=False, break_long_words=False
    )
    return [_clip(line, _LINE) for line in lines]


def _apart(ticks: Sequence[float]) -> list[float]:
    """Leaves out ticks of a logarithmic axis whose labels would touch; keeps the last."""
    span = np.log(ticks[-1] / ticks[0]) or 1.0
    kept = [ticks[-1]]
    for tick in reversed(ticks[:-1]):
        if np.log(kept[-1] / tick) / span > 0.14:
            kept.append(tick)
    return kept[::-1]


def _clip(text: str, length: int) -> str:
    """Shortens a name in its middle: the ends are what tells it from its neighbours."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head].rstrip()}…{text[len(text) - (length - 1 - head) :].lstrip()}"
