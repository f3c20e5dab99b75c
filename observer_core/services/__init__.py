"""The loops that processes run: shards, writers, hub, maintenance."""
