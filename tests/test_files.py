import pytest

from cnnjax import files


def test_a_replacement_that_fails_leaves_nothing(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), files.replacing(target) as temporary:
        temporary.write_text(str(1 / 0))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
