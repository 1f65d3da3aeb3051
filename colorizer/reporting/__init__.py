"""Tables, figures and pages, from records and scores."""
