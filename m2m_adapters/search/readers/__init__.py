"""Read vectors that were not made by `m2m index`: files, folders and databases, piece by piece."""
