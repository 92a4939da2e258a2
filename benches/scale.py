#!/usr/bin/env python3
"""Measures how the exporter grows: 1,000, 10,000 and 100,000 targets at the default interval, in one run.

Every target is a host of its own, with plaintext looked for on both ports; many hosts share an address, as those of
an ingress controller do, and one nginx serves all of them from 127.0.0.0/8. Windows are bounded, and so is the load:
at most 100,000 targets in 5 minutes, and 10,000 in 30 s to see what a scrape takes while probes are made.

Needs nginx and openssl on the PATH.
"""

import argparse
import datetime
import http.client
import json
import os
import re
import sys
import time

from compare import certificates
from kit import FOLDER, cpu, free_port, get, machine, program, resident, start, stop, wait_for

HOSTS_PER_ADDRESS = 100


def nginx():
    """The ports of TLS and of plaintext, which leads to TLS."""
    tls, clear = free_port(), free_port()
    with open(f"{FOLDER}/nginx.conf", "w", encoding="utf-8") as file:
        file.write(f"""
            worker_processes 2; daemon off; pid {FOLDER}/nginx.pid; error_log {FOLDER}/nginx.err;
            events {{ worker_connections 8192; }}
            http {{
              access_log off;
              server {{
                listen {tls} ssl backlog=4096 reuseport;
                ssl_certificate {FOLDER}/chain.pem; ssl_certificate_key {FOLDER}/leaf.key;
                ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off;
                return 200 'ok';
              }}
              server {{ listen {clear} backlog=4096 reuseport; return 301 https://$host:{tls}$request_uri; }}
            }}""")
    start([program("nginx"), "-c", f"{FOLDER}/nginx.conf"], "nginx")
    wait_for(tls)
    return tls, clear


def address(number):
    group = number // HOSTS_PER_ADDRESS
    return f"127.{1 + group // 65025}.{group // 255 % 255}.{1 + group % 254}"


def configuration(ports, targets, interval):
    tls, clear = ports
    target = {"ca_file": f"{FOLDER}/root.pem", "http_port": clear}
    config = {
        "interval": f"{interval}s",
        "deep_interval": "24h",
        "caps": {"total": 200000, "per_namespace": 200000},
        "targets": [
            {"name": f"t{n}", "url": f"https://t{n}.bench.test:{tls}", "address": address(n), **target}
            for n in range(targets)
        ],
    }
    path = f"{FOLDER}/exporter.json"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    return path


