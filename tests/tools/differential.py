"""Asks sslscan, testssl.sh and sslyze about one server, and writes what they say as facts: `make differential` calls it.

    differential.py --address 127.0.0.1:PORT --name HOST --ca CA.pem --raw FOLDER --record FILE.json

A record has a scanner's version, and what it says yes and no to. What it does not say, or has no means to ask for, is in
neither. The suites that a scanner saw are sorted into classes here, from IANA's names, apart from the exporter's own code.
The scanners' own output is left in the folder.
"""

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

# Longer than any scanner has taken for one server; one that hangs is ended.
MOST_SECONDS = 420

VERSIONS = ["SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"]
CURVES = {
    "prime256v1": "secp256r1", "secp256r1": "secp256r1", "secp384r1": "secp384r1", "secp521r1": "secp521r1",
    "x25519": "X25519", "x448": "X448",
}
FINITE = {"ffdhe2048": "ffdhe2048", "ffdhe3072": "ffdhe3072"}
# What Mozilla's profiles name, "Server Side TLS" 6.0.
LISTED = re.compile(
    r"TLS_(AES_(128_GCM_SHA256|256_GCM_SHA384)|CHACHA20_POLY1305_SHA256)|"
    r"TLS_ECDHE_(ECDSA|RSA)_WITH_(AES_128_GCM_SHA256|AES_256_GCM_SHA384|CHACHA20_POLY1305_SHA256)"
)
# What OpenShift's intermediate profile names besides.
DHE_AEAD = re.compile(r"TLS_DHE_RSA_WITH_AES_(128_GCM_SHA256|256_GCM_SHA384)")
# Suites without certificates (PSK and the like) are no client's of a door in a cluster.
OTHERS = re.compile(r"PSK|SRP|KRB5|GOST|FORTEZZA|SCSV|ECCPWD|^SSL_")


def classes(suite):
    """The classes of an IANA name."""
    exchange, _, cipher = suite.partition("_WITH_")
    new = not cipher  # TLS 1.3 names no key exchange.
    anonymous = "_anon" in exchange
    ephemeral = "DHE_" in exchange
    aead = bool(re.search(r"GCM|CCM|POLY1305", suite))
    tests = {
        "null": cipher.startswith("NULL"),
        "anonymous": anonymous,
        "export": "EXPORT" in exchange,
        "des": cipher.startswith("DES_"),
        "rc4": cipher.startswith("RC4"),
        "triple_des": cipher.startswith("3DES"),
        "cbc": "_CBC" in cipher,
        "no_forward_secrecy": not (new or anonymous or ephemeral),
        "aead": aead and not new and not anonymous,
        "dhe_aead": bool(DHE_AEAD.fullmatch(suite)),
        "unlisted": aead and (new or ephemeral) and not (LISTED.fullmatch(suite) or DHE_AEAD.fullmatch(suite)),
    }
    return {name for name, holds in tests.items() if holds}


def of_suites(accepted, asked):
    """Facts about classes: a class of which no suite was asked for is left out. Nameless suites are of none."""
    accepted, asked = set(accepted) - {""}, set(asked) - {""}
    taken = set().union(*map(classes, accepted))
    known = set().union(*map(classes, asked)) | taken
    return {f"cipher {name}": name in taken for name in known}


def known_suites():
    """IANA's names by number, from testssl.sh's table; without those that need no certificate."""
    lines = map(str.split, Path("/etc/testssl/cipher-mapping.txt").read_text().splitlines())
    names = {words[0]: next((word for word in words if word.startswith("TLS_")), "") for words in lines if words}
    numbers = {int(key.replace(",0x", ""), 16): name for key, name in names.items() if key.startswith("0x")}
    return defaultdict(str, {key: name for key, name in numbers.items() if not OTHERS.search(name)})


def run(*command, **options):
    return subprocess.run(
        [str(word) for word in command], check=False, capture_output=True, text=True, errors="replace",
        stdin=subprocess.DEVNULL, timeout=MOST_SECONDS, **options,
    )


def version(pattern, *command):
    output = run(*command)
    return re.search(pattern, output.stdout + output.stderr)[1]


def sslscan(address, name, _ca, raw):
    output = raw / "sslscan.xml"
    # It waits 3 s for what never comes unless told otherwise.
    run("sslscan", "--no-fallback", "--no-renegotiation", "--no-compression", "--no-heartbleed",
        f"--sni-name={name}", f"--xml={output}", address)
    test = ElementTree.parse(output).find("ssltest")
    facts = {}
    for protocol in test.iter("protocol"):
        kind, number = protocol.get("type"), protocol.get("version")
        label = "SSL 3.0" if (kind, number) == ("ssl", "3") else f"TLS {number}"
        if label in VERSIONS:
            facts[label] = protocol.get("enabled") == "1"
    # What the system's OpenSSL does not have it asks for by hellos of its own. Its names are not IANA's throughout.
    suites = known_suites()
    accepted = [suites[int(cipher.get("id"), 16)] for cipher in test.iter("cipher")]
    facts |= of_suites(accepted, suites.values())
    # Per version: ours are those of TLS 1.3 where it is spoken.
    newest = "TLSv1.3" if facts["TLS 1.3"] else "TLSv1.2" if facts["TLS 1.2"] else None
    if newest:
        groups = {group.get("name").split()[0] for group in test.iter("group") if group.get("sslversion") == newest}
        asked = CURVES | FINITE if newest == "TLSv1.3" else CURVES
        facts |= {f"group {label}": False for label in asked.values()}
        facts |= {f"group {asked[group]}": True for group in groups if group in asked}
    leaf = test.find("certificates/certificate")
    if leaf is not None and leaf.find("expired") is not None:
        facts["certificate expired"] = leaf.find("expired").text == "true"
        facts["certificate self-signed"] = leaf.find("self-signed").text == "true"
    return facts


