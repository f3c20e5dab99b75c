"""The choice of symbols for the tick streams: triggers, slots, the ledger of who got none, and mitigation. Pure."""
