"""How Sphinx builds the documentation."""

from importlib.metadata import version as version_of

project = "whenthen"
author = "the whenthen authors"
copyright = f"2026, {author}"  # noqa: A001  # Sphinx's name
version = release = version_of("whenthen")

extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"whenthen {version}"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
