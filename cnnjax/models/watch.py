"""Listening to a network while it runs: every layer, in the order in which they finish."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flax.linen as linen
import jax


@dataclasses.dataclass
class Call:
    """One call of one module.

    Attributes:
      name: Its path in the network, joined by slashes; for the network itself, its class's name.
      module: The module.
      input: Its first argument; None if it takes none.
      output: What it returned.
      leaf: Whether it called no other module.
      parameters: The number of parameters that it owns itself, not through its submodules.
    """

    name: str
    module: linen.Module
    input: Any
    output: Any
    leaf: bool
    parameters: int


@contextmanager
def watch() -> Iterator[list[Call]]:
    """Records the calls of every module that runs inside the block.

    Yields:
      A list that fills with calls, each entered when it returns; a module that is called again gets
      "#2" after its name and owns no parameters the second time.
    """
    calls: list[Call] = []
    seen: dict[str, int] = {}

    def intercept(next_function: Any, args: Any, kwargs: Any, context: Any) -> Any:
        if context.method_name != "__call__":
            return next_function(*args, **kwargs)
        before = len(calls)
        output = next_function(*args, **kwargs)
        path = "/".join(context.module.path) or type(context.module).__name__
        seen[path] = seen.get(path, 0) + 1
        again = seen[path] > 1
        calls.append(
            Call(
                name=f"{path}#{seen[path]}" if again else path,
                module=context.module,
                input=args[0] if args else next(iter(kwargs.values()), None),
                output=output,
                leaf=len(calls) == before,
                parameters=0 if again else _own_parameters(context.module),
            )
        )
        return output

    with linen.intercept_methods(intercept):
        yield calls


def _own_parameters(module: linen.Module) -> int:
    """Direct entries of the module's scope are its parameters; dicts belong to its submodules."""
    own = module.variables.get("params", {}).values()
    return sum(jax.numpy.size(value) for value in own if hasattr(value, "shape"))
