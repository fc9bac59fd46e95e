"""The object: the dictionary, values and their checks, UIDs, and the forms a data set is written in."""
