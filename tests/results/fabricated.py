"""Rows of a launch's tables, made up."""

import pandas as pd

from cnnjax import results

SAMPLE = {"str": "word", "int64": 3, "float64": 0.5, "bool": True}


def row(**fields) -> dict:
    """A row of results.parquet with every column of its schema."""
    plain = {name: SAMPLE[kind] for name, kind in results.SCHEMA.items()}
    known = {
        "group": "g",
        "route": "r",
        "label": "R",
        "family": "none",
        "status": "done",
        "initial": False,
        "transformation": "none",
        "magnitude": 0.0,
        "accuracy": 0.9,
        "errors": 10.0,
    }
    return plain | known | fields


def table(*rows: dict) -> pd.DataFrame:
    return pd.DataFrame(list(rows))[list(results.SCHEMA)].astype(results.SCHEMA)


def curve(**fields) -> list[dict]:
    """A member whose accuracy falls from 0.8 to 0.4 over the rotations, and not over the shears."""
    falling = {0.0: 0.8, 10.0: 0.6, 20.0: 0.4}
    rotated = [
        row(transformation="rotation", magnitude=m, accuracy=a) for m, a in falling.items() if m
    ]
    sheared = [row(transformation="shear", magnitude=m, accuracy=0.8) for m in (0.1, 0.2)]
    return [each | fields for each in [row(accuracy=0.8), *rotated, *sheared]]
