"""Training: the state of a member, its update, the loop over a group, checkpoints.

Start with `loop.train`; `step.update` is one update of one member.
"""

from cnnjax.train.checkpoint import Checkpoints
from cnnjax.train.loop import Prepared, Progress, Trained, initial, prepare, train
from cnnjax.train.state import Hyper, Keys, State, keys
from cnnjax.train.step import Examples, Recipe, cross_entropy, train_steps, update

__all__ = [
    "Checkpoints",
    "Examples",
    "Hyper",
    "Keys",
    "Prepared",
    "Progress",
    "Recipe",
    "State",
    "Trained",
    "cross_entropy",
    "initial",
    "keys",
    "prepare",
    "train",
    "train_steps",
    "update",
]
