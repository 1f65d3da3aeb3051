"""The HTTP server: `python -m colorizer serve`. Needs the extra [serve]."""
