"""Tables as files: reading them row by row, and an index on disk that finds a row by its key.

    path + Layout -> Sheet (columns, lines) -> rows with keys -> index on disk -> Row

A reader gives cells as they stand there, one line at a time, and numbers the lines as their user sees
them. What is wrong with one row makes that row useless and no other; what is wrong with all of them is
a `BadTable`.
"""
