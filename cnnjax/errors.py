"""The errors that a person who runs a launch can cause, and how they are worded."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake that the person at the terminal can mend.

    Its message is one line: what was wrong, where, and what to do. Launches print it and exit with
    status 2; anything else that is raised is our own mistake and keeps its traceback.
    """


def choose(kind: str, value: str, options: Iterable[str]) -> str:
    """Returns `value` when it is one of `options`.

    Args:
      kind: What is being chosen, as the user would call it, such as "model.name".
      value: What the user wrote.
      options: Every accepted value.

    Returns:
      `value`, unchanged.

    Raises:
      UserError: `value` is none of them; the nearest option is suggested.

    >>> choose("model.name", "lenet5", ["lenet5", "linear"])
    'lenet5'
    >>> choose("model.name", "lenet", ["lenet5", "linear"])
    Traceback (most recent call last):
      ...
    cnnjax.errors.UserError: model.name='lenet': did you mean 'lenet5'? Known: lenet5, linear.
    """
    known = list(options)
    if value in known:
        return value
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(str(value).lower(), lower, n=1)
    hint = f"did you mean {lower[near[0]]!r}? " if near else "there is none of that name. "
    raise UserError(f"{kind}={value!r}: {hint}Known: {', '.join(known)}.")
