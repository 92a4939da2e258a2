"""What the benchmarks share: processes and their folder, what a process has used, and what is asked of a port."""

import atexit
import contextlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

FOLDER = tempfile.mkdtemp(prefix="bench-")
RUNNING = []


@atexit.register
def clean_up():
    for process in RUNNING:
        process.terminate()
    for process in RUNNING:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            # An API server without its etcd does not end by itself.
            process.kill()
            process.wait()
    shutil.rmtree(FOLDER, ignore_errors=True)


def program(name):
    found = shutil.which(name)
    if not found:
        sys.exit(f"needs {name} on the PATH")
    return found


def start(arguments, name, **options):
    with open(f"{FOLDER}/{name}.log", "wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **options)
    RUNNING.append(process)
    return process


def stop(process):
    process.terminate()
    process.wait(20)
    RUNNING.remove(process)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port, seconds=30, host="127.0.0.1"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            socket.create_connection((host, port), 1).close()
            return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def get(port, path, headers=None, status=False):
    """The body, or the status, of what is at a path."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status if status else body


def cpu(pid):
    """CPU time that a process has used, in seconds."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid, field="VmRSS"):
    """Memory that a process holds (`VmRSS`) or held at most (`VmHWM`), in MiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(rf"{field}:\s+(\d+)", status.read())[1]) / 1024


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        name = re.search(r"model name\s*: (.*)", file.read())
    return f"{os.cpu_count()} × {name[1] if name else os.uname().machine}, Linux {os.uname().release.split('-')[0]}"
