"""Four processes that start at once ask for one token, and no credential shows anywhere but in the token's cache."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.loopback_tree import LoopbackTree
from tests.fixtures.supervised import until
from tests.soak.measures import fault

pytestmark = pytest.mark.process

SHARDS = 4
APPROVAL_KEY = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
STREAM_KEY = re.compile(rb'approval_key"?[=:]')


def test_one_token_for_all_and_no_credential_in_any_output(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree", swing_shards=SHARDS) as tree:
        tree.collecting(SHARDS)
        stats = tree.stats()
        assert stats["requests"]["tokenP"] == stats["tokens_issued"] == 1
        # Failures are what is logged with details: refused registrations, a cut, calls that fail.
        fault(tree, ack_error_code="OPSP0011", ack_error_rate=0.5, rest_error_code="EGW00316", rest_error_rate=0.3)
        until(lambda: sum(tree.stats()["connects_by_appkey"].values()) == 1, "no session", tree.log)
        fault(tree, drop_sessions="abort")
        until(lambda: tree.stats()["acks"].get("OPSP0011", 0) > 0, "no refusal", tree.log)
        until(lambda: tree.stats()["rest_refusals"].get("EGW00316", 0) > 0, "no failure", tree.log)
        commands = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, check=True).stdout
        assert tree.stop() == 0
        assert tree.stats()["requests"]["tokenP"] == 1
    (cache,) = tree.paths.token_cache.glob("token-*.json")
    assert cache.stat().st_mode & 0o077 == 0
    token = json.loads(cache.read_bytes())["access_token"].encode()
    assert len(token) > 100
    secrets = (b"k" * 36, b"s" * 180, token)
    outputs = {path: path.read_bytes() for path in tree.directory.rglob("*") if path.is_file() and path != cache}
    assert any(path.suffix == ".jsonl" for path in outputs)
    outputs[Path("command lines")] = commands
    found = [path for path, content in outputs.items() if any(secret in content for secret in secrets)]
    found += [path for path in outputs if any(secret.decode() in str(path) for secret in secrets)]
    found += [
        path
        for path, content in outputs.items()
        if path.is_relative_to(tree.directory) and path.suffix in {".jsonl", ".json", ""} and STREAM_KEY.search(content)
    ]
    assert found == []
    logs = [path for path in outputs if path.is_relative_to(tree.paths.logs) or path.name == "output"]
    assert logs
    assert [path for path in logs if APPROVAL_KEY.search(outputs[path])] == []
