"""The dashboard: an HTTP API over stores, the page that shows it, and pages that need no server."""
