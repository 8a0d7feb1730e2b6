"""Settings of Sphinx. `python -m docs.build` is how the site is built."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

project = "miniGPT, three ways"
author = "the authors of miniGPT, three ways"
html_title = project
language = "en"

extensions = ["myst_parser", "sphinx_design", "docs.extensions"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["producers", "extensions", "**/__pycache__", "**/.ipynb_checkpoints"]
nitpicky = True

# furo: light and dark, usable with the keyboard and on a phone, prints well, loads nothing from
# other hosts, and its width can be changed, which three columns of code need.
html_theme = "furo"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_favicon = "_static/favicon.svg"
html_css_files = ["site.css", "play.css", "trace.css", "kills.css", "slides.css"]
html_js_files = [(name, {"defer": "defer"}) for name in ("plain.js", "slides.js", "three.js")]
html_use_index = False
html_show_search_summary = False  # a page opened from disk may read no other file
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
html_math_renderer = "mathml"

# In these styles, every colour has a contrast of at least 4.5 against its background.
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
