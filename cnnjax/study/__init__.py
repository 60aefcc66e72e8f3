"""One launch, from its runs to its page: plan, train, measure, draw.

`flow.run` is the whole of it. `planning` says what each group of runs needs, `train.loop` trains
it, `evaluation` reads off what is measured, `pictures` keeps what the report draws; `preview` and
`progress` tell how long it takes.
"""

from cnnjax.study.flow import run

__all__ = ["run"]
