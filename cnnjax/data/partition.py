"""Fixed, stratified partitions: the same ones for everybody, on every machine, for ever."""

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64, Integer


def stratified_order(
    labels: Integer[np.ndarray, " count"], *, salt: str
) -> Int64[np.ndarray, " count"]:
    """Returns a fixed random order in which every prefix holds the classes in proportion.

    Within a class, examples are ordered by a hash of their position; the classes are then dealt
    out evenly: the example of rank r among the n of its class goes to (r + ½) / n of the whole.
    So a prefix of k examples holds about k · n / count of each class: up to one where the classes
    are of one size, and less exactly the more their sizes differ (a class of 200 among twenty of 5
    has the first 20 places).

    It uses SHA-256 rather than a generator of NumPy's, whose streams may change with its version.

    Args:
      labels: Classes (count,).
      salt: Names the partition; another salt gives another order.

    Returns:
      A permutation of 0..count−1.

    >>> import numpy as np
    >>> order = stratified_order(np.array([0, 0, 0, 0, 1, 1]), salt="example")
    >>> np.array([0, 0, 0, 0, 1, 1])[order].tolist()
    [0, 1, 0, 0, 1, 0]
    """
    count = len(labels)
    digests = [hashlib.sha256(f"{salt}:{index}".encode()).digest()[:8] for index in range(count)]
    hashes = np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)
    by_class = np.lexsort((hashes, labels))
    _, starts, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    ranks = np.arange(count) - np.repeat(starts, sizes)
    place = (2 * ranks + 1) / np.repeat(2 * sizes, sizes)
    return by_class[np.lexsort((hashes[by_class], place))].astype(np.int64)


def stratified_parts(
    labels: Integer[np.ndarray, " count"], sizes: Sequence[int], *, salt: str
) -> list[Int64[np.ndarray, " _"]]:
    """Returns disjoint sets of positions of the given sizes, and a last one with all the rest.

    Args:
      labels: Classes (count,).
      sizes: How many examples each part but the last one gets; at most count together.
      salt: Names the partition.

    Returns:
      One array of positions more than there are `sizes`, each in stratified order, so that any
      prefix of a part is stratified too.
    """
    return np.split(stratified_order(labels, salt=salt), np.cumsum(sizes))


def carve_validation(
    labels: Integer[np.ndarray, " count"], *, salt: str
) -> tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " validation"]]:
    """Returns which examples of a training set stay in it, and which become its validation split.

    A tenth of them, 5,000 at most and one at least, validate: a fixed stratified choice.

    Args:
      labels: Classes of the training set (count,), at least two examples.
      salt: Names the partition.

    Returns:
      Positions to train on and positions to validate on, each in stratified order.
    """
    size = max(1, min(5_000, len(labels) // 10))
    validation, train = stratified_parts(labels, [size], salt=salt)
    return train, validation
