"""Configuration of the documentation site: ``sphinx-build -W --keep-going docs OUTPUT`` builds it, offline.

Needs the extra ``docs``. Pages are Markdown (MyST), so that they read well in the repository, too; the notebooks under
``teaching/notebooks`` are run while the site is built, and an error in one of them fails the build.
"""

from pytest_calsim import __version__

project = "pytest-calsim"
author = "pytest-calsim maintainers"
copyright = author
version = __version__
release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["examples"]

# --- pages -----------------------------------------------------------------------------------------------------------

myst_heading_anchors = 4

# --- notebooks -------------------------------------------------------------------------------------------------------

nb_execution_mode = "force"  # a cache would not notice that the package has changed
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_ipywidgets_js = {}  # the default fetches scripts from the network
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]  # sliders need a kernel
nb_code_prompt_show = "Show how"  # the code that is hidden finds the answer to an exercise
nb_code_prompt_hide = "Hide how"
nb_merge_streams = True

# --- reference -------------------------------------------------------------------------------------------------------

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = False

# --- looks -----------------------------------------------------------------------------------------------------------

highlight_language = "none"  # a block that names no language is what a command printed
html_theme = "furo"
html_title = f"pytest-calsim {release}"
html_static_path = ["assets"]
html_css_files = ["site.css"]
html_show_sourcelink = False
