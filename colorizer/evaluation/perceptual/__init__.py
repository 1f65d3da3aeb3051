"""Measures of what people see, beside squared errors: a classifier's view of colored pictures, and blotches."""
