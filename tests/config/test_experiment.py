"""Experiment files, run and named, and the line of what is wrong in one."""

import pytest

from cnnjax import config as configs
from cnnjax.errors import UserError


def write(folder, body: str) -> str:
    path = folder / "study.py"
    path.write_text("from cnnjax import config as configs\n\n\ndef get_config(arg=None):\n" + body)
    return str(path)


def test_an_experiment_is_loaded_and_named(tmp_path):
    source = write(
        tmp_path, "    config = configs.default()\n    config.title = str(arg)\n    return config\n"
    )
    assert (configs.load(source).name, configs.load(source).title) == ("study", "None")
    config = configs.load(source + ":one two/3")
    assert (config.name, config.title) == ("study-one_two_3", "one two/3")


def test_a_missing_experiment_suggests_its_neighbour(tmp_path):
    source = write(tmp_path, "    return configs.default()\n")
    with pytest.raises(UserError, match=r"there is no file .*; did you mean .*study\.py\?"):
        configs.load(source.replace("study", "studdy") + ":arg")
    (tmp_path / "speed.py").write_text("print('a script that defines no experiment')")
    with pytest.raises(UserError, match=r"there is no file .*speeds\.py; --list shows the exper"):
        configs.load(str(tmp_path / "speeds.py"))


def test_a_misspelt_field_in_an_experiment_names_the_line(tmp_path):
    source = write(
        tmp_path, "    config = configs.default()\n    config.optimizer.learning_rat = 1\n"
    )
    with pytest.raises(
        UserError, match=r"study\.py:6: .*'learning_rat'; did you mean 'opt"
    ) as error:
        configs.load(source)
    assert "\n" not in str(error.value)


def test_the_line_is_named_of_a_relative_path_too(tmp_path, monkeypatch):
    write(tmp_path, "    config = configs.default()\n    config.optimizer.learning_rat = 1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^study\.py:6: "):
        configs.load("study.py")


def test_a_value_of_another_type_in_an_experiment_names_the_line(tmp_path):
    source = write(tmp_path, "    config = configs.default()\n    config.batch_size = 'many'\n")
    with pytest.raises(UserError, match=r"study\.py:6: .*batch_size"):
        configs.load(source)


def test_other_errors_of_an_experiment_stay_what_they_are(tmp_path):
    with pytest.raises(AttributeError, match="no_such_function"):
        configs.load(write(tmp_path, "    return configs.no_such_function()\n"))


@pytest.mark.parametrize("body", ["    return 5\n", "    return None\n"])
def test_an_experiment_must_give_a_configuration(tmp_path, body):
    with pytest.raises(UserError, match="expected a ConfigDict"):
        configs.load(write(tmp_path, body))


def test_a_file_without_get_config_is_no_experiment(tmp_path):
    (tmp_path / "study.py").write_text("x = 1\n")
    with pytest.raises(UserError, match=r"does not define get_config"):
        configs.load(str(tmp_path / "study.py"))


@pytest.mark.parametrize(
    ("parameters", "colon", "told"),
    [("", ":foo", "takes no argument"), ("arg", "", "expects an argument, as in .*:ARG")],
)
def test_an_argument_that_an_experiment_does_not_take(tmp_path, parameters, colon, told):
    path = tmp_path / "own.py"
    path.write_text(f"def get_config({parameters}):\n    raise AssertionError\n")
    with pytest.raises(UserError, match=rf"^--config={path}{colon}: {path} {told}$"):
        configs.load(f"{path}{colon}")
