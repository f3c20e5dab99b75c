"""Everything of the product that is neither a process tree nor a screen."""
