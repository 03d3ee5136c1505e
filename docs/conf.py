"""The documentation's site: `make docs` builds it from nothing, without a network."""

import os
import sys
from pathlib import Path

import discretevae

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))

# Commands and notebooks run in this environment, on one thread each, with nothing that moves.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ |= {"COLUMNS": "80", "PYTHONWARNINGS": "ignore", "NO_COLOR": "1", "TTY_COMPATIBLE": "0"}

project = "discretevae"
author = "The discretevae authors"
project_copyright = "The discretevae authors, Apache-2.0"
version = release = discretevae.__version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml",
    "commands",
    "public_names",
    "result_pages",
    "shell_cells",
]
exclude_patterns = ["_build", "static", "interactive", "extensions", "images", "**/README.md"]
default_role = "code"
nitpicky = False

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
nb_execution_mode = os.environ.get("DOCS_EXECUTE", "force")
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 900
nb_merge_streams = True
nb_execution_show_tb = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
add_module_names = False

html_title = "discretevae"
html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["frames.js"]
html_extra_path = ["interactive"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_last_updated_fmt = None
html_theme_options = {"navigation_with_keys": True}