def sslyze(address, name, ca, raw):
    output = raw / "sslyze.json"
    host, port = address.split(":")
    commands = ["--certinfo", f"--certinfo_ca_file={ca}", "--elliptic_curves", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3"]
    # Some of the servers take one connection at a time.
    run("sslyze", "--slow_connection", "--mozilla_config=disable", "--quiet", f"--json_out={output}", *commands, f"{name}:{port}{{{host}}}")
    server = json.loads(output.read_text())["server_scan_results"][0]
    if server["scan_result"] is None:
        return {}
    results = {name: one["result"] for name, one in server["scan_result"].items() if one and one["status"] == "COMPLETED"}
    facts, accepted, asked = {}, [], []
    for label in VERSIONS:
        suites = results.get(label.lower().replace(" ", "_").replace(".", "_") + "_cipher_suites")
        if suites:
            facts[label] = suites["is_tls_version_supported"]
            accepted += [one["cipher_suite"]["name"] for one in suites["accepted_cipher_suites"]]
            asked += [one["cipher_suite"]["name"] for one in suites["rejected_cipher_suites"]]
    # A class is known to be refused only where every version was asked.
    if all(label in facts for label in VERSIONS):
        facts |= of_suites(accepted, asked)
    curves = results.get("elliptic_curves") or {}
    for answer, key in [(True, "supported_curves"), (False, "rejected_curves")]:
        for curve in curves.get(key) or []:
            if label := CURVES.get(curve["name"].lower()):
                facts[f"group {label}"] = answer
    wish = server["connectivity_result"]["client_auth_requirement"]
    facts["client certificate requested"] = wish != "DISABLED"
    facts["client certificate required"] = wish == "REQUIRED"
    if certificates := results.get("certificate_info"):
        # Chain, dates and name together; where there are certificates by key, all of them.
        facts["certificate valid"] = all(
            path["was_validation_successful"]
            for deployment in certificates["certificate_deployments"]
            for path in deployment["path_validation_results"]
            if path["trust_store"]["name"] == "Supplied CA file"
        )
    return facts


def testssl(address, name, ca, raw):
    output = raw / "testssl.json"
    output.unlink(missing_ok=True)
    host, port = address.split(":")
    run("testssl", "--quiet", "--color=0", "--warnings=off", "--nodns=none", f"--ip={host}", f"--add-ca={ca}",
        "-oj", output, "-p", "-e", "-f", "-S", f"https://{name}:{port}")
    found = {one["id"]: one["finding"] for one in json.loads(output.read_text())}

    facts = {}
    for label, key in zip(VERSIONS, ["SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3"], strict=True):
        said = found.get(key, "")
        if said.startswith(("offered", "not offered")):
            facts[label] = said.startswith("offered")
    # It asks for every suite in its list, by hellos of its own.
    suites = known_suites()
    accepted = [suites[int(key.removeprefix("cipher_x"), 16)] for key in found if key.startswith("cipher_x")]
    facts |= of_suites(accepted, suites.values())
    if found.get("PFS") == "offered":
        for key, asked in [("PFS_ECDHE_curves", CURVES), ("DH_groups", FINITE)]:
            groups = set(found.get(key, "").lower().split())
            # Before TLS 1.3 a finite field is the server's alone to choose, and has no name.
            if key in found and (asked is CURVES or facts.get("TLS 1.3")):
                facts |= {f"group {label}": False for label in asked.values()}
                facts |= {f"group {asked[group]}": True for group in groups if group in asked}
    # It says no more than this, and under TLS 1.3 only if the server's refusal came soon enough.
    if found.get("service", "").startswith("certificate-based authentication"):
        facts["client certificate required"] = True
    # With several certificates, the ids are numbered.
    chains = [said for key, said in found.items() if key.startswith("cert_chain_of_trust")]
    if chains:
        facts["chain trusted"] = all(said.startswith("passed") for said in chains)
        facts["chain incomplete"] = any("chain incomplete" in said for said in chains)
        facts["certificate self-signed"] = any("(self signed)" in said for said in chains)
    ends = [said for key, said in found.items() if key.startswith("cert_expirationStatus")]
    if ends:
        facts["certificate expired"] = any(said.startswith("expired") for said in ends)
    names = [said for key, said in found.items() if re.fullmatch(r"cert_trust( <.*>)?", key)]
    if names:
        facts["certificate for the name"] = all(said.startswith("Ok") for said in names)
    return facts


SCANNERS = {
    "sslscan": (sslscan, (r"(\d+\.\d+\.\d+)", "sslscan", "--version")),
    "sslyze": (sslyze, (r"SSLyze version (\S+)", "sslyze", "--help")),
    "testssl.sh": (testssl, (r"testssl\s+(\S+) from", "testssl", "--version")),
}


def main():
    arguments = argparse.ArgumentParser()
    for flag in ["address", "name", "ca", "raw", "record"]:
        arguments.add_argument(f"--{flag}", required=True)
    given = arguments.parse_args()
    raw = Path(given.raw)
    raw.mkdir(parents=True, exist_ok=True)
    lines = []
    for scanner, (ask, asked_version) in SCANNERS.items():
        facts = ask(given.address, given.name, given.ca, raw)
        if not any(label in facts for label in VERSIONS):
            sys.exit(f"{scanner} says nothing: see {raw}")
        said = {
            "version": version(*asked_version),
            "yes": sorted(fact for fact, holds in facts.items() if holds),
            "no": sorted(fact for fact, holds in facts.items() if not holds),
        }
        inner = ",\n".join(f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in said.items())
        lines.append(f"  {json.dumps(scanner)}: {{\n{inner}\n  }}")
    Path(given.record).write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
