"""Which route to invariance withstands corruptions that nobody trained it for?

python launch.py --config=experiments/corruptions.py
python launch.py --config=experiments/corruptions.py:mnist --data_dir=DIR
python launch.py --config=experiments/corruptions.py:fashion_mnist --data_dir=DIR
"""

import pathlib

from ml_collections import ConfigDict

from cnnjax import config as configs

DATA = ("digits", "mnist", "fashion_mnist")
STUDY = pathlib.Path(__file__).with_name("invariance.py")

# Training with the policies that practitioners reach for against corruptions, at the strength that
# their papers settled on: magnitude 9 of 30, severity 3 of 10.
STRENGTH = 0.3
POLICIES = {
    "mlp_randaugment": ("MLP + RandAugment", "training", "mlp800", "randaugment"),
    "mlp_augmix": ("MLP + AugMix", "training", "mlp800", "augmix"),
    "lenet5_randaugment": ("LeNet-5 + RandAugment", "combined", "lenet5_modern", "randaugment"),
    "lenet5_augmix": ("LeNet-5 + AugMix", "combined", "lenet5_modern", "augmix"),
}


def get_config(arg: str | None = None) -> ConfigDict:
    """The networks of the first study on one data set: "digits", "mnist" or "fashion_mnist"."""
    from cnnjax import invariance  # late: it brings JAX

    data = configs.choose("corruptions.py", arg or "digits", DATA)
    config = configs.load(f"{STUDY}:{data}")
    config.name = ""
    config.title = "Routes to robustness"
    config.question = (
        "What do structure, training and features each buy against corruptions that none of the "
        "networks was trained for?"
    )
    for route, (label, family, network, policy) in POLICIES.items():
        config.routes[route] = ConfigDict(
            {
                "label": label,
                "family": family,
                "model": {"name": network},
                "augment": {"name": policy, "strength": STRENGTH},
            }
        )
    for name in invariance.CORRUPTIONS:
        config.invariance.corruptions[name] = invariance.SEVERITIES
    config.invariance.initial = False
    config.invariance.equivariance = False
    config.sweep = "route=*;seed=0:3;optimizer.learning_rate=1e-3,6e-3"
    return config
