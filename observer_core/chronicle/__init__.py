"""The chronicle: what the hub's view was, second by second, kept in a few small files for post-mortems.

Separate from the journal, which holds what the market said: this holds what an operator would have seen. The hub
writes it, the console's replay reads it; losing it costs nothing but hindsight.
"""
