"""The web page: `python -m colorizer app`. Needs the extra [app]."""
