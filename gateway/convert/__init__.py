"""Other forms of pixels and streams, for files that cannot go into an object as they are.

Formats say what has to be done; it is done here, when the object is built, in files of a `Workshop`.
Imported by formats/ only; imports nothing above config.py, walk.py and the model.
"""
