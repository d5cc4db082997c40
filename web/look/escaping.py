"""How templates write what they are given: escaped as MarkupSafe does, without its detours.

Jinja passes every expression through `markupsafe.escape`, which makes a new `Markup` of each, though what is written is
only joined. A page of the queue writes three thousand; leaving that out halves the time it takes to draw.
"""

from __future__ import annotations

import re
from typing import Any

from jinja2 import Environment
from jinja2.compiler import CodeGenerator
from markupsafe import Markup, escape

_special = re.compile("[&<>'\"]").search


def written(value: Any) -> str:
    """A value as it stands in a page.

    >>> written("a & b"), written(Markup("<b>")), written(3), written(None)
    (Markup('a &amp; b'), Markup('<b>'), '3', Markup('None'))
    """
    kind = type(value)
    if kind is str:
        return escape(value) if _special(value) else value
    if kind is Markup:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return str(value)
    return escape(value)


class Writing(CodeGenerator):
    """Makes templates call `written` where they would call `escape`."""

    def _output_child_pre(self, node: Any, frame: Any, finalize: Any) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.written(")


class PageEnvironment(Environment):
    """The environment of pages."""

    code_generator_class = Writing
    written = staticmethod(written)
