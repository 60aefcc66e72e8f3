"""Sets that tensorflow-datasets has prepared as array_record, read without TensorFlow.

Only directories that are already there are opened, straight from their own metadata, so that
nothing is ever downloaded and no builder's code is run.
"""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from cnnjax.data import published
from cnnjax.data.dataset import Dataset, Split, split
from cnnjax.data.directories import FORMAT
from cnnjax.data.idx_folder import assemble
from cnnjax.data.known import KNOWN
from cnnjax.data.partition import carve_validation, stratified_parts
from cnnjax.errors import UserError


def load(name: str, directory: Path) -> Dataset:
    """Returns the prepared set in `directory` with train, validation and test splits.

    The splits `train`, `validation` and `test` are taken as they are. Without a test split, the
    validation split is the test set, and without either, a fixed stratified fifth of the examples
    is. When no validation split is left, it is carved from the training set. Sets published as idx
    files are put back into their published order, and checked by their hashes.

    Args:
      name: The name it was asked for by.
      directory: NAME[/CONFIG]/VERSION as from `find`.

    Returns:
      The data set.

    Raises:
      UserError: It is no image-classification set of bytes, its images differ in size, it is
        damaged, or it does not hold what it says.
    """
    builder = _open(directory)
    image_key, label_key = _keys(name, directory, builder.info)
    label_feature = builder.info.features[label_key]
    source = f"prepared by tensorflow-datasets in {directory}"

    def read(part: str) -> tuple[np.ndarray, np.ndarray]:
        return _read(builder, part, image_key, label_key, directory)

    if name in KNOWN:
        parts = {part: _published_order(part, *read(part)) for part in ("train", "test")}
        published.check_contents(name, [*parts["train"], *parts["test"]], where=directory)
        return assemble(
            name,
            *parts["train"],
            *parts["test"],
            class_names=KNOWN[name].class_names,
            source=source,
        )

    train, validation, test = _three(name, read, set(builder.info.splits), directory)
    for other in (validation, test):
        if other.images.shape[1:] != train.images.shape[1:]:
            raise _varied(str(directory), train.images[0], other.images[0])
    return Dataset(
        name=name,
        train=train,
        validation=validation,
        test=test,
        num_classes=label_feature.num_classes,
        class_names=tuple(label_feature.names),
        source=source,
    )


def _open(directory: Path) -> Any:
    """Returns the read-only builder of a prepared directory."""
    import tensorflow_datasets as tfds

    try:
        return tfds.builder_from_directory(directory, file_format=FORMAT)
    except Exception as error:  # whatever its metadata's parser trips over
        raise UserError(f"{directory}: cannot be opened: {first_line(error)}") from error


def _keys(name: str, directory: Path, info: Any) -> tuple[str, str]:
    """Returns the names of the image's and the label's features."""
    import tensorflow_datasets as tfds

    image_key, label_key = info.supervised_keys or ("image", "label")
    features = info.features

    def has(key: object, kind: type) -> bool:
        return isinstance(key, str) and key in features and isinstance(features[key], kind)

    fits = (
        isinstance(features, tfds.features.FeaturesDict)
        and has(image_key, tfds.features.Image)
        and has(label_key, tfds.features.ClassLabel)
    )
    if not fits:
        raise UserError(
            f"{name} in {directory}: no image-classification set: expected one image and one class "
            f"label for each example, and it has {', '.join(features)}."
        )
    if np.dtype(features[image_key].np_dtype) != np.uint8:
        raise UserError(
            f"{name} in {directory}: pixels of {features[image_key].np_dtype}, expected uint8."
        )
    return image_key, label_key


