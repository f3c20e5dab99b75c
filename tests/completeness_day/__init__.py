"""A trading day compressed into a minute or two, with faults, judged by the exchange's own ledger."""
