"""One module per group of pages; each lists its handlers as `HANDLERS`, and `admin.app` puts them together."""
