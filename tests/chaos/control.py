"""The control: damage a finished archive in a small way; the books must notice."""

import json
from pathlib import Path


def drop_one_record(data_dir: Path) -> str:
    """Remove one observation from the JSONL archive and from nowhere else; return what it was."""
    for path in sorted((data_dir / "swing").rglob("*.jsonl")):
        lines = path.read_bytes().splitlines(keepends=True)
        for position, line in enumerate(lines):
            if json.loads(line)["kind"] == "quote":
                path.write_bytes(b"".join(lines[:position] + lines[position + 1 :]))
                return f"{path.name}:{position + 1}"
    raise LookupError("the archive holds no quote to remove")
