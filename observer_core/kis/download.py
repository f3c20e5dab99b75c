"""A public file of the broker (listing files), fetched by a process of its own: `python -m observer_core.kis.download`.

A process of its own because httpx brings its command line with rich and pygments along: 12 MB, once a day, that a
process which stays would keep.
"""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE

from observer_core.errors import FeedError, TransientFeedError, UnreachableFeedError

LIMIT_BYTES = 32 * 1024 * 1024
TIMEOUT_S = 30.0
_START_S = 30.0
"""What a busy machine takes, beside the download, for the process itself."""
_TRANSIENT, _UNREACHABLE = 1, 2
"""Exit codes; the text is on standard error."""


async def download_file(url: str, user_agent: str, timeout_s: float = TIMEOUT_S) -> bytes:
    """Return the content of a file; no credential is sent.

    Raises:
        UnreachableFeedError: nobody listens there.
        TransientFeedError: it cannot be had now, or is unreasonably large.
    """
    command = (sys.executable, "-m", __spec__.name, url, user_agent, str(timeout_s))
    child = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(timeout_s + _START_S):
            content, words = await child.communicate()
    except TimeoutError:
        raise TransientFeedError(f"{url} cannot be downloaded (no answer in time)", code="download") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode == 0:
        return content
    kind = UnreachableFeedError if child.returncode == _UNREACHABLE else TransientFeedError
    told = words.decode(errors="replace").strip().rpartition("\n")[2]
    raise kind(told or f"{url} cannot be downloaded", code="download")


async def _fetch(url: str, user_agent: str, timeout_s: float) -> bytes:
    import httpx

    from observer_core.kis.transport import tls_context

    content = bytearray()
    try:
        async with (
            httpx.AsyncClient(
                headers={"user-agent": user_agent}, timeout=timeout_s, verify=tls_context(), trust_env=False
            ) as client,
            client.stream("GET", url, follow_redirects=True) as response,
        ):
            response.raise_for_status()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > LIMIT_BYTES:
                    raise TransientFeedError(f"{url} is larger than {LIMIT_BYTES} bytes", code="size")
    except httpx.ConnectError as error:
        raise UnreachableFeedError(f"{url} cannot be downloaded ({type(error).__name__})", code="download") from error
    except httpx.HTTPError as error:
        raise TransientFeedError(f"{url} cannot be downloaded ({type(error).__name__})", code="download") from error
    return bytes(content)


def main() -> int:
    """Write the file to standard output, or why not to standard error."""
    url, user_agent, timeout_s = sys.argv[1:]
    try:
        sys.stdout.buffer.write(asyncio.run(_fetch(url, user_agent, float(timeout_s))))
    except FeedError as error:
        sys.stderr.write(f"{error}\n")
        return _UNREACHABLE if isinstance(error, UnreachableFeedError) else _TRANSIENT
    return 0


if __name__ == "__main__":
    sys.exit(main())
