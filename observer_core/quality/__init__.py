"""Pure judgement of observations: validation, guards, outages, completeness."""
