"""The books: an independent reading of what was sent, archived and covered by gap records.

Imports nothing of the path it checks (journal, sinks, messages), so that a mistake there cannot excuse itself here.
"""
