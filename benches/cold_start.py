#!/usr/bin/env python3
"""Measures a cold start: a real API server full of Ingresses, from the exporter's start until every host has its row.

Nothing listens where the hosts point, so that what counts is discovery, the catalogue and the metrics; with --nginx
every host is served by an nginx, and the exporter goes on until all have been probed.

Needs kube-apiserver and etcd on the PATH (`make tools` builds both), openssl, and for --nginx the right to listen on
ports 80 and 443 of 127.77.0.1.
"""

import argparse
import base64
import concurrent.futures
import contextlib
import datetime
import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import threading
import time

from kit import FOLDER, cpu, free_port, get, machine, program, resident, start, stop, wait_for

TOKEN = "bench-token"
ADDRESS = "127.77.0.1"
OBJECTS_PER_NAMESPACE = 500
HOSTS_PER_OBJECT = 2
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/{}/ingresses"


def cluster():
    """Starts etcd and an API server; gives its port."""
    clients, peers, port = free_port(), free_port(), free_port()
    etcd_url, peer_url = f"http://127.0.0.1:{clients}", f"http://127.0.0.1:{peers}"
    start(
        [program("etcd"), "--data-dir", f"{FOLDER}/etcd", "--unsafe-no-fsync"]
        + ["--listen-client-urls", etcd_url, "--advertise-client-urls", etcd_url]
        + ["--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url]
        + ["--initial-cluster", f"default={peer_url}"],
        "etcd",
    )
    with open(f"{FOLDER}/tokens.csv", "w", encoding="utf-8") as file:
        file.write(f'{TOKEN},admin,admin,"system:masters"\n')
    key = f"{FOLDER}/accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    start(
        [program("kube-apiserver"), f"--etcd-servers={etcd_url}", f"--secure-port={port}", "--bind-address=127.0.0.1"]
        + [f"--cert-dir={FOLDER}/certs", f"--token-auth-file={FOLDER}/tokens.csv"]
        + [f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"]
        + ["--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16"]
        + ["--authorization-mode=RBAC", "--endpoint-reconciler-type=none"]
        + ["--disable-admission-plugins=ServiceAccount", "--max-requests-inflight=2000"]
        + ["--max-mutating-requests-inflight=1000"],
        "kube-apiserver",
    )
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if call(port, "GET", "/readyz")[0] == 200:
                return port
        time.sleep(0.2)
    sys.exit("the API server does not become ready")


CONNECTIONS = threading.local()


def call(port, method, path, body=None):
    """One request to the API server as its administrator: the status, and the body."""
    try:
        connection = CONNECTIONS.to_api_server
    except AttributeError:
        # Its certificate was made a moment ago, by itself.
        trusting = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=trusting)
        CONNECTIONS.to_api_server = connection
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        raise


def create(port, path, body):
    status, text = call(port, "POST", path, body)
    if status != 201:
        sys.exit(f"POST {path}: {status} {text[:300]}")
    return json.loads(text)


def ingress(number):
    hosts = [f"h{number}-{host}.bench.test" for host in range(HOSTS_PER_OBJECT)]
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        "metadata": {
            "name": f"web-{number}",
            "labels": {"app.kubernetes.io/name": f"web-{number}", "app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt", "meta.helm.sh/release-name": "web"},
        },
        "spec": {
            "ingressClassName": "nginx",
            "tls": [{"hosts": hosts, "secretName": f"web-{number}-tls"}],
            "rules": [{"host": host, "http": {"paths": paths}} for host in hosts],
        },
    }


def populate(port, objects):
    """Makes so many Ingresses, each with its status published."""
    for number in range(-(-objects // OBJECTS_PER_NAMESPACE)):
        create(port, "/api/v1/namespaces", {"metadata": {"name": f"team-{number}"}})

    def make(number):
        path = INGRESSES.format(f"team-{number // OBJECTS_PER_NAMESPACE}")
        made = create(port, path, ingress(number))
        made["status"] = {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}}
        status, text = call(port, "PUT", f"{path}/{made['metadata']['name']}/status", made)
        if status != 200:
            sys.exit(f"the status of Ingress {number}: {status} {text[:300]}")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(make, range(objects)))