def _read(
    builder: Any, part: str, image_key: str, label_key: str, directory: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the images and the labels of one split in the order in which they lie there."""
    import tensorflow_datasets as tfds

    told = builder.info.features[image_key].shape
    num_classes = builder.info.features[label_key].num_classes
    where = f"{directory} ({part})"
    images: list[np.ndarray] = []
    labels: list[int] = []
    try:
        # Pillow decodes here rather than there, where it would ask for OpenCV.
        examples = builder.as_data_source(
            split=part, decoders={image_key: tfds.decode.SkipDecoding()}
        )
        for example in examples:
            image = _pixels(example[image_key], told[-1], where)
            if any(
                expected not in (None, n) for expected, n in zip(told, image.shape, strict=True)
            ):
                raise UserError(
                    f"{where}: an image of {_size(image.shape)}: expected {_size(told)}."
                )
            if images and image.shape != images[0].shape:
                raise _varied(where, images[0], image)
            images.append(image)
            labels.append(int(example[label_key]))
        _check_counts(builder.info.splits[part])
    except UserError:
        raise
    except Exception as error:  # the readers of records, messages and pixels each have their own
        raise UserError(
            f"{where}: corrupt: {first_line(error)}; remove the directory and prepare it again."
        ) from error
    if not images:
        raise UserError(f"{where}: no examples.")
    array = np.array(labels)
    if array.min() < 0 or array.max() >= num_classes:
        raise UserError(
            f"{where}: labels from {array.min()} to {array.max()}, expected 0 to {num_classes - 1}."
        )
    return np.stack(images), array


def _check_counts(info: Any) -> None:
    """Refuses a shard that holds more than its metadata say: a reader takes as many as these."""
    from array_record.python.array_record_module import ArrayRecordReader

    for path, promised in zip(info.filepaths, info.shard_lengths, strict=True):
        if ArrayRecordReader(str(path)).num_records() != promised:
            raise ValueError(f"{path.name} does not hold the {promised} examples of the metadata")


def _pixels(encoded: bytes, channels: int | None, where: str) -> np.ndarray:
    """Returns the pixels (height, width, channels) of a compressed image."""
    from PIL import Image

    with Image.open(io.BytesIO(encoded)) as image:
        if image.mode[0] in "IF":  # converting would cut every pixel off at 255
            raise UserError(f"{where}: pixels of more than 8 bits, expected uint8.")
        mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(channels or 3, image.mode)
        pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels.reshape(*pixels.shape[:2], -1)


def _size(shape: tuple[int | None, ...]) -> str:
    return "×".join("?" if n is None else str(n) for n in shape)


def _varied(where: str, one: np.ndarray, another: np.ndarray) -> UserError:
    """Returns the error for images that do not fit into one array."""
    sizes = " and ".join(_size(image.shape) for image in (one, another))
    return UserError(
        f"{where}: images of varied size ({sizes}); only sets whose images are all of one size can "
        "be loaded."
    )


def first_line(error: Exception) -> str:
    """Returns the kind of an error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _three(name: str, read: Any, parts: set[str], directory: Path) -> tuple[Split, Split, Split]:
    """Returns train, validation and test, carving what is missing."""
    if "train" not in parts:
        raise UserError(f"{directory}: no split 'train', only {', '.join(sorted(parts))}.")
    images, labels = read("train")
    if "test" in parts:
        test = split(*read("test"))
    elif "validation" in parts:
        test = split(*read("validation"))
    else:
        held, kept = stratified_parts(labels, [max(1, len(labels) // 5)], salt=f"{name} test")
        test = split(images[held], labels[held])
        images, labels = images[kept], labels[kept]
    if {"test", "validation"} <= parts:
        return split(images, labels), split(*read("validation")), test
    if len(labels) < 2:
        raise UserError(
            f"{directory}: {len(labels)} examples to train on: expected at least two, of which one "
            "validates."
        )
    train, validation = carve_validation(labels, salt=name)
    return split(images[train], labels[train]), split(images[validation], labels[validation]), test


def _published_order(
    part: str, images: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the examples of a split in the order in which they were published.

    Preparing a set sorts its examples by the MD5 of the split's name followed by the example's key,
    and the key of these sets is the position in the published file.
    """
    count = len(labels)
    keys = [hashlib.md5(f"{part}{index}".encode()).digest() for index in range(count)]
    disk_order = np.array(sorted(range(count), key=keys.__getitem__))
    published_images, published_labels = np.empty_like(images), np.empty_like(labels)
    published_images[disk_order] = images
    published_labels[disk_order] = labels
    return published_images, published_labels
