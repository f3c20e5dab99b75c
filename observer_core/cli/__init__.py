"""Command-line programs over the control protocol."""
