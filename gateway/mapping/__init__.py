"""Whom and what does a file show?

`describe.py` is where to begin: it puts together what templates, mappings and the user say. Which mapping
is for a file is for `select.py`, which object it becomes for `objects.py`, and what was asked for is a
`Description` (`description.py`). Mapping files and templates are read by `language.py`, from YAML nodes
whose texts may have expressions (`expressions.py`, `filters.py`) over the facts in `sources/`. What is to
be set is an assignment (`assignments.py`); `compose.py` makes a data set of them, and `verdict.py` says
what checks have against it.
"""
