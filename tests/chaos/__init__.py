"""Seeded faults over the running system, judged by the books; and the control that proves the books can turn red."""
