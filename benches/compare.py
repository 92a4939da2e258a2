#!/usr/bin/env python3
"""Compares the exporter with blackbox_exporter: the same targets, the same nginx, the same run.

What is counted is each process's own CPU time (user and system), which says more on a busy machine than the time on
the wall, and its resident memory. Absolute figures are the machine's; compare the ratios.

Needs nginx, openssl and prometheus-blackbox-exporter on the PATH (all three are Debian packages).
"""

import argparse
import datetime
import gzip
import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time

from kit import FOLDER, cpu, free_port, get, machine, program, resident, start, stop, wait_for


def certificates():
    """A root, an intermediate and a leaf of it for bench.test, all ECDSA P-256."""
    script = """
    new() { openssl ecparam -genkey -name prime256v1 -noout -out $1.key; }
    new root; new middle; new leaf
    openssl req -x509 -new -key root.key -subj '/CN=Bench Root' -days 3650 -out root.pem \
      -addext basicConstraints=critical,CA:TRUE
    openssl req -new -key middle.key -subj '/CN=Bench Intermediate' -out middle.csr
    openssl x509 -req -in middle.csr -CA root.pem -CAkey root.key -set_serial 2 -days 365 -out middle.pem \
      -extfile <(echo basicConstraints=critical,CA:TRUE)
    openssl req -new -key leaf.key -subj /CN=bench.test -out leaf.csr
    openssl x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key -set_serial 3 -days 90 -out leaf.pem \
      -extfile <(printf 'subjectAltName=DNS:bench.test,DNS:*.bench.test\\nextendedKeyUsage=serverAuth\\n')
    cat leaf.pem middle.pem > chain.pem
    """
    subprocess.run(["bash", "-ec", script], cwd=FOLDER, check=True, capture_output=True)


def nginx():
    port = free_port()
    with open(f"{FOLDER}/nginx.conf", "w", encoding="utf-8") as file:
        file.write(f"""
            worker_processes 1; daemon off; pid {FOLDER}/nginx.pid; error_log {FOLDER}/nginx.err;
            events {{ worker_connections 8192; }}
            http {{
              access_log off;
              server {{
                listen {port} ssl backlog=4096;
                ssl_certificate {FOLDER}/chain.pem; ssl_certificate_key {FOLDER}/leaf.key;
                ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off;
                return 200 'ok';
              }}
            }}""")
    start([program("nginx"), "-c", f"{FOLDER}/nginx.conf"], "nginx")
    wait_for(port)
    return port


def blackbox(tls_port, probes, rate):
    """CPU seconds per probe: at `rate` probes a second, and as fast as it goes; and its peak memory in MiB."""
    port = free_port()
    module = {
        "prober": "tcp",
        "timeout": "5s",
        "tcp": {"tls": True, "tls_config": {"ca_file": f"{FOLDER}/root.pem", "server_name": "bench.test"}},
    }
    with open(f"{FOLDER}/blackbox.yml", "w", encoding="utf-8") as file:
        json.dump({"modules": {"tls": module}}, file)
    arguments = ["--config.file", f"{FOLDER}/blackbox.yml", "--web.listen-address", f"127.0.0.1:{port}"]
    process = start([program("prometheus-blackbox-exporter"), *arguments, "--log.level", "error"], "blackbox")
    wait_for(port)
    path = f"/probe?target=127.0.0.1:{tls_port}&module=tls"
    if b"\nprobe_success 1" not in get(port, path):
        sys.exit("blackbox_exporter's probe fails")
    ask(port, path, 500, rate)
    paced = spent(process.pid, lambda: ask(port, path, probes, rate)) / probes
    fast = spent(process.pid, lambda: ask(port, path, probes, None)) / probes
    memory = resident(process.pid, "VmHWM")
    stop(process)
    return paced, fast, memory


def spent(pid, work):
    before = cpu(pid)
    work()
    return cpu(pid) - before


