"""The sets published as four idx files: what they are called and what their files hash to."""

from typing import NamedTuple

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""The published names, training images and labels first; a file may also end in `.gz`."""


class Known(NamedTuple):
    """One set of idx files.

    Attributes:
      class_names: One name for each label.
      contents: SHA-256 of each of the four `FILES`, decompressed. A compressed file's own hash
        says little: its header holds a name and a time that repackaging changes.
      archives: SHA-256 of each compressed file as its publisher serves it, for a set whose
        decompressed hashes nobody has published; `contents` is empty then.
    """

    class_names: tuple[str, ...]
    contents: tuple[str, ...]
    archives: tuple[str, ...] = ()


KNOWN: dict[str, Known] = {
    "mnist": Known(
        class_names=tuple("0123456789"),
        contents=(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    "fashion_mnist": Known(
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        contents=(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    "kmnist": Known(
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        contents=(),
        archives=(
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
    ),
}


def owner(content: str, archive: str) -> tuple[str, str] | None:
    """Returns the name of the set and of the file that has this hash, or None.

    Args:
      content: SHA-256 of a file's decompressed bytes.
      archive: SHA-256 of the file as it lies there.
    """
    for name, known in KNOWN.items():
        for file, published in zip(FILES, known.contents, strict=False):
            if published == content:
                return name, file
        for file, published in zip(FILES, known.archives, strict=False):
            if published == archive:
                return name, file
    return None
