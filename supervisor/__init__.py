"""The process tree: states, policy, spawning and signals of Observer's children."""
