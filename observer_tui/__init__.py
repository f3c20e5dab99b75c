"""The console: a Textual client of a running supervisor, never needed for collection."""
