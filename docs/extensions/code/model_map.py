"""`{map}`: the architecture; its boxes lead to the pages that explain them. The directive's content
goes beside it. Each of these pages has a small map, with its boxes marked."""

from collections.abc import Callable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from docs.extensions.code.architecture import Architecture
from docs.extensions.directive import SiteDirective, raw
from shared.config import GPTConfig

MODEL = GPTConfig(vocab_size=65, n_layer=1, tie_weights=True)
"""The default preset's model, with one block standing for all."""
PAGES = {
    "embed": "08-the-gpt",
    "h.0.ln_1": "05-layernorm-and-residuals",
    **{f"h.0.attn.{name}": "04-heads" for name in "qkv"},
    **{f"h.0.attn.{name}": "03-attention-in-four-steps" for name in ("scores", "weights", "y")},
    "h.0.attn": "04-heads",
    "h.0.ln_2": "05-layernorm-and-residuals",
    **{f"h.0.mlp{part}": "06-mlp" for part in (".fc", ".act", "")},
    "h.0": "07-the-block",
    "ln_f": "08-the-gpt",
    "logits": "09-loss",
    "probs": "13-sampling-and-the-kv-cache",
}
"""For each value, the page about it."""


class Map(Architecture):
    """The architecture with links, as the page `here` shows it."""

    frame = 'role="navigation" aria-label="the parts of the model, and their pages"'

    def __init__(self, address: Callable[[str], str], here: str = "") -> None:
        self.address, self.here = address, here
        super().__init__(MODEL, {})

    def tap(self, tap: str, label: str, x: float, width: float) -> None:
        page = PAGES[tap]
        current = ' aria-current="page"' if f"pages/{page}" == self.here else ""
        self.box(f'a href="{self.address(page)}"{current}', "tap", label, x, width)


class ModelMap(SiteDirective):
    optional_arguments = 0

    def shown(self) -> list[nodes.Node]:
        picture = Map(addresses(self.env.app, self.env.docname))
        beside = nodes.container("", *self.parsed(self.content), classes=["beside"])
        return [nodes.container("", raw(str(picture)), beside, classes=["hero", "wide"])]


def addresses(app: Sphinx, here: str) -> Callable[[str], str]:
    """The address of a page of the lesson, as seen from the page `here`."""
    return lambda page: app.builder.get_relative_uri(here, f"pages/{page}")


def show_where(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Add the small map, and a link into the trace, to a page about a part. Called by Sphinx."""
    if pagename in {f"pages/{page}" for page in PAGES.values()}:
        picture = Map(addresses(app, pagename), pagename)
        tap = next(tap for tap, page in PAGES.items() if pagename == f"pages/{page}")
        address = app.builder.get_relative_uri(pagename, "trace")
        values = f'<a class="values" href="{address}#{tap}">The values of {tap}, in a sentence</a>'
        context["body"] = f'<div class="where">{picture}{values}</div>{context["body"]}'
