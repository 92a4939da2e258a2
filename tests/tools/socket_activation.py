"""Starts a program as systemd does: with a socket that listens, and where to say that it is ready.

socket_activation.py NOTIFY_SOCKET PROGRAM ARGUMENT...
"""

import os
import socket
import sys

notify, *program = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
# The first one is descriptor 3 (sd_listen_fds(3)).
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), NOTIFY_SOCKET=notify)
os.execv(program[0], program)
