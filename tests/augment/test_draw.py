import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax.augment import draw


@pytest.mark.parametrize("pair", [(0.25, 2), [0.25, 2], np.array([0.25, 2]), jnp.array([0.25, 2])])
def test_a_pair_may_be_an_array(pair, unchecked):
    assert draw.ends("factor", pair) == (0.25, 2.0)
    for number in (3, np.float32(3), jnp.float32(3), np.array(3)):
        assert draw.ends("factor", number) == (3.0, 3.0)


def test_a_pair_that_falls_is_refused_and_why():
    with pytest.raises(ValueError, match=r"degrees=\(20, -20\): expected .*low ≤ high"):
        draw.ends("degrees", (20, -20))


def test_what_is_traced_is_refused_and_what_may_be_is_named(unchecked):
    with pytest.raises(ValueError, match=r"degrees: expected numbers; .*`strength` may be traced"):
        jax.jit(lambda value: draw.ends("degrees", value)[0])(20.0)


@pytest.mark.parametrize(
    ("value", "strength", "expected"),
    [(0.2, 0, 1), (0.2, 0.5, 0.6), (0.2, 1, 0.2), (0.2, 9, 0.1), (1.8, 0.5, 1.4), (1.8, 9, 2)],
)
def test_a_strength_above_1_ends_where_the_range_must(value, strength, expected):
    how = {"neutral": 1, "least": 0.1, "most": 2}
    drawn = draw.parameter(jax.random.key(0), "factor", value, strength=strength, **how)
    assert drawn == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"factor=3: expected .* within \[0.1, 2\]"):
        draw.parameter(jax.random.key(0), "factor", 3, strength=strength, **how)


def test_at_strength_1_a_parameter_is_its_value_to_the_last_bit_and_has_its_gradient():
    for neutral, values in ((1, np.arange(1, 255) / 255), (8, np.linspace(1, 7, 50))):
        for value in values.tolist():

            def moved(strength, value=value, neutral=neutral):
                return draw.parameter(
                    jax.random.key(0), "factor", value, neutral=neutral, strength=strength
                )

            assert moved(1.0) == np.float32(value)
        assert jax.grad(moved)(1.0) == pytest.approx(values[-1] - neutral)
