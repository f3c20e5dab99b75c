"""Pure market knowledge: sessions, prices, listings, universe rules, sharding."""
