"""The tests, by shape: unit, properties, contract, integration, process, console, chaos, architecture, bench."""
