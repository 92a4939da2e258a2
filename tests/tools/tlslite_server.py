"""A server on tlslite-ng, one of the real peers of the tests: SSL 3.0 up to TLS 1.3, in pure Python.

    python tlslite_server.py --listen 127.0.0.1:0 --cert chain.pem --key key.pem --min ssl3 --max tls1.3
"""

import argparse
import socket
import sys
import threading

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.handshakesettings import ALL_CIPHER_NAMES, ALL_MAC_NAMES

VERSIONS = {"ssl3": (3, 0), "tls1.0": (3, 1), "tls1.1": (3, 2), "tls1.2": (3, 3), "tls1.3": (3, 4)}

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"


def settings(lowest, highest):
    s = HandshakeSettings()
    s.minVersion, s.maxVersion = VERSIONS[lowest], VERSIONS[highest]
    # The versions a TLS 1.3 hello is matched against are a list of their own.
    s.versions = [v for v in sorted(VERSIONS.values(), reverse=True) if s.minVersion <= v <= s.maxVersion]
    # TLS 1.3 alone refuses to start with the older brainpool names in the list.
    s.eccCurves = [c for c in s.eccCurves if not c.startswith("brainpool")]
    s.cipherNames, s.macNames = list(ALL_CIPHER_NAMES), list(ALL_MAC_NAMES)
    return s


def answer(sock, chain, key, s):
    sock.settimeout(10)
    connection = TLSConnection(sock)
    try:
        connection.handshakeServer(certChain=chain, privateKey=key, settings=s)
        if connection.read(max=4096):
            connection.write(ANSWER)
        connection.close()
    except Exception as refused:  # whatever a peer does, the next one is served
        print(repr(refused), file=sys.stderr)
    finally:
        sock.close()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--listen", default="127.0.0.1:0")
    p.add_argument("--cert", required=True)
    p.add_argument("--key", required=True)
    p.add_argument("--min", choices=VERSIONS, default="ssl3")
    p.add_argument("--max", choices=VERSIONS, default="tls1.3")
    a = p.parse_args()

    chain = X509CertChain()
    with open(a.cert) as f:
        chain.parsePemList(f.read())
    with open(a.key) as f:
        key = parsePEMKey(f.read(), private=True)

    host, port = a.listen.rsplit(":", 1)
    with socket.create_server((host, int(port))) as server:
        print("listening %s:%d" % server.getsockname()[:2], flush=True)
        while True:
            sock, _ = server.accept()
            threading.Thread(target=answer, args=(sock, chain, key, settings(a.min, a.max)), daemon=True).start()


if __name__ == "__main__":
    main()
