import functools
import inspect

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnjax import models, nn
from cnnjax.errors import UserError
from cnnjax.models import registry

# FACTS of the literature: name, input, parameters.
PUBLISHED = [
    ("linear", (40, 1), 410),
    ("linear", (28, 28, 1), 7_850),
    ("mlp800", (28, 28, 1), 636_010),
    ("ciresan2", (29, 29, 1), 1_347_510),
    ("ciresan3", (29, 29, 1), 3_269_510),
    ("ciresan4", (29, 29, 1), 6_692_010),
    ("ciresan5", (29, 29, 1), 12_115_010),
    ("ciresan9", (29, 29, 1), 8_860_010),
    ("lenet5", (28, 28, 1), 60_000),
    ("lenet5_modern", (28, 28, 1), 61_706),
    ("mnist1d_mlp", (40, 1), 15_210),
    ("mnist1d_cnn", (40, 1), 5_210),
]
SIGNAL_MODELS = [name for name in models.NAMES if name != "lenet5"]
# Cireşan's nets differ in nothing but their widths, and are large.
TRIED = [name for name in models.NAMES if name not in ("ciresan3", "ciresan4", "ciresan5")]


def shape_of(name):
    return (28, 28, 1) if name == "lenet5" else (16, 1)


@functools.cache
def started(name):
    module = models.build(name, num_classes=7)
    x = jax.random.normal(jax.random.key(1), (3, *shape_of(name)))
    return module, jax.jit(module.init)(jax.random.key(0), x), x


@pytest.mark.parametrize(("name", "shape", "parameters"), PUBLISHED)
def test_parameters_are_those_of_the_literature(name, shape, parameters):
    module = models.build(name)
    assert models.summary(module, shape).parameters == parameters
    variables = jax.eval_shape(module.init, jax.random.key(0), jnp.ones((1, *shape)))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == parameters


@pytest.mark.parametrize("name", TRIED)
def test_logits_are_finite_gradients_reach_every_parameter_and_examples_are_apart(name):
    module, variables, x = started(name)

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def loss(variables, x, labels):
        logits = module.apply(variables, x)
        return -jax.nn.log_softmax(logits)[jnp.arange(3), labels].mean(), logits

    (value, logits), gradients = loss(variables, x, jnp.arange(3))
    assert logits.shape == (3, 7)
    assert np.isfinite(value)
    for path, gradient in jax.tree.leaves_with_path(gradients):
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0, jax.tree_util.keystr(path)
    (_, backwards), _ = loss(variables, x[::-1], jnp.arange(3))
    np.testing.assert_allclose(logits, backwards[::-1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["mlp800", "ladder_local", "ladder_gap", "lenet5"])
def test_members_start_and_run_under_vmap_as_one_after_another(name):
    module, _, x = started(name)

    def member(key):
        return module.apply(module.init(key, x), x)

    keys = jax.random.split(jax.random.key(3), 2)
    together = jax.jit(jax.vmap(member))(keys)
    in_turn = jax.jit(lambda keys: jax.lax.map(member, keys))(keys)
    assert np.abs(together[0] - together[1]).max() > 1e-3
    np.testing.assert_allclose(together, in_turn, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", models.NAMES)
def test_networks_built_alike_are_equal_and_compile_once(name):
    traces = 0

    @functools.partial(jax.jit, static_argnums=0)
    def start(module, key):
        nonlocal traces
        traces += 1
        return jax.eval_shape(module.init, key, jnp.ones((1, *shape_of(name)))) and key

    for _ in range(2):
        start(models.build(name, num_classes=3), jax.random.key(0))
    assert traces == 1
    assert models.build(name, num_classes=3) != models.build(name, num_classes=4)


@pytest.mark.parametrize("name", SIGNAL_MODELS)
@pytest.mark.parametrize("shape", [(40, 1), (12, 16, 2), (12, 12, 12, 1)])
def test_any_number_of_spatial_axes(name, shape):
    x = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    module = models.build(name)
    logits = jax.eval_shape(lambda x: module.init_with_output(jax.random.key(0), x)[0], x)
    assert logits.shape == (2, 10)


@pytest.mark.parametrize("name", models.NAMES)
def test_every_network_and_option_is_told(name):
    told = models.build.__doc__
    stem, _, variant = name.partition("_")
    # Families share a row: "ladder_dense, _local" and "ciresan2, 3".
    family = stem in ("ladder", "mnist1d") and f"_{variant}" in told
    number = name.startswith("ciresan") and f" {name[-1]}" in told
    assert f"| {name} " in told or family or number, f"{name}: tell it in models.build"
    for option in inspect.signature(registry._MODELS[name]).parameters:
        assert option == "num_classes" or f"{option}=" in told, f"{name}: tell of {option}"


def test_networks_are_called_with_train():
    for name in models.NAMES:
        parameters = inspect.signature(type(models.build(name)).__call__).parameters
        assert parameters["train"].default is False


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"model\.name='lenet': did you mean 'lenet5'\?"):
        models.build("lenet")


def test_an_unknown_option_is_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"mlp800='widht': did you mean 'width'\?"):
        models.build("mlp800", widht=3)
    with pytest.raises(UserError, match=r"model\.options\.width: linear has no options"):
        models.build("linear", width=3)
    with pytest.raises(UserError, match="plain8='parent': there is none of that name"):
        models.build("plain8", parent=3)  # every module's own, and no option of a network


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("linear", {"num_classes": 0}, "num_classes=0: expected an integer ≥ 1"),
        ("mlp800", {"width": 0}, r"model\.options\.width=0: expected an integer ≥ 1"),
        ("mlp800", {"width": 2.5}, r"model\.options\.width=2\.5: expected an integer"),
        ("mnist1d_cnn", {"width": True}, r"model\.options\.width=True: expected an integer"),
        ("ciresan2", {"activation": "rely"}, r"activation='rely': did you mean 'relu'\?"),
        ("ladder_gap", {"padding": "VALID"}, r"model\.options\.padding='VALID'"),
        ("ladder_gap", {"budget": -1}, r"model\.options\.budget=-1"),
        (
            "mlp800",
            {"dropout": 1},
            r"model\.options\.dropout=1: expected a number from 0 to below 1",
        ),
        ("ciresan2", {"dropout": "x"}, r"model\.options\.dropout='x': expected a number"),
        ("plain8", {"dropout": True}, r"model\.options\.dropout=True: expected a number"),
        ("plain8", {"batch_norm": 1}, r"model\.options\.batch_norm=1: expected true or false"),
        ("lenet5", {"codes": "train"}, r"codes='train': did you mean 'trainable'\?"),
    ],
)
def test_a_bad_value_is_named_in_one_line(name, options, message):
    with pytest.raises(UserError, match=message) as error:
        models.build(name, **options)
    assert "\n" not in str(error.value)


