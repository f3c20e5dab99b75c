"""The network between us and the broker: cut, refused, half-open, slow."""

from random import Random

from tests.chaos.faults import fault
from tests.chaos.system import ChaosSystem

AWAY_S = (3.0, 8.0)


@fault("rest: connections cut")
def rest_cut(system: ChaosSystem, random: Random) -> None:
    """Cut every call on its way, several times."""
    for _ in range(3):
        system.rest_proxy.cut()
        system.sleep(random.uniform(0.1, 0.6))


@fault("rest: refused for seconds")
def rest_refused(system: ChaosSystem, random: Random) -> None:
    """Nobody listens for some seconds."""
    system.rest_proxy.refuse()
    system.sleep(random.uniform(*AWAY_S))
    system.rest_proxy.restore()


@fault("rest: swallows everything")
def rest_stalled(system: ChaosSystem, random: Random) -> None:
    """Calls and answers are swallowed for some seconds."""
    system.rest_proxy.stall()
    system.sleep(random.uniform(*AWAY_S))
    system.rest_proxy.restore()


@fault("rest: slow")
def rest_slow(system: ChaosSystem, random: Random) -> None:
    """Every piece of data takes 0.4 s more each way."""
    system.rest_proxy.slow(0.4)
    system.sleep(random.uniform(*AWAY_S))
    system.rest_proxy.restore()


@fault("stream: cut")
def stream_cut(system: ChaosSystem, _random: Random) -> None:
    """Cut the session by a reset."""
    system.stream_proxy.cut()


@fault("stream: refused for seconds")
def stream_refused(system: ChaosSystem, random: Random) -> None:
    """Cut the session; nobody listens for some seconds."""
    system.stream_proxy.refuse()
    system.sleep(random.uniform(*AWAY_S))
    system.stream_proxy.restore()


@fault("stream: half-open, then reset")
def stream_half_open(system: ChaosSystem, random: Random) -> None:
    """Swallow what the broker sends for some seconds, then reset the connection."""
    system.stream_proxy.stall()
    system.sleep(random.uniform(*AWAY_S))
    system.stream_proxy.restore()


@fault("stream: slow")
def stream_slow(system: ChaosSystem, random: Random) -> None:
    """Every piece of data takes 0.1 s more."""
    system.stream_proxy.slow(0.1)
    system.sleep(random.uniform(*AWAY_S))
    system.stream_proxy.restore()
