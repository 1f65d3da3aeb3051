"""Data sets, their pixels and batches: names and folders in, `((l_norm, vector), ab_norm)` out."""
