"""The directives of the pages: those that belong together in one file."""

from sphinx.application import Sphinx

from docs.extensions import boxes, figures, live, mathml, notebook, trace
from docs.extensions.code import columns, model_map
from docs.extensions.proofs import kills, mutant, proof


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_config_value("minigpt_may_run", True, "env", bool)
    app.add_directive("three", columns.Three)
    app.add_directive("excerpt", columns.OneExcerpt)
    app.add_directive("did-for-you", boxes.DidForYou)
    app.add_directive("try", boxes.Try)
    app.add_directive("question", boxes.Question)
    app.add_directive("conformance", proof.Conformance)
    app.add_directive("mutant", mutant.PlantedBug)
    app.add_directive("run-figure", figures.RunFigure)
    app.add_directive("play", figures.Play)
    app.add_directive("trace", trace.Trace)
    app.add_directive("live", live.Live)
    app.add_directive("map", model_map.ModelMap)
    app.add_directive("kill-matrix", kills.KillMatrix)
    app.add_source_suffix(".ipynb", "markdown")
    app.connect("source-read", notebook.as_markdown)
    mathml.setup(app)
    app.connect("html-page-context", figures.add_scripts)
    app.connect("html-page-context", model_map.show_where)
    app.connect("build-finished", live.write_model)
    return {"parallel_read_safe": False}
