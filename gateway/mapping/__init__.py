"""Whom and what does a file show?

`describe.py` is where to begin: it chooses the object template, and puts together what templates,
mappings and the user say. Mapping files and templates are read by `language.py`, from YAML nodes
(`nodes.py`) whose texts may have expressions (`expressions.py`, `filters.py`) over the facts in
`sources/`. What is to be set is an assignment (`assignments.py`); `compose.py` makes a data set of them.
"""
