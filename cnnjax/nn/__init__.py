"""Thin Linen modules: they name and initialise parameters and call `cnnjax.ops`.

Every module takes arrays of (batch, *space, channels) with any number of spatial axes and describes
its own cost (`Layer`), so that `models.summary` needs no list of special cases.
"""

from cnnjax.nn.activations import ACTIVATIONS, activation, relu, scaled_tanh
from cnnjax.nn.conv import Conv, LocallyConnected, SparseConv
from cnnjax.nn.dense import Dense, Flatten, RadialBasis
from cnnjax.nn.initialisers import (
    he_normal,
    inverse_root_uniform,
    inverse_uniform,
    lecun_normal,
    symmetric_uniform,
    zeros,
)
from cnnjax.nn.layer import Initialiser, Layer
from cnnjax.nn.pool import AveragePool, BlurPool, GlobalAveragePool, MaxPool, Subsample

__all__ = [
    "ACTIVATIONS",
    "AveragePool",
    "BlurPool",
    "Conv",
    "Dense",
    "Flatten",
    "GlobalAveragePool",
    "Initialiser",
    "Layer",
    "LocallyConnected",
    "MaxPool",
    "RadialBasis",
    "SparseConv",
    "Subsample",
    "activation",
    "he_normal",
    "inverse_root_uniform",
    "inverse_uniform",
    "lecun_normal",
    "relu",
    "scaled_tanh",
    "symmetric_uniform",
    "zeros",
]
