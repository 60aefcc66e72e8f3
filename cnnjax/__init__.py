"""Convolutional networks in JAX, and what each route to invariance buys and costs.

The parts, in the order in which they need each other: `ops` (pure functions), `nn` (thin Linen
modules), `models`, `features`, `augment`, `data`, `train`, `invariance`, `report`. Import the part
you need; importing the package itself loads nothing heavy.
"""

__version__ = "0.1.0"