def test_dropout_silences_hidden_units_in_training_alone():
    module = models.build("mlp800", num_classes=2, width=4000, dropout=0.25)
    x = jnp.ones((1, 6, 1))
    variables = module.init(jax.random.key(0), x)
    kernel = variables["params"]["output"]["kernel"]
    lit = np.maximum(np.ones(6) @ variables["params"]["dense1"]["kernel"], 0)
    np.testing.assert_allclose(module.apply(variables, x), (lit @ kernel)[None], atol=1e-4)

    @jax.jit
    def summed(key):
        # With output weights of 1 the logit is the sum of what is left, divided by 0.75.
        params = {
            **variables["params"],
            "output": {"kernel": jnp.ones((4000, 2)), "bias": jnp.zeros(2)},
        }
        rngs = {"dropout": key}
        return module.apply({"params": params}, x, True, rngs=rngs)[0, 0]

    sums = np.array([summed(key) for key in jax.random.split(jax.random.key(1), 50)])
    deviation = np.sqrt(0.25 / 0.75 * np.sum(lit**2))
    assert abs(sums.mean() - lit.sum()) < 4 * deviation / np.sqrt(50)
    assert 0.7 < sums.std() / deviation < 1.4


def test_published_initialisation_of_ciresan():
    x = jnp.ones((1, 29, 29, 1))
    params = jax.jit(models.build("ciresan2").init)(jax.random.key(0), x)["params"]
    assert np.abs(params["dense1"]["kernel"]).max() > 0.0499
    for layer in params.values():
        for values in layer.values():
            assert np.abs(values).max() <= 0.05
            # The standard deviation of U[−a, a] is a/√3; the output has only ten biases.
            tolerance = 0.5 if values.size < 100 else 0.05
            assert np.std(values) == pytest.approx(0.05 / 3**0.5, rel=tolerance)


