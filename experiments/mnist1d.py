"""The published MNIST-1D table again, plain and with shuffled positions, beside our intervals.

    python launch.py --config=experiments/mnist1d.py
    python launch.py --config=experiments/mnist1d.py:decay

What shuffling takes away from a network is what its structure had given it: a convolution loses
most of its lead, a dense network nothing. As published: 4,000 training signals, 6,000 updates of
Adam on batches of 100. Validation, 1,000 further signals, chooses the learning rate.

Ten seeds, four minutes on two cores, accuracy in % (published): linear 32.7 ± 0.4 (32), MLP
66.3 ± 1.3 (68), CNN 92.7 ± 0.6 (94); shuffled 32.7 ± 0.4 (32), 65.3 ± 1.1 (68), 57.5 ± 1.6 (56).
The table's 68 is not what its recipe gives: the authors' own notebook
(notebooks/mnist1d-classification.ipynb of their repository, May 2024) prints 65.1 for the MLP and
66.0 for the shuffled one after 6,000 steps, and the recipe written down again in plain PyTorch
(`mnist1d_torch.py`) ends at 64.4 ± 1.2 and 64.4 ± 0.8, ten seeds. Nor is it a matter of when to
stop: on validation (best of the three rates, ten seeds; the test set was not read) the MLP is right
on 62.9, 65.1, 65.3, 65.6 and 65.6 % after 1,000, 2,000, 3,000, 4,500 and 6,000 updates, the
shuffled one on 62.3, 64.6, 64.8, 64.6 and 64.4 %. What the recipe lacks is weight decay. With
`:decay` validation chooses it beside the rate (ten seeds, 720 runs, 27 minutes beside other work;
the test set had been read with other decays): linear 32.7 ± 0.4, MLP 69.2 ± 1.1, CNN 93.7 ± 0.8;
shuffled 32.7 ± 0.4, 68.9 ± 1.3, 59.9 ± 0.8. No one recipe makes both the table's 68 and its 56: on
validation (ten seeds at 1e-2; the test set was not read) the plain networks prefer decays of 0.1
(CNN: 94.6 % of 93.4 without) and 0.3 (MLP: 68.8 of 65.6), and with these the shuffled ones are
right on 59.5 (of 58.2) and 68.4 % (of 64.4).
Of people the table says about 96, and "~30" once the positions are shuffled.
"""

from ml_collections import ConfigDict

from cnnjax import config as configs

SOURCE = "Greydanus & Kobak 2024, Scaling Down Deep Learning with MNIST-1D, arXiv 2011.14439"
PUBLISHED = {
    "mnist1d": {"linear": 32.0, "MLP": 68.0, "CNN": 94.0, "GRU": 91.0, "human": 96.0},
    "mnist1d_shuffled": {"linear": 32.0, "MLP": 68.0, "CNN": 56.0, "GRU": 57.0, "human": 30.0},
}


def get_config(arg: str | None = None) -> ConfigDict:
    """The study as published, or with "decay": of the weights, chosen by validation too."""
    if arg:
        configs.choose("mnist1d.py", arg, ["decay"])
    config = configs.default()
    config.title = "MNIST-1D"
    config.question = (
        "How much of a network's accuracy on signals hangs on the order of the positions?"
    )
    config.batch_size = 100
    config.steps = 6000
    config.optimizer.weight_decay = 0.0
    config.optimizer.schedule = "constant"
    networks = (
        ("linear", "linear", "none"),
        ("mlp", "mnist1d_mlp", "none"),
        ("cnn", "mnist1d_cnn", "structure"),
    )
    for shuffled in (False, True):
        name = "mnist1d_shuffled" if shuffled else "mnist1d"
        for route, model, family in networks:
            label = {"linear": "linear", "mlp": "MLP", "cnn": "CNN"}[route]
            config.routes[f"{route}_shuffled" if shuffled else route] = ConfigDict(
                {
                    "label": f"{label}, shuffled" if shuffled else label,
                    "family": family,
                    "dataset": {"name": name},
                    "model": {"name": model},
                }
            )
    config.published = tuple(
        ConfigDict(
            {
                "label": f"{who}, shuffled" if name == "mnist1d_shuffled" else who,
                "dataset": name,
                "accuracy": accuracy,
                "source": SOURCE,
            }
        )
        for name, row in PUBLISHED.items()
        for who, accuracy in row.items()
    )
    config.sweep = "route=*;seed=0:10;optimizer.learning_rate=3e-3,1e-2,3e-2"
    config.choose = ("optimizer.learning_rate",)
    if arg:
        config.sweep += ";optimizer.weight_decay=0.0,0.1,0.3,1.0"
        config.choose += ("optimizer.weight_decay",)
    return config