def kubeconfig(port):
    with open(f"{FOLDER}/certs/apiserver.crt", "rb") as file:
        authority = base64.b64encode(file.read()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "bench",
                "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": authority},
            }
        ],
        "users": [{"name": "bench", "user": {"token": TOKEN}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "current-context": "bench",
    }
    with open(f"{FOLDER}/kubeconfig", "w", encoding="utf-8") as file:
        json.dump(config, file)
    return f"{FOLDER}/kubeconfig"


def nginx():
    """Serves every host with one certificate, and redirects from plaintext."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90"]
        + ["-keyout", f"{FOLDER}/leaf.key", "-out", f"{FOLDER}/leaf.pem", "-subj", "/CN=bench.test"]
        + ["-addext", "subjectAltName=DNS:*.bench.test"],
        check=True,
        capture_output=True,
    )
    with open(f"{FOLDER}/nginx.conf", "w", encoding="utf-8") as file:
        file.write(f"""
            worker_processes 1; daemon off; pid {FOLDER}/nginx.pid; error_log {FOLDER}/nginx.err;
            events {{ worker_connections 8192; }}
            http {{
              access_log off;
              server {{ listen {ADDRESS}:80; return 308 https://$host$request_uri; }}
              server {{
                listen {ADDRESS}:443 ssl backlog=4096;
                ssl_certificate {FOLDER}/leaf.pem; ssl_certificate_key {FOLDER}/leaf.key;
                ssl_session_tickets off; return 200 'ok';
              }}
            }}""")
    start([program("nginx"), "-c", f"{FOLDER}/nginx.conf"], "nginx")


def settings(chosen):
    config = {"security": {"allow_networks": [f"{ADDRESS}/32"]}}
    if chosen.nginx:
        # One address serves everything here.
        config["per_address"] = {"in_flight": 64, "connections_per_second": 100000}
    with open(f"{FOLDER}/exporter.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    return f"{FOLDER}/exporter.json"


def exporter(binary, chosen, api_server):
    """One cold start: seconds to the first scrape with every row, CPU seconds and peak MiB up to then; then to the end
    of the first pass."""
    rows = chosen.objects * HOSTS_PER_OBJECT
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
    environment["KUBECONFIG"] = kubeconfig(api_server)
    arguments = ["serve", "--config.file", settings(chosen), "--web.listen-address", f"127.0.0.1:{port}"]
    began = time.monotonic()
    process = start([*binary.split(), *arguments], "exporter", env=environment)
    wait_for(port)
    answered = time.monotonic() - began
    while count(port, rb"^kube_https_tls_declared\{source=\"ingress\"") < rows:
        give_up(process, began, chosen.patience)
        time.sleep(0.1)
    seen = time.monotonic() - began
    result = {"answered": answered, "rows": seen, "cpu": cpu(process.pid), "peak": resident(process.pid, "VmHWM")}
    while get(port, "/-/ready", status=True) != 200:
        give_up(process, began, chosen.patience)
        time.sleep(0.5)
    result["pass"] = time.monotonic() - began
    time.sleep(chosen.settle)
    scrape = time.monotonic()
    series = count(port, rb"^[a-z]")
    result |= {"scrape": time.monotonic() - scrape, "series": series, "all_cpu": cpu(process.pid)}
    result |= {"rss": resident(process.pid), "all_peak": resident(process.pid, "VmHWM")}
    stop(process)
    return result


def count(port, pattern):
    return len(re.findall(pattern, get(port, "/metrics"), re.M))


def give_up(process, began, patience):
    if process.poll() is not None or time.monotonic() - began > patience:
        with open(f"{FOLDER}/exporter.log", encoding="utf-8", errors="replace") as log:
            sys.exit(f"not all rows came:\n{log.read()[-2000:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", nargs="+", help="the exporter; several are measured one after the other")
    parser.add_argument("--objects", type=int, default=10_000, help="Ingresses, of two hosts each")
    parser.add_argument("--nginx", action="store_true", help="serve the hosts, and wait until all have been probed")
    parser.add_argument("--patience", type=int, default=600, help="seconds before it gives up")
    parser.add_argument("--settle", type=int, default=10, help="seconds between the first pass and the last look")
    chosen = parser.parse_args()

    port = cluster()
    populate(port, chosen.objects)
    if chosen.nginx:
        nginx()
        wait_for(443, host=ADDRESS)
    print(f"{datetime.date.today()}, {machine()}")
    print(f"{chosen.objects} Ingresses of {HOSTS_PER_OBJECT} hosts each\n")
    head = ("", "first answer", "all rows", "CPU, peak by then", "first pass", "resident, CPU, peak by then", "one scrape")
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for binary in chosen.binary:
        seen = exporter(binary, chosen, port)
        print(
            f"| {os.path.basename(binary)} | {seen['answered'] * 1e3:.0f} ms | {seen['rows']:.1f} s"
            f" | {seen['cpu']:.1f} s, {seen['peak']:.0f} MiB | {seen['pass']:.1f} s"
            f" | {seen['rss']:.0f} MiB, {seen['all_cpu']:.1f} s, {seen['all_peak']:.0f} MiB"
            f" | {seen['series']} series, {seen['scrape'] * 1e3:.0f} ms |",
            flush=True,
        )


if __name__ == "__main__":
    main()
