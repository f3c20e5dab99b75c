"""Tests on a real container engine; each is skipped where none answers, which the report says."""