def ask(port, path, count, rate, clients=16):
    """Makes `count` requests from a few clients: `rate` a second, or one after the other."""
    began = time.monotonic()

    def client(first):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for turn in range(first, count, clients):
            if rate:
                time.sleep(max(0.0, began + turn / rate - time.monotonic()))
            connection.request("GET", path)
            connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=client, args=(first,)) for first in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def started(binary, tls_port, targets, intervals):
    """The exporter with so many targets, when all of them are known, and its port."""
    target = {"url": f"https://bench.test:{tls_port}", "ca_file": f"{FOLDER}/root.pem"}
    config = {
        **intervals,
        "rules": [{"match": {}, "plaintext": "allowed"}],
        "targets": [{"name": f"t{n}", "address": loopback(n), **target} for n in range(targets)],
    }
    with open(f"{FOLDER}/exporter.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
    environment["KUBECONFIG"] = f"{FOLDER}/none"
    arguments = ["serve", "--config.file", f"{FOLDER}/exporter.json", "--web.listen-address", f"127.0.0.1:{port}"]
    process = start([*binary.split(), *arguments], "exporter", env=environment)
    wait_for(port)
    idle_until_all_are_seen(port, targets)
    return process, port


def deep(binary, tls_port, targets, interval, rounds):
    """CPU seconds of a deep probe, with so many of these alone in `interval` seconds."""
    process, port = started(binary, tls_port, targets, {"interval": "24h", "deep_interval": f"{interval}s"})
    before, used = deep_probes(port), cpu(process.pid)
    time.sleep(interval * rounds)
    used, made = cpu(process.pid) - used, deep_probes(port) - before
    stop(process)
    return used / made


def exporter(binary, tls_port, targets, interval, rounds):
    """The exporter's figures with so many targets, each probed once in `interval` seconds."""
    process, port = started(binary, tls_port, targets, {"interval": f"{interval}s", "deep_interval": "24h"})
    pid = process.pid
    before, used = probes(port), cpu(pid)
    time.sleep(interval * rounds)
    used, made = cpu(pid) - used, probes(port) - before
    scrape = [scraped(port) for _ in range(5)]
    result = {
        "cpu": used / made,
        "rate": made / (interval * rounds),
        "rss": resident(pid),
        "peak": resident(pid, "VmHWM"),
        "scrape": min(seconds for seconds, _, _ in scrape),
        "bytes": scrape[0][1],
        "sent": scrape[0][2],
    }
    stop(process)
    return result


def loopback(number):
    return f"127.{1 + number // 65025}.{number // 255 % 255}.{1 + number % 254}"


def probes(port):
    return int(re.search(rb"^kube_https_probes_total(?:\{\})? (\d+)", get(port, "/metrics"), re.M)[1])


def deep_probes(port):
    return int(re.search(rb'^kube_https_probe_phase_duration_seconds_count\{phase="deep"\} (\d+)', get(port, "/metrics"), re.M)[1])


def idle_until_all_are_seen(port, targets, seconds=300):
    """Until every certificate has been found valid, and the deep probes of the first pass are over."""
    end = time.monotonic() + seconds
    valid = 0
    while time.monotonic() < end:
        body = get(port, "/metrics")
        valid = len(re.findall(rb"^kube_https_certificate_valid\{.* 1$", body, re.M))
        asked = len(re.findall(rb"^kube_https_tls_version_accepted\{.*TLS 1\.2.* 1$", body, re.M))
        if valid == asked == targets:
            return
        time.sleep(1)
    sys.exit(f"{valid} of {targets} certificates were found valid")


def scraped(port):
    """Seconds, bytes and bytes sent of one scrape as Prometheus makes it."""
    began = time.monotonic()
    sent = get(port, "/metrics", {"Accept-Encoding": "gzip"})
    took = time.monotonic() - began
    return took, len(gzip.decompress(sent)), len(sent)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", nargs="+", help="the exporter; several are compared one after the other")
    parser.add_argument("--targets", type=int, default=4000)
    parser.add_argument("--interval", type=int, default=20, help="seconds between two probes of a target")
    parser.add_argument("--deep", type=int, default=400, help="targets of the deep probes that are measured")
    parser.add_argument("--rounds", type=int, default=2, help="intervals to measure")
    chosen = parser.parse_args()

    certificates()
    port = nginx()
    rate = chosen.targets / chosen.interval
    print(f"{datetime.date.today()}, {machine()}")
    print(f"{chosen.targets} targets, {rate:.0f} probes a second, one nginx, ECDSA P-256 leaf and intermediate\n")
    paced, fast, memory = blackbox(port, chosen.targets, rate)
    head = ("", "CPU per probe", "against blackbox_exporter", "resident, now/peak", "scrape, gzip", "its bytes, sent/plain")
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    print(f"| blackbox_exporter at this rate | {paced * 1e6:.0f} µs | 1 | – / {memory:.0f} MiB | | |")
    print(f"| blackbox_exporter as fast as it goes | {fast * 1e6:.0f} µs | | | | |", flush=True)
    for binary in chosen.binary:
        seen = exporter(binary, port, chosen.targets, chosen.interval, chosen.rounds)
        print(
            f"| {os.path.basename(binary)} | {seen['cpu'] * 1e6:.0f} µs"
            f" | {seen['cpu'] / paced:.2f} ({seen['cpu'] / fast:.2f} of the fast one)"
            f" | {seen['rss']:.0f} / {seen['peak']:.0f} MiB | {seen['scrape'] * 1e3:.0f} ms"
            f" | {seen['sent'] / 1024:.0f} / {seen['bytes'] / 1024:.0f} KiB |",
            flush=True,
        )
    head = ("", "CPU per deep probe", "against blackbox_exporter's one TLS probe")
    print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for binary in chosen.binary:
        each = deep(binary, port, chosen.deep, chosen.interval, chosen.rounds)
        print(
            f"| {os.path.basename(binary)} | {each * 1e6:.0f} µs"
            f" | {each / paced:.2f} ({each / fast:.2f} of the fast one) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
