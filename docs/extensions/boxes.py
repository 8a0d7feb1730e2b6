"""`{did-for-you}`, `{try}` and `{question}`: the boxes around the code on every page."""

import html
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives

from docs.commands import check_command
from docs.data import make
from docs.extensions.directive import BACKENDS, PageError, SiteDirective, raw
from docs.producers.printed import printed

ANSWER = "---"
"""The line between a question and its answer."""


class DidForYou(SiteDirective):
    """What the framework did for you: a list of three, "NumPy: …", "PyTorch: …" and "JAX: …"."""

    optional_arguments = 0

    def shown(self) -> list[nodes.Node]:
        parsed = self.parsed(self.content)
        items = list(parsed[0].children) if len(parsed) == 1 else []
        labels = [f"{backend}:" for backend in BACKENDS.values()]
        if [item.astext().split(maxsplit=1)[0] for item in items] != labels:
            raise PageError(f"{{did-for-you}} is a list of three: {' …, '.join(labels)} …")
        return self.box("did-for-you", "What the framework did for you", *parsed)


class Try(SiteDirective):
    """An experiment: a title, a command, and what to look at.

    ```{try} Four steps in numbers
    :command: python -m lessons.attention_steps
    :shows:

    Look at the last row of the weights.
    ```

    With `:shows:` the build runs the command and shows its output.
    """

    option_spec: ClassVar = {"command": directives.unchanged_required, "shows": directives.flag}

    def shown(self) -> list[nodes.Node]:
        if "command" not in self.options:
            raise PageError("{try}: :command: is missing")
        command = self.options["command"]
        check_command(command)
        output = self.output(command) if "shows" in self.options else []
        shown = nodes.literal_block(command, command, language="sh")
        parts = [shown, *self.parsed(self.content), *output]
        return self.box("try", f"Try: {self.argument}", *parts)

    def output(self, command: str) -> list[nodes.Node]:
        producer = printed(command)
        if self.config.minigpt_may_run:
            make([producer])
        product, notes = self.product(producer)
        if product is None:
            return notes
        shown = raw(
            f'<details class="output"><summary>What it prints</summary><pre tabindex="0">'
            f"{html.escape(product.data)}</pre></details>"
        )
        return [*notes, shown]


class Question(SiteDirective):
    """A question, a line of ---, and the answer, which is hidden until the reader opens it."""

    optional_arguments = 0

    def shown(self) -> list[nodes.Node]:
        lines = list(self.content)
        if ANSWER not in lines:
            raise PageError("{question}: put a line of --- before the answer")
        at = lines.index(ANSWER)
        return self.box(
            *("question", "A question"),
            *self.parsed(lines[:at]),
            raw("<details><summary>Show the answer</summary>"),
            *self.parsed(lines[at + 1 :], first=at + 1),
            raw("</details>"),
        )
