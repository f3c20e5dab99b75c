"""AES-256: the vector of FIPS 197, and what the system's own implementation makes of the result."""

import shutil
import subprocess

import pytest

from observer_core.kis.simulator.aes import encrypt

KEY = bytes(range(32))


def test_the_published_vector() -> None:
    block = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert encrypt(block, KEY, bytes(16))[:16].hex() == "8ea2b7ca516745bfeafc49904b496089"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 200])
def test_another_implementation_reads_it(size: int) -> None:
    text, vector = bytes(index % 251 for index in range(size)), b"0123456789abcdef"
    command = ["openssl", "enc", "-d", "-aes-256-cbc", "-K", KEY.hex(), "-iv", vector.hex()]
    decrypted = subprocess.run(command, input=encrypt(text, KEY, vector), capture_output=True, check=True)
    assert decrypted.stdout == text
