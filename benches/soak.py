#!/usr/bin/env python3
"""Runs the exporter against a real API server and nginx while objects come and go and certificates are renewed, and
judges its memory; with --chaos, what can go wrong does so all the while.

Every 2 s an Ingress with two hosts that were never there goes, and another comes; every 30 s the certificate is
renewed; every 5 s somebody scrapes. After a warm-up of a third of the time, a line is fitted to resident memory (least
squares): its slope counts as zero where the line rises by less than 5 % of the mean from there to the end.

With --chaos, one of FAULTS happens every 20 s. After each, within a minute, every host that is published must have
its row and have been probed well since, and no row may be left of one that is not.

Needs what cold_start.py needs, with nginx, and prlimit.
"""

import argparse
import contextlib
import datetime
import http.client
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

import cold_start
from cold_start import ADDRESS, HOSTS_PER_OBJECT, INGRESSES, call, create, ingress
from kit import FOLDER, RUNNING, free_port, get, machine, program, resident, start, stop, wait_for

OBJECTS = 100
PATIENCE = 60


class Churn(threading.Thread):
    """Ingresses that come and go, in one namespace."""

    def __init__(self, api_server):
        super().__init__(daemon=True)
        self.api_server, self.numbers, self.next = api_server, [], 0
        self.paused, self.stopped, self.lock = False, False, threading.Lock()

    def run(self):
        began, renewed = time.monotonic(), 0
        while not self.stopped:
            time.sleep(2)
            if self.paused:
                continue
            # The API server may be stopped, or just have been.
            with contextlib.suppress(OSError, http.client.HTTPException), self.lock:
                self.turn()
            if time.monotonic() - began > 30 * (renewed + 1):
                renewed += 1
                renew()

    def turn(self):
        path = INGRESSES.format("soak")
        status, _ = call(self.api_server, "DELETE", f"{path}/web-{self.numbers[0]}")
        if status in (200, 404):
            self.numbers.pop(0)
            self.add()

    def add(self):
        path, number = INGRESSES.format("soak"), self.next
        self.next += 1
        made = create(self.api_server, path, ingress(number))
        made["status"] = {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}
        call(self.api_server, "PUT", f"{path}/web-{number}/status", made)
        self.numbers.append(number)

    def hosts(self):
        return {f"h{number}-{host}.bench.test" for number in self.numbers for host in range(HOSTS_PER_OBJECT)}


def renew():
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90"]
        + ["-keyout", f"{FOLDER}/leaf.key", "-out", f"{FOLDER}/leaf.pem", "-subj", "/CN=bench.test"]
        + ["-addext", "subjectAltName=DNS:*.bench.test"],
        check=True,
        capture_output=True,
    )
    signal_by_name("nginx", signal.SIGHUP)


PROCESSES = {}


def signal_by_name(name, number):
    PROCESSES[name].send_signal(number)


def stopped(name, seconds):
    signal_by_name(name, signal.SIGSTOP)
    time.sleep(seconds)
    signal_by_name(name, signal.SIGCONT)


def descriptors(_):
    pid = str(PROCESSES["exporter"].pid)
    subprocess.run([program("prlimit"), "--pid", pid, "--nofile=30:"], check=True)
    time.sleep(5)
    subprocess.run([program("prlimit"), "--pid", pid, "--nofile=1024:"], check=True)


def reloads(_):
    for _ in range(100):
        signal_by_name("exporter", signal.SIGHUP)
        time.sleep(0.05)


def idle(port):
    clients = []
    for _ in range(500):
        with contextlib.suppress(OSError):
            clients.append(socket.create_connection(("127.0.0.1", port), 1))
    time.sleep(3)
    for client in clients:
        client.close()


FAULTS = {
    "the API server hangs": lambda _: stopped("kube-apiserver", 8),
    "etcd hangs": lambda _: stopped("etcd", 8),
    "nginx hangs": lambda _: stopped("nginx", 6),
    "the exporter hangs": lambda _: stopped("exporter", 4),
    "no file descriptors": descriptors,
    "reloads": reloads,
    "idle clients": idle,
}


