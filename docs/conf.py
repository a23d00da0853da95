"""How Sphinx builds these pages: `make docs`."""

project = "Altiplano"
author = "the authors of Altiplano"
html_title = "Altiplano"
extensions = ["myst_parser"]
myst_heading_anchors = 3
# Tables of measurements are wide; the theme's side bar on the right is for headings only.
html_theme = "furo"
html_static_path: list[str] = []
exclude_patterns = ["_build"]
