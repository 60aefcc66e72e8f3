import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from cnnjax.data.partition import carve_validation, stratified_order, stratified_parts

labels_of_all_kinds = st.lists(st.integers(0, 4), min_size=2, max_size=120).map(np.array)


@given(labels_of_all_kinds)
def test_every_prefix_holds_the_classes_in_proportion(labels):
    order = stratified_order(labels, salt="test")
    assert sorted(order) == list(range(len(labels)))
    for kind in np.unique(labels):
        seen = np.cumsum(labels[order] == kind)
        share = np.mean(labels == kind)
        assert np.all(np.abs(seen - share * np.arange(1, len(labels) + 1)) <= 1 + 1e-9)


@given(labels_of_all_kinds, st.data())
def test_parts_are_disjoint_and_complete(labels, data):
    first = data.draw(st.integers(0, len(labels)))
    second = data.draw(st.integers(0, len(labels) - first))
    parts = stratified_parts(labels, [first, second], salt="test")
    assert [len(part) for part in parts] == [first, second, len(labels) - first - second]
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))


def test_order_depends_on_the_salt_and_on_nothing_else():
    labels = np.arange(50) % 5
    order = stratified_order(labels, salt="one")
    np.random.seed(7)  # noqa: NPY002
    np.testing.assert_array_equal(order, stratified_order(labels, salt="one"))
    assert np.any(order != stratified_order(labels, salt="two"))


def test_order_stays_what_it_was():
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    assert stratified_order(labels, salt="golden").tolist() == [9, 4, 5, 3, 1, 2, 0, 8, 7, 6]


def test_within_a_class_the_order_is_not_that_of_the_file():
    order = stratified_order(np.zeros(1000, int), salt="test")
    # Ranks of a random permutation correlate by about 1/√1000 with the positions.
    assert abs(np.corrcoef(order, np.arange(1000))[0, 1]) < 0.15


def test_validation_is_a_tenth_and_five_thousand_at_most():
    for count, size in ((20, 2), (999, 99), (60_000, 5_000), (5, 1)):
        train, validation = carve_validation(np.arange(count) % 10, salt="test")
        assert (len(train), len(validation)) == (count - size, size)
