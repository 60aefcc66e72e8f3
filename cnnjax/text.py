"""Tables as text."""

from collections.abc import Container, Sequence


def aligned(lines: Sequence[Sequence[str]], *, left: Container[int]) -> list[str]:
    """Pads cells so that columns line up: words to the left, figures to the right.

    Args:
      lines: The cells, line by line; every line has as many.
      left: Numbers of the columns that hold words.

    Returns:
      A string a line, without blanks at its end.

    >>> aligned([("layer", "weights"), ("output", "410")], left=(0,))
    ['layer   weights', 'output      410']
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def rule(rows: Sequence[str]) -> str:
    """Returns a line as long as the longest row.

    >>> rule(["ab", "abcd"])
    '────'
    """
    return "─" * max(map(len, rows))
