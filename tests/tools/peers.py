"""Starts every TLS server of the tests and checks with a tlslite-ng client which versions it speaks.

This is also where the command lines stand that make each server accept old versions. Run it by `make peers`.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time

from tlslite.api import TLSConnection

from tlslite_server import VERSIONS, settings

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.environ.get("TOOLS_BIN", os.path.join(HERE, "../../target/tools/bin"))

SSL3 = list(VERSIONS)
TLS = SSL3[1:]
NEW = ["tls1.2", "tls1.3"]

# name, versions it must speak (and no others), what it needs first, command line.
PEERS = [
    ("java", SSL3, None, "java -cp {bin} TlsServer --listen {host}:{port} --cert {cert} --key {key} --min ssl3 --max tls1.3"),
    ("tlslite", SSL3, None, "{python} {here}/tlslite_server.py --listen {host}:{port} --cert {cert} --key {key} --min ssl3 --max tls1.3"),
    # `-V ssl3:` alone is refused, and asking for SSL 3.0 up to TLS 1.3 loses TLS 1.3: two servers for all five.
    ("nss, old", SSL3[:4], "nss", "selfserv -D -n server -d sql:{nss} -p {port} -V ssl3:tls1.2"),
    ("nss", TLS, "nss", "selfserv -D -n server -d sql:{nss} -p {port} -V tls1.0:tls1.3"),
    # Without SECLEVEL=0 OpenSSL 3 answers TLS 1.0 and 1.1 with internal_error: SHA-1 signatures are too weak for it.
    ("openssl, as it comes", NEW, None, "openssl s_server -quiet -www -accept {host}:{port} -cert {cert} -key {key}"),
    ("openssl", TLS, None, "openssl s_server -quiet -www -accept {host}:{port} -cert {cert} -key {key} -cipher ALL:NULL:@SECLEVEL=0"),
    ("gnutls", TLS, None, "gnutls-serv --http --quiet --port {port} --x509certfile {cert} --x509keyfile {key} --priority NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0"),
    ("nginx", TLS, "nginx", "nginx -c {nginx}"),
    ("haproxy", TLS, "haproxy", "haproxy -db -f {haproxy}"),
    ("node", TLS, None, "node {here}/node_server.js --listen {host}:{port} --cert {cert} --key {key} --min tls1.0 --max tls1.3"),
    ("go", TLS, None, "{bin}/goserver --listen {host}:{port} --cert {cert} --key {key} --min tls1.0 --max tls1.3"),
]

# Asking nginx or haproxy for SSLv3 is silently ignored: Debian's OpenSSL has it compiled out.
NGINX = """\
daemon off; master_process off; pid {dir}/nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
  server {{
    listen {host}:{port} ssl;
    ssl_certificate {cert}; ssl_certificate_key {key};
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ssl_ciphers ALL:!aNULL:!kRSA:@SECLEVEL=0;
    location / {{ return 200 "ok\\n"; }}
  }}
}}
"""
HAPROXY = """\
defaults
  mode http
  timeout client 10s
frontend tls
  bind {host}:{port} ssl crt {both} ssl-min-ver TLSv1.0 ciphers ALL:!aNULL:!kRSA:@SECLEVEL=0
  http-request return status 200 content-type text/plain string ok
"""


def sh(command, **kw):
    subprocess.run(["sh", "-ec", command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kw)


def speaks(port, version):
    """Whether a handshake that offers this one version alone comes to its end."""
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.settimeout(5)
        client = TLSConnection(sock)
        try:
            client.handshakeClientCert(settings=settings(version, version))
            return client.version == VERSIONS[version]
        except Exception:
            return False


def wait(process, port):
    for _ in range(200):
        if process.poll() is not None:
            return False
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main():
    with tempfile.TemporaryDirectory() as d:
        at = dict(dir=d, here=HERE, bin=os.path.abspath(BIN), python=sys.executable, host="127.0.0.1")
        at.update(cert=f"{d}/cert.pem", key=f"{d}/key.pem", both=f"{d}/both.pem")
        at.update(nss=f"{d}/nss", nginx=f"{d}/nginx.conf", haproxy=f"{d}/haproxy.cfg")
        # RSA: SSL 3.0 knows no ECDSA.
        sh("""openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=peer.test -days 2 -keyout key.pem -out cert.pem
              cat cert.pem key.pem >both.pem
              mkdir nss; certutil -N -d sql:nss --empty-password
              openssl pkcs12 -export -in cert.pem -inkey key.pem -name server -passout pass: -out nss.p12
              pk12util -i nss.p12 -d sql:nss -W ''""", cwd=d)
        wrong = 0
        for name, expected, needs, command in PEERS:
            at["port"] = free_port()
            for config, text in (("nginx", NGINX), ("haproxy", HAPROXY)):
                with open(at[config], "w") as f:
                    f.write(text.format(**at))
            argv = [a.format(**at) for a in command.split()]
            started = time.monotonic()
            with open(f"{d}/log", "wb") as log:
                process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                if not wait(process, at["port"]):
                    with open(f"{d}/log") as f:
                        print(f"{name}: does not start: {f.read().strip()[-300:]}")
                    wrong += 1
                    continue
                ready = time.monotonic() - started
                spoken = [v for v in VERSIONS if speaks(at["port"], v)]
            finally:
                process.kill()
                process.wait()
            verdict = "as expected" if spoken == expected else f"WRONG, expected {' '.join(expected)}"
            wrong += spoken != expected
            print(f"{name:22}{' '.join(v if v in spoken else '-' * len(v) for v in VERSIONS)}  ready in {ready:.2f} s, {verdict}")
        sys.exit(f"{wrong} of {len(PEERS)} servers are not as expected" if wrong else 0)


if __name__ == "__main__":
    main()