@pytest.mark.parametrize("name", ["linear", "mlp800"])
def test_a_multilayer_network_starts_as_told(name):
    # Normal, of variance 2 / fan-in before the activation and 1 / fan-in before the logits.
    x = jnp.ones((1, 24, 24, 1))
    params = jax.jit(models.build(name).init)(jax.random.key(0), x)["params"]
    for layer, values in params.items():
        variance = (1 if layer == "output" else 2) / len(values["kernel"])
        assert np.std(values["kernel"]) == pytest.approx(variance**0.5, rel=0.05)
        np.testing.assert_array_equal(values["bias"], 0)


def test_ciresan_squashes_with_the_published_function():
    module = models.build("ciresan2")
    x = jax.random.normal(jax.random.key(0), (2, 9, 1))
    variables = jax.jit(module.init)(jax.random.key(1), x)
    h = np.asarray(x[..., 0], np.float64)
    for layer in ("dense1", "dense2"):
        weights = variables["params"][layer]
        h = 1.7159 * np.tanh(2 / 3 * (h @ weights["kernel"] + weights["bias"]))
    logits = h @ variables["params"]["output"]["kernel"] + variables["params"]["output"]["bias"]
    np.testing.assert_allclose(module.apply(variables, x), logits, atol=1e-5)


def test_ciresan_with_relu_keeps_the_scale_of_its_signals():
    x = jax.random.normal(jax.random.key(0), (64, 29, 29, 1))
    module = models.build("ciresan9", activation="relu")
    variables = jax.jit(module.init)(jax.random.key(1), x[:1])
    maps = jax.jit(functools.partial(models.feature_maps, module))(variables, x)
    assert 0.5 < float(jnp.std(maps["dense9"])) < 3
    assert not any(np.any(layer["bias"]) for layer in variables["params"].values())


def test_mnist1d_mlp_adds_its_first_hidden_layer_to_its_second():
    module = models.build("mnist1d_mlp")
    x = jax.random.normal(jax.random.key(0), (2, 40, 1))
    params = jax.jit(module.init)(jax.random.key(1), x)["params"]
    w = [params[name] for name in ("dense1", "dense2", "output")]
    h1 = np.maximum(x[..., 0] @ w[0]["kernel"] + w[0]["bias"], 0)
    h2 = h1 + np.maximum(h1 @ w[1]["kernel"] + w[1]["bias"], 0)
    logits = h2 @ w[2]["kernel"] + w[2]["bias"]
    np.testing.assert_allclose(module.apply({"params": params}, x), logits, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("mnist1d_mlp", (40, 1)), ("mnist1d_cnn", (40, 1)), ("mnist1d_cnn", (12, 12, 2))],
)
def test_the_networks_of_mnist1d_start_as_torchs_do(name, shape):
    x = jnp.ones((1, *shape))
    params = jax.jit(models.build(name).init)(jax.random.key(0), x)["params"]
    for layer in params.values():
        bound = np.prod(layer["kernel"].shape[:-1]) ** -0.5  # 1/√fan-in, for the biases too
        for values in layer.values():
            assert np.abs(values).max() <= bound
            tolerance = 0.5 if values.size < 200 else 0.1
            assert np.std(values) == pytest.approx(bound / 3**0.5, rel=tolerance)


def test_mnist1d_cnn_has_the_published_sizes():
    rows = models.summary(models.build("mnist1d_cnn"), (40, 1)).rows
    assert [row.output_shape for row in rows] == [(19, 25), (10, 25), (5, 25), (125,), (10,)]


def test_dropout_free_networks_do_the_same_in_training():
    module, variables, x = started("lenet5_modern")
    np.testing.assert_array_equal(module.apply(variables, x, True), module.apply(variables, x))


@pytest.mark.parametrize("name", models.NAMES)
def test_networks_that_take_no_vectors_name_those_that_do(name):
    module, vectors = models.build(name), jnp.ones((2, 1296))
    taken = ["linear", "mlp800", "ciresan2", "ciresan9", "mnist1d_mlp"]
    if name in taken or name.startswith("ciresan"):
        jax.eval_shape(module.init, jax.random.key(0), vectors)
        return
    with pytest.raises(ValueError, match=rf"x\.shape=\(2, 1296\): {name} expected") as told:
        jax.eval_shape(module.init, jax.random.key(0), vectors)
    assert all(each in str(told.value) for each in taken)
    assert "\n" not in str(told.value)


def test_modules_are_linen_modules_made_of_layers():
    for name in models.NAMES:
        module = models.build(name)
        assert isinstance(module, linen.Module)
        assert not isinstance(module, nn.Layer)
