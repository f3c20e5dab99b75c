"""Pacing of calls: back-off, and the rate and connect budgets shared by all processes."""