def scraped(port):
    """When each host was last probed well, and how the last probe went."""
    text = get(port, "/metrics").decode()
    pattern = r"^kube_https_probe_last_success_timestamp_seconds\{.*?host=\"([^\"]+)\".*?\} (\S+)$"
    return {host: float(at) for host, at in re.findall(pattern, text, re.M) if host.endswith(".bench.test")}


def recovers(port, churn, what):
    """Seconds until all that is published, and nothing else, has been probed well since now."""
    began, since = time.monotonic(), time.time()
    with churn.lock:
        churn.paused = True
    seen = {}
    while time.monotonic() - began < PATIENCE:
        seen = scraped(port)
        if set(seen) == churn.hosts() and min(seen.values()) > since:
            churn.paused = False
            return time.monotonic() - began
        time.sleep(0.5)
    late = sum(at <= since for at in seen.values())
    missing, extra = churn.hosts() - set(seen), set(seen) - churn.hosts()
    sys.exit(f"not recovered in {PATIENCE} s from: {what}; missing {missing}, left over {extra}, not probed {late}")


def slope(samples):
    """MiB per hour, and by what share of the mean the line rises, of (seconds, MiB)."""
    line = statistics.linear_regression(*zip(*samples))
    span = samples[-1][0] - samples[0][0]
    return line.slope * 3600, line.slope * span / statistics.mean(mib for _, mib in samples)


def exporter(binary, api_server):
    port = free_port()
    config = {
        "interval": "5s", "deep_interval": "30s", "timeout": "3s",
        "security": {"allow_networks": [f"{ADDRESS}/32"]},
        "per_address": {"in_flight": 64, "connections_per_second": 1000},
    }
    with open(f"{FOLDER}/exporter.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
    environment["KUBECONFIG"] = cold_start.kubeconfig(api_server)
    arguments = ["serve", "--config.file", f"{FOLDER}/exporter.json", "--web.listen-address", f"127.0.0.1:{port}"]
    PROCESSES["exporter"] = start([binary, *arguments], "exporter", env=environment)
    wait_for(port)
    return port


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="the exporter")
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--chaos", action="store_true", help="let things go wrong all the while")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of what goes wrong when")
    chosen = parser.parse_args()
    chance = random.Random(chosen.seed)

    api_server = cold_start.cluster()
    create(api_server, "/api/v1/namespaces", {"metadata": {"name": "soak"}})
    cold_start.nginx()
    wait_for(443, host=ADDRESS)
    for process in RUNNING:
        PROCESSES[os.path.basename(process.args[0])] = process
    churn = Churn(api_server)
    for _ in range(OBJECTS):
        churn.add()
    port = exporter(chosen.binary, api_server)
    recovers(port, churn, "the start")
    churn.start()
    print(f"{datetime.date.today()}, {machine()}; {chosen.seconds} s, seed {chosen.seed}", flush=True)

    began, samples, faults, longest, next_fault = time.monotonic(), [], 0, 0.0, 20
    while (now := time.monotonic() - began) < chosen.seconds:
        if chosen.chaos and now > next_fault:
            what = chance.choice(list(FAULTS))
            FAULTS[what](port)
            took = recovers(port, churn, what)
            faults, longest, next_fault = faults + 1, max(longest, took), time.monotonic() - began + 20
            print(f"  {now:5.0f} s: {what}: recovered after {took:.1f} s", flush=True)
        scraped(port)
        samples.append((now, resident(PROCESSES["exporter"].pid)))
        time.sleep(5)
    recovers(port, churn, "the churn")
    churn.stopped = True
    steady = [sample for sample in samples if sample[0] > chosen.seconds / 3]
    rises, share = slope(steady)
    stop(PROCESSES["exporter"])
    print(f"{churn.next} Ingresses came; {faults} faults, the longest recovery {longest:.1f} s")
    print(f"resident {steady[0][1]:.1f} to {steady[-1][1]:.1f} MiB; slope {rises:+.2f} MiB/h, {share:+.1%} of the mean")
    if share > 0.05:
        sys.exit("memory grows")
    if PROCESSES["exporter"].returncode != 0:
        sys.exit(f"the exporter ended with {PROCESSES['exporter'].returncode}")


if __name__ == "__main__":
    main()
