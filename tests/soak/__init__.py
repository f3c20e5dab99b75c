"""Long runs of the collecting tree against the simulated broker's limits."""
