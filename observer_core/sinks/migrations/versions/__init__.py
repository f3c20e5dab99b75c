"""One module per schema revision; each runs SQL files of `observer_core.sinks.sql`."""
