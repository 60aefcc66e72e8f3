"""Tables → figures → one HTML page: what a launch found, for a person who opens it in a browser.

`write(workdir)` reads the files that a launch leaves (results.parquet and, where they are there,
equivariance.parquet, predictions.parquet, pictures.npz, config.json, environment.json) and nothing
else, and leaves figures/ and a self-contained report.html beside them.
"""

from cnnjax.report.page import write

__all__ = ["write"]
