"""A port for a server."""

from __future__ import annotations

import errno
import socket

HOST = "127.0.0.1"


def free_port(preferred: int) -> int:
    """The preferred port, or any free one if somebody has it already; 0 prefers none."""
    if preferred and not _is_taken(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        # Some systems let us bind our address beside a server that listens on all addresses.
        if probe.connect_ex((HOST, port)) == 0:
            return True
    with socket.socket() as probe:
        # As the servers do it, so that connections just closed do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return True
            raise
    return False
