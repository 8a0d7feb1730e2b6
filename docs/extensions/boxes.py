"""`{did-for-you}`, `{try}` and `{question}`: the boxes around the code on every page."""

import html
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives

from docs import commands, runs
from docs.extensions.directive import BACKENDS, SiteDirective, raw
from shared.errors import UserError

ANSWER = "---"
"""The line between a question and its answer."""


class DidForYou(SiteDirective):
    """What the framework did for you: a list of three, "NumPy: …", "PyTorch: …" and "JAX: …"."""

    optional_arguments = 0

    def run(self) -> list[nodes.Node]:
        parsed = self.parsed(self.content)
        items = list(parsed[0].children) if len(parsed) == 1 else []
        labels = [f"{backend}:" for backend in BACKENDS.values()]
        if [item.astext().split(maxsplit=1)[0] for item in items] != labels:
            return self.wrong(f"{{did-for-you}} is a list of three: {' …, '.join(labels)} …")
        box = nodes.container(classes=["did-for-you"])
        box += nodes.rubric("", "What the framework did for you")
        box += parsed
        return [box]


class Try(SiteDirective):
    """An experiment: a title, a command, and what to look at.

    ```{try} Four steps in numbers
    :command: python -m lessons.attention_steps
    :shows: yes

    Look at the last row of the weights.
    ```

    With `:shows:` the build runs the command and shows its output.
    """

    required_arguments = 1
    optional_arguments = 0
    option_spec: ClassVar = {
        "command": directives.unchanged_required,
        "shows": lambda argument: directives.choice(argument, ("yes", "no", "true")) != "no",
    }

    def run(self) -> list[nodes.Node]:
        if "command" not in self.options:
            return self.wrong("{try}: :command: is missing")
        command = self.options["command"]
        try:
            commands.check_command(command)
        except UserError as error:
            return self.wrong(str(error))
        box = nodes.container(classes=["try"])
        box += nodes.rubric("", f"Try: {self.argument}")
        block = nodes.literal_block(command, command, language="sh")
        box += block
        box += self.parsed(self.content)
        if self.options.get("shows"):
            box += self.output(command)
        return [box]

    def output(self, command: str) -> list[nodes.Node]:
        """The output of the command, folded."""
        try:
            printed = runs.printed(command, run=self.config.minigpt_may_run)
        except UserError as error:
            return self.wrong(str(error))
        if printed is None:
            return self.missing(f"not run yet: {command}")
        note: list[nodes.Node] = []
        if printed.stale:
            note = self.missing(f"what it prints is older than the sources: {command}")
        text = html.escape(printed.text)
        return [
            *note,
            raw(
                f'<details class="output"><summary>What it prints</summary><pre tabindex="0">{text}'
                f"</pre></details>"
            ),
        ]


class Question(SiteDirective):
    """A question, a line of ---, and the answer, which is hidden until the reader opens it."""

    optional_arguments = 0

    def run(self) -> list[nodes.Node]:
        lines = list(self.content)
        if ANSWER not in lines:
            return self.wrong("{question}: put a line of --- before the answer")
        at = lines.index(ANSWER)
        box = nodes.container(classes=["question"])
        box += nodes.rubric("", "A question")
        box += self.parsed(lines[:at])
        box += raw("<details><summary>Show the answer</summary>")
        box += self.parsed(lines[at + 1 :], first=at + 1)
        box += raw("</details>")
        return [box]
