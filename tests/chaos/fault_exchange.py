"""The broker misbehaves: refusals, slowness, maintenance, sessions ended, silence, keys and tokens that expire."""

import json
from random import Random

import httpx

from tests.chaos.faults import SkippedError, fault
from tests.chaos.system import ChaosSystem

HELD_S = (3.0, 7.0)
TOKEN_PATIENCE_S = 120.0


def hold(system: ChaosSystem, random: Random, **knobs: tuple[object, object]) -> None:
    """Set knobs to their first value for some seconds, then to their second."""
    system.knobs(**{name: faulty for name, (faulty, _usual) in knobs.items()})
    system.sleep(random.uniform(*HELD_S))
    system.knobs(**{name: usual for name, (_faulty, usual) in knobs.items()})


@fault("exchange: calls refused at random")
def refusals(system: ChaosSystem, random: Random) -> None:
    """Refuse a third of all calls with the code of the rate limit."""
    hold(system, random, random_refusal_rate=(0.33, 0.0))


@fault("exchange: answers after 1.5 s")
def latency(system: ChaosSystem, random: Random) -> None:
    """Answer every call slowly, within the client's patience."""
    hold(system, random, rest_latency_ms=(1_500.0, 0.0))


@fault("exchange: answers after 6 s")
def overdue(system: ChaosSystem, random: Random) -> None:
    """Answer every call after the client has given up."""
    hold(system, random, rest_latency_ms=(6_000.0, 0.0))


@fault("exchange: maintenance page, status 500")
def maintenance(system: ChaosSystem, random: Random) -> None:
    """Answer every call by a page."""
    hold(system, random, rest_down=(True, False))


@fault("exchange: sessions closed")
def closed(system: ChaosSystem, _random: Random) -> None:
    """End every stream session by a close frame."""
    system.knobs(drop_sessions="close")


@fault("exchange: sessions aborted")
def aborted(system: ChaosSystem, _random: Random) -> None:
    """End every stream session without a goodbye."""
    system.knobs(drop_sessions="abort")


@fault("exchange: old session lingers")
def lingers(system: ChaosSystem, random: Random) -> None:
    """End every session and call its appkey in use for some seconds."""
    system.knobs(session_linger_s=5.0)
    system.knobs(drop_sessions="abort")
    system.sleep(random.uniform(*HELD_S))
    system.knobs(session_linger_s=0.0)


@fault("exchange: stream silent")
def silent(system: ChaosSystem, random: Random) -> None:
    """Send nothing at all on the stream for some seconds, not even a keep-alive."""
    hold(system, random, silence_stream=(True, False))


@fault("exchange: frames one field shorter")
def narrow(system: ChaosSystem, random: Random) -> None:
    """Send trade records of 46 fields for some seconds, as before the last change of the broker."""
    hold(system, random, frame_width=(46, 47))


@fault("exchange: token revoked", patience_s=TOKEN_PATIENCE_S)
def revoked(system: ChaosSystem, _random: Random) -> None:
    """Make the access token in use invalid; a new one may be asked for once a minute."""
    files = sorted(system.token_cache.glob("token-*.json"))
    if not files:
        raise SkippedError("no token has been issued yet")
    token = json.loads(files[0].read_bytes())["access_token"]
    try:
        httpx.post(f"{system.rest_url}/oauth2/revokeP", json={"token": token}, timeout=60)
    except httpx.HTTPError as error:
        raise SkippedError(f"the exchange cannot be asked now: {error}") from error
