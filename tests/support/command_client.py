"""The small process that stands for a command: see `tests.support.command`. Only what an interpreter has at its start."""

import json
import os
import signal
import socket
import sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    order = json.dumps(
        {"words": sys.argv[2:], "environment": dict(os.environ), "folder": os.path.realpath(".")}
    ).encode()
    socket.send_fds(server, [len(order).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(order)
    with server.makefile() as answers:
        pid = int(answers.readline())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _frame: os.kill(pid, number))
        code = int(answers.readline() or 1)
sys.exit(code if code >= 0 else 128 - code)