class Exporter:
    """One that is started, with how long it took to answer its first scrape."""

    def __init__(self, binary, path):
        self.port = free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
        environment["KUBECONFIG"] = f"{FOLDER}/none"
        arguments = ["serve", "--config.file", path, "--web.listen-address", f"127.0.0.1:{self.port}"]
        began = time.monotonic()
        self.process = start([*binary.split(), *arguments], "exporter", env=environment)
        self.first_answer = self.first_scrape(began)
        self.cpu_by_then = cpu(self.process.pid)

    def first_scrape(self, began):
        while time.monotonic() < began + 60:
            try:
                get(self.port, "/metrics")
                return time.monotonic() - began
            except (OSError, http.client.HTTPException):
                time.sleep(0.002)
        return sys.exit("no answer in a minute")

    def wait_until_all_is_known(self, targets, seconds=900):
        """Until the first pass is over, deep probes and all."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            time.sleep(2)
            if get(self.port, "/-/ready", status=True) != 200:
                continue
            body = get(self.port, "/metrics")
            valid = len(re.findall(rb"^kube_https_certificate_valid\{.* 1$", body, re.M))
            deep = len(re.findall(rb"^kube_https_tls_version_accepted\{.*TLS 1\.2.* 1$", body, re.M))
            clear = len(re.findall(rb"^kube_https_plaintext_info\{", body, re.M))
            if valid == deep == targets and clear == 2 * targets:
                return time.monotonic() - began
        return sys.exit(f"not all of {targets} targets are known after {seconds} s: {valid}, {deep}, {clear}")

    def counted(self):
        """TLS probes made, and the lateness histogram: probes by upper bound."""
        body = get(self.port, "/metrics").decode()
        made = int(re.search(r"^kube_https_probes_total(?:\{\})? (\d+)", body, re.M)[1])
        late = re.findall(r'^kube_https_probe_lateness_seconds_bucket\{le="([^"]+)"\} (\d+)', body, re.M)
        return made, {float(bound): int(count) for bound, count in late}

    def window(self, seconds):
        """CPU seconds a second and a TLS probe, probes a second, and the bound that 99 % were not later than."""
        made, late = self.counted()
        before, began = cpu(self.process.pid), time.monotonic()
        time.sleep(seconds)
        used, took = cpu(self.process.pid) - before, time.monotonic() - began
        made_now, late_now = self.counted()
        made = made_now - made
        counts = {bound: count - late[bound] for bound, count in late_now.items()}
        of_all = max(counts.values())
        in_time = min(bound for bound, count in counts.items() if count >= 0.99 * of_all)
        return used / took, used / max(made, 1), made / took, in_time

    def scrapes(self, count):
        """Seconds of so many scrapes as Prometheus makes them, sorted, CPU seconds of one, and its bytes."""
        seconds = []
        used = cpu(self.process.pid)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for _ in range(count):
            began = time.monotonic()
            connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
            sent = len(connection.getresponse().read())
            seconds.append(time.monotonic() - began)
            time.sleep(0.1)
        connection.close()
        return sorted(seconds), (cpu(self.process.pid) - used) / count, sent


def at(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="the exporter")
    parser.add_argument("--targets", type=int, nargs="+", default=[1000, 10000, 100000])
    parser.add_argument("--interval", type=int, default=300, help="seconds between two probes of a target")
    parser.add_argument("--window", type=int, default=60, help="seconds to measure each")
    parser.add_argument("--fast", type=int, default=30, help="the interval that is full rate, with 10,000 targets")
    chosen = parser.parse_args()

    certificates()
    ports = nginx()
    print(f"{datetime.date.today()}, {machine()}")
    print(f"one nginx, ECDSA P-256, {HOSTS_PER_ADDRESS} hosts an address, plaintext on two ports\n")
    head = ("targets", "interval", "first answer, CPU by then", "all known", "resident, then peak", "TLS probes", "CPU", "CPU per TLS probe")
    head += ("99 % not later than", "scrape, gzip: median, 99 %", "its CPU, its bytes")
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head), flush=True)
    runs = [(targets, chosen.interval) for targets in chosen.targets]
    if chosen.fast:
        runs.insert(min(2, len(runs)), (10000, chosen.fast))
    for targets, interval in runs:
        exporter = Exporter(chosen.binary, configuration(ports, targets, interval))
        known = exporter.wait_until_all_is_known(targets)
        # The turns of the first pass are over, and what it left behind is given back.
        time.sleep(5)
        share, each, rate, late = exporter.window(chosen.window)
        # With what probes cost meanwhile.
        scrapes, scrape, sent = exporter.scrapes(100 if targets <= 10000 else 20)
        pid = exporter.process.pid
        print(
            f"| {targets:,} | {interval} s | {exporter.first_answer * 1e3:.0f} ms, {exporter.cpu_by_then * 1e3:.0f} ms | {known:.0f} s"
            f" | {resident(pid):.0f} / {resident(pid, 'VmHWM'):.0f} MiB | {rate:.1f} a second"
            f" | {share * 100:.2f} % of a core | {each * 1e6:.0f} µs | {late:g} s"
            f" | {at(scrapes, 0.5) * 1e3:.0f} / {at(scrapes, 0.99) * 1e3:.0f} ms | {scrape * 1e3:.0f} ms, {sent / 1024:.0f} KiB |",
            flush=True,
        )
        stop(exporter.process)


if __name__ == "__main__":
    main()
