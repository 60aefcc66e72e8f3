import jax
import jax.numpy as jnp

from cnnjax import models


def by_layer():
    summary = models.summary(models.build("plain8"), (32, 32, 3))
    return {row.layer: row for row in summary.rows}, summary


def test_parameters_and_work_are_those_of_hand_arithmetic():
    # (channels in, channels out, side of the map) of each convolution.
    layers = [
        *((3, 64, 32), (64, 64, 32)),
        *((64, 128, 16), (128, 128, 16)),
        *((128, 256, 8), (256, 256, 8), (256, 256, 8), (256, 256, 8)),
    ]
    rows, table = by_layer()
    for number, (inputs, outputs, side) in enumerate(layers, 1):
        row = rows[f"conv{number}"]
        assert row.output_shape == (side, side, outputs)
        assert row.parameters == (9 * inputs + 1) * outputs
        assert row.multiply_accumulates == 9 * inputs * outputs * side**2
    convolutions = 1_792 + 36_928 + 73_856 + 147_584 + 295_168 + 3 * 590_080
    assert table.parameters == convolutions + 2_570 == 2_328_138
    work = 1_769_472 + 37_748_736 + 18_874_368 + 37_748_736 + 18_874_368 + 3 * 37_748_736
    assert table.multiply_accumulates == work + 2_560 == 228_264_448


def test_it_averages_over_positions_so_that_any_size_will_do():
    module = models.build("plain8", num_classes=3)
    variables = jax.eval_shape(module.init, jax.random.key(0), jnp.ones((1, 4, 4, 1)))
    logits = jax.eval_shape(module.apply, variables, jnp.ones((2, 9, 12, 1)))
    assert logits.shape == (2, 3)
