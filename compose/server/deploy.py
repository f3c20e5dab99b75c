"""Deploys from an operator's PC, Windows or Linux: Python 3.11 and the ssh of the system, nothing else.

    python deploy.py USER@SERVER install             files of this tree into the deploy directory of the server
    python deploy.py USER@SERVER deploy TAG          put a version in force; it rolls back by itself
    python deploy.py USER@SERVER rollback            the last good version again
    python deploy.py USER@SERVER status              what runs, and what it says of itself

Exit codes are those of server_deploy.sh: 0 in force, 1 nothing changed, 2 rolled back, 3 rolled back without success;
255 when ssh could not connect.
"""

import argparse
import io
import re
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

COMPOSE = Path(__file__).resolve().parents[1]
SCRIPTS = ("init_server_dirs.sh", "server_deploy.sh")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DEPLOY_DIRECTORY = "/srv/observer/deploy"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one action on the server and return its exit code."""
    options = _parser().parse_args(arguments)
    if options.action == "deploy" and not TAG.fullmatch(options.tag or ""):
        sys.stderr.write(f"deploy: {options.tag!r} is no image tag; give one like build-20260105-083000\n")
        return 1
    if options.action == "install":
        return _remote(options, f"mkdir -p {_quoted(options)} && tar -x -z -C {_quoted(options)}", packed())
    return _remote(options, remote_command(options))


def remote_command(options: argparse.Namespace) -> str:
    """Return the shell command of an action, every word of the operator's quoted."""
    directory = options.directory
    script = shlex.quote(f"{directory}/server_deploy.sh")
    match options.action:
        case "deploy":
            return " ".join([script, *map(shlex.quote, options.extra), shlex.quote(options.tag)])
        case "rollback":
            return " ".join([script, "--rollback", *map(shlex.quote, options.extra)])
        case "status":
            return f"cat {_quoted(options)}/runtime/state/*/last_good_tag; docker ps --filter name=observer; " + (
                "docker exec observer observerctl status"
            )
        case action:
            raise ValueError(action)


def packed() -> bytes:
    """Return the files of a deploy directory as a tar archive; no .env among them, that one is the server's own."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in ("docker-compose.yml", "env.template", "monitoring"):
            archive.add(COMPOSE / name, name, filter=_owned_by_root)
        for name in SCRIPTS:
            archive.add(COMPOSE / "server" / name, name, filter=_owned_by_root)
    return buffer.getvalue()


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    # Windows knows no execute bit.
    member.mode = 0o755 if member.isdir() or member.name.endswith(".sh") else 0o644
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _quoted(options: argparse.Namespace) -> str:
    return shlex.quote(options.directory)


def _remote(options: argparse.Namespace, command: str, content: bytes | None = None) -> int:
    ssh = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-p", str(options.port)]
    if options.identity:
        ssh += ["-i", options.identity]
    try:
        return subprocess.run([*ssh, options.server, command], input=content, check=False).returncode
    except FileNotFoundError:
        sys.stderr.write("deploy: there is no ssh on this PC; Windows: Settings, Optional features, OpenSSH client\n")
        return 255


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deploy.py", description="Deploy Observer to a server over SSH.")
    parser.add_argument("--directory", default=DEPLOY_DIRECTORY, help="deploy directory on the server")
    parser.add_argument("--identity", default="", help="private key file")
    parser.add_argument("--port", type=int, default=22, help="port of ssh")
    parser.add_argument("server", help="USER@SERVER")
    parser.add_argument("action", choices=("install", "deploy", "rollback", "status"))
    parser.add_argument("tag", nargs="?", help="for deploy")
    parser.add_argument("--extra", action="append", default=[], help="option passed on, such as --extra=--replace")
    return parser


if __name__ == "__main__":
    sys.exit(main())
