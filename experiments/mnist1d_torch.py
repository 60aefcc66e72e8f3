"""The published recipe of MNIST-1D in plain PyTorch: what its table ought to say.

    python experiments/mnist1d_torch.py --seeds=10

`mnist1d.py` misses one published figure by more than two points, the MLP's 68 % on shuffled
positions. This is to tell whether it is the study that is wrong: the authors' networks and training
loop, written down again without anything of ours but the data. Torch's initialisation,
torch.optim.Adam at a rate of 1e-2, 6,000 updates on batches of 100 in the order of the data, and
the accuracy on the 1,000 test signals after the last.

torch is in the extra `bench`: `pip install -c constraints.txt -e '.[bench]'`.

Ten seeds, eight minutes on one core, accuracy in % (published): linear 31.4 ± 0.1 (32), MLP
64.4 ± 1.2 (68), CNN 93.8 ± 0.6 (94); shuffled 31.4 ± 0.0 (32), 64.4 ± 0.8 (68), 57.1 ± 1.2 (56).

Reference:
  Greydanus and Kobak (2024), Scaling down deep learning with MNIST-1D, arXiv 2011.14439.
"""

import pathlib
import sys

sys.path.pop(0)  # this folder, whose mnist1d.py would stand before the package of that name
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from absl import app, flags
from torch import nn
from tqdm import tqdm

from cnnjax import data
from cnnjax.results import intervals

_SEEDS = flags.DEFINE_integer("seeds", 10, "Seeds of every network.", lower_bound=2)

STEPS, BATCH, RATE = 6000, 100, 1e-2


class MLP(nn.Module):
    """h ← relu(W₁x); h ← h + relu(W₂h); logits W₃h."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(40, 100), nn.Linear(100, 100)
        self.last = nn.Linear(100, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the logits."""
        hidden = self.first(x).relu()
        return self.last(hidden + self.second(hidden).relu())


def linear() -> nn.Module:
    """Logits straight from the signal."""
    return nn.Linear(40, 10)


def cnn() -> nn.Module:
    """Three convolutions of stride 2, then linear."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 40)),
        nn.Conv1d(1, 25, 5, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv1d(25, 25, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv1d(25, 25, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(125, 10),
    )


NETWORKS = {"linear": linear, "MLP": MLP, "CNN": cnn}


def accuracy(name: str, seed: int, dataset: data.Dataset) -> float:
    """Trains one network and returns its accuracy on the test signals, in percent."""
    torch.manual_seed(seed)
    network = NETWORKS[name]()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    signals = torch.tensor(dataset.train.images[..., 0])
    labels = torch.tensor(dataset.train.labels).long()
    batches = list(zip(signals.split(BATCH), labels.split(BATCH), strict=True))
    for step in range(STEPS):
        inputs, targets = batches[step % len(batches)]
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), targets).backward()
        optimizer.step()
    with torch.no_grad():
        guesses = network(torch.tensor(dataset.test.images[..., 0])).argmax(1).numpy()
    return 100 * float(np.mean(guesses == dataset.test.labels))


def main(_: list[str]) -> None:
    """Prints a line for each network and each order of the positions."""
    torch.set_num_threads(1)  # more only wait for each other on networks as small as these
    orders = ("mnist1d", "mnist1d_shuffled")
    with tqdm(total=len(orders) * len(NETWORKS) * _SEEDS.value, unit=" networks") as bar:
        for order in orders:
            dataset = data.load(order, None)
            for name in NETWORKS:
                found = []
                for seed in range(_SEEDS.value):
                    found.append(accuracy(name, seed, dataset))
                    bar.update()
                mean, half, count = intervals.interval(found)
                bar.write(f"{order:17s} {name:7s} {mean:.1f} ± {half:.1f} %, n = {count}")


if __name__ == "__main__":
    app.run(main)
