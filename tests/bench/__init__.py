"""The measurements: what each stage, each process and the whole cost, beside peers, kept to compare with."""
