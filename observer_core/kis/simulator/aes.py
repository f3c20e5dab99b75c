"""AES-256 in CBC mode with PKCS#7, encryption only: what the broker wraps order notices in.

Separate because it is pure arithmetic (FIPS 197), and written out because an occasional frame of a simulation is not
worth a dependency. Not for secrets: it is neither fast nor safe against timing.
"""

from __future__ import annotations

from typing import Final

_BLOCK: Final = 16
_ROUNDS: Final = 14
_KEY_WORDS: Final = 8


def _double(value: int) -> int:
    value <<= 1
    return (value ^ 0x11B) if value & 0x100 else value


def _substitutions() -> tuple[int, ...]:
    """Return the S-box: the inverse in the field, then the affine map."""
    box = [0] * 256
    forward = backward = 1
    while True:
        forward ^= _double(forward)
        for shift in (1, 2, 4):
            backward ^= backward << shift
        backward &= 0xFF
        if backward & 0x80:
            backward ^= 0x09
        mixed = backward
        for turn in (1, 2, 3, 4):
            mixed ^= (backward << turn | backward >> (8 - turn)) & 0xFF
        box[forward] = mixed ^ 0x63
        if forward == 1:
            box[0] = 0x63
            return tuple(box)


_BOX: Final = _substitutions()


def _round_keys(key: bytes) -> list[bytes]:
    words = [key[start : start + 4] for start in range(0, len(key), 4)]
    constant = 1
    for number in range(_KEY_WORDS, 4 * (_ROUNDS + 1)):
        word = words[-1]
        if number % _KEY_WORDS == 0:
            word = bytes(_BOX[byte] for byte in word[1:] + word[:1])
            word = bytes((word[0] ^ constant,)) + word[1:]
            constant = _double(constant)
        elif number % _KEY_WORDS == 4:
            word = bytes(_BOX[byte] for byte in word)
        words.append(_xor(words[-_KEY_WORDS], word))
    return [b"".join(words[start : start + 4]) for start in range(0, len(words), 4)]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _mixed(column: bytes) -> bytes:
    total = column[0] ^ column[1] ^ column[2] ^ column[3]
    return bytes(byte ^ total ^ _double(byte ^ column[(place + 1) % 4]) for place, byte in enumerate(column))


def encrypt_block(block: bytes, keys: list[bytes]) -> bytes:
    """Return one encrypted block of 16 bytes under the round keys."""
    state = _xor(block, keys[0])
    for number in range(1, _ROUNDS + 1):
        state = bytes(_BOX[state[(place + place % 4 * 4) % _BLOCK]] for place in range(_BLOCK))
        if number < _ROUNDS:
            state = b"".join(_mixed(state[start : start + 4]) for start in range(0, _BLOCK, 4))
        state = _xor(state, keys[number])
    return state


def encrypt(text: bytes, key: bytes, vector: bytes) -> bytes:
    """Return the text encrypted with a key of 32 bytes and an initial vector of 16."""
    padding = _BLOCK - len(text) % _BLOCK
    text += bytes((padding,)) * padding
    keys, previous, result = _round_keys(key), vector, []
    for start in range(0, len(text), _BLOCK):
        previous = encrypt_block(_xor(text[start : start + _BLOCK], previous), keys)
        result.append(previous)
    return b"".join(result)
