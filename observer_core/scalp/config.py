"""`scalp.toml`: the operators' triggers, slots and mitigation. Pure.

Every problem is named with its line. The file must end with its table [mitigation]: a file cut off at the end of a
line would otherwise be a valid file with other rules.
"""

import msgspec

from observer_core.market.toml_lines import ConfigFileError, Problem, TomlDocument, located
from observer_core.scalp.mitigation import MitigationRules
from observer_core.scalp.slots import SlotRules
from observer_core.scalp.triggers import TriggerRules


class ScalpRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of the file."""

    slots: SlotRules = SlotRules()
    triggers: TriggerRules = TriggerRules()
    mitigation: MitigationRules = MitigationRules()


TABLES = ("slots", "triggers", "mitigation")
TEMPLATE = """\
# Which symbols get the tick slots. Saved changes are checked and applied at once, without a restart; a file with a
# mistake changes nothing. A score is what was measured over the threshold, times the weight.
[slots]
dwell_s = 120                   # so long a symbol keeps its slot whatever comes
margin = 1.25                   # a candidate must exceed the weakest holder by this factor
half_life_s = 600               # in this time a score loses half of its worth
barred_s = 600                  # a symbol that the broker refused is no candidate for so long

[triggers.volume_surge]         # volume a second, times the symbol's own usual
enabled = true
threshold = 4.0
window_s = 60
repeat_s = 30                   # the same symbol is no candidate by the same trigger again before so long
weight = 1.0
usual_s = 900                   # how far back the usual reaches
minimum_value = 50_000_000      # KRW within the window

[triggers.trade_velocity]       # executions a second; of symbols in a slot only, sweeps do not count them
enabled = true
threshold = 10.0
window_s = 10
repeat_s = 30
weight = 1.0

[triggers.volatility_spike]     # range of prices within the window, per cent
enabled = true
threshold = 1.5
window_s = 60
repeat_s = 30
weight = 1.0

[triggers.price_spike]          # distance from the window's first price, per cent
enabled = true
threshold = 1.0
window_s = 60
repeat_s = 30
weight = 1.0

# This table stands last: it is how a file that was cut off is recognised.
[mitigation]
books_hz = [2.0, 1.0, 0.5]      # recorded books a second of each symbol; the first without pressure
sustained_s = 300               # pressure must last so long for the next step
stable_s = 600                  # and be gone so long for the step back
cpu_percent = 90
memory_percent = 90
disk_latency_ms = 500           # how long the journal takes to reach the disk
queue_percent = 50              # how full the stream's queue of unread messages is
"""


def parse_scalp_config(raw: bytes, file: str) -> ScalpRules:
    """Read the file.

    Raises:
        ConfigFileError: naming every problem with its line; nothing of the file counts then.
    """
    document = TomlDocument(raw, file)
    known = ", ".join(f"[{name}]" for name in TABLES)
    problems = [
        Problem(document.line_of((name,)), f"unknown table or key {name!r}; known: {known}")
        for name in document.values
        if name not in TABLES
    ]
    if not isinstance(document.values.get("mitigation"), dict):
        problems.append(Problem(document.last_line, "[mitigation] is missing: was the file cut off?"))
    if problems:
        raise ConfigFileError(file, sorted(problems))
    try:
        return msgspec.convert(document.values, ScalpRules)
    except msgspec.ValidationError as error:
        raise located(document, str(error)) from error
