"""Many machines, by Ray: `python -m colorizer cluster`. Needs the extra [ray]; nothing else imports this package."""
