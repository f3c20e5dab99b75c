"""Read-only HTTP for health checks and metrics."""
