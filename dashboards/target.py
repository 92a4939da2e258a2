"""Target: one host: what is wrong with it, what each of its addresses serves, and how that went."""

from grafana_foundation_sdk.builders import dashboard as d

from parts import (
    BAD, CHOSEN, LIFETIME, NEUTRAL, NOT_AFTER, REMAINING, SHARE_LEFT, TARGET, YES_IS_BAD, YES_IS_GOOD,
    background, board, figure, levels, lines, listing, number_of, rows, setting, timeline, words,
)  # fmt: skip

# What tells one row of a host from another; a host may be behind several objects.
DOOR = "namespace, name, host, port, address"
LEGEND = "{{host}} {{address}}:{{port}}"
COLUMNS = {"namespace": "Namespace", "name": "Name", "host": "Host", "port": "Port", "address": "Address"}
YES_OR_NO = [setting("mappings", [YES_IS_GOOD]), background()]


def target():
    return (
        board(TARGET, "Kube HTTPS / Target", "One host, as each of its addresses serves it. Choose it above.")
        .with_row(d.Row("Now"))
        .with_panel(figure("Findings", "What is wrong with it now; the table below says what.",
            number_of(rows("kube_https_finding")), BAD, 3))
        .with_panel(figure("Time left", "Until the first leaf certificate of it expires.",
            f"min({REMAINING})", levels("red", (0, "green")), 4).unit("s"))
        .with_panel(figure("Share left", "Of the lifetime of the leaf certificate that has the least.",
            f"min({REMAINING} / {LIFETIME})", SHARE_LEFT, 3).unit("percentunit"))
        .with_panel(figure("Leaf certificates", "How many are served over all its addresses: one, or a renewal is under way.",
            f"count(count by (fingerprint_sha256) ({rows('kube_https_certificate_info')}))", levels("green", (2, "orange")), 3))
        .with_panel(figure("Addresses answering", "Rows whose last probe got a certificate.",
            f"sum({rows('kube_https_probe_success')})", NEUTRAL, 3))
        .with_panel(figure("Last probe", "How long ago, of the row where it was longest ago.",
            f"max(time() - {rows('kube_https_probe_last_timestamp_seconds')})", NEUTRAL, 4).unit("s"))
        .with_panel(figure("Last deep probe", "When versions were last asked for: how long ago, where it was longest ago.",
            f"max(time() - {rows('kube_https_deep_probe_last_success_timestamp_seconds')})", NEUTRAL, 4).unit("s"))
        .with_panel(findings())
        .with_row(d.Row("Addresses, side by side"))
        .with_panel(addresses())
        .with_panel(chain())
        .with_panel(accepted())
        .with_panel(plaintext())
        .with_row(d.Row("How it went"))
        .with_panel(timeline("Certificate presented", "Whether each address presented a certificate, whatever the verdict on it.",
            [(rows("kube_https_probe_success"), LEGEND)], [YES_IS_GOOD], 12))
        .with_panel(timeline("Certificate valid", "In time, for the host, and by an authority that is expected.",
            [(rows("kube_https_certificate_valid"), LEGEND)], [YES_IS_GOOD], 12))
        .with_panel(timeline("Findings over time", "What was wrong, and from when to when.",
            [(f"max by (finding) ({rows('kube_https_finding')})", "{{finding}}")], [words({"1": ("present", "red")})], 12))
        .with_panel(timeline("Versions over time", "Whether some address accepted each version of the protocol.",
            [(f"max by (version) ({rows('kube_https_tls_version_accepted')})", "{{version}}")],
            [words({"1": ("accepted", "blue"), "0": ("refused", "gray")})], 12))
        .with_panel(lines("Time left of the leaf", "A jump upwards is a renewal; addresses that jump at other times are slow to load it.",
            "s", [(REMAINING, LEGEND)], 12))
        .with_panel(lines("Probe duration", "Name, connection and handshake together, of the last probe.",
            "s", [(rows("kube_https_probe_duration_seconds"), LEGEND)], 12))
        .with_row(d.Row("Behind it"))
        .with_panel(listing("Objects", "Every object that declares the host at this address.",
            [f"max by ({DOOR}, owner_kind, owner_name) ({rows('kube_https_target_owner_info')})"],
            {"owner_kind": "Kind", "owner_name": "Object", **COLUMNS}, ("Host", False), height=6))
        .with_panel(failures())
    )  # fmt: skip


def findings():
    expr = f"max by ({DOOR}, severity, finding) ({rows('kube_https_finding')})"
    colours = words({"critical": ("critical", "red"), "warning": ("warning", "orange"), "info": ("info", "blue")})
    return listing(
        "What is wrong",
        "Each finding at each address; docs/runbooks has a page for each.",
        [expr],
        {"severity": "Severity", "finding": "Finding", **COLUMNS},
        ("Severity", False),
        height=6,
    ).override_by_name("Severity", [setting("mappings", [colours]), background()])


def addresses():
    issued = "subject_common_name, issuer_common_name, fingerprint_sha256, key_algorithm, key_size"
    names = {
        **COLUMNS,
        "Value #A": "Answers",
        "Value #B": "Valid",
        "Value #C": "Time left",
        "version": "Version",
        "cipher": "Cipher",
        "group": "Group",
        "subject_common_name": "Subject",
        "issuer_common_name": "Issuer",
        "key_algorithm": "Key",
        "key_size": "Bits",
        "fingerprint_sha256": "SHA-256",
    }
    return (
        listing(
            "Certificate and agreement",
            "What a modern client gets at each address: rows that differ are clients that fare differently.",
            [
                f"max by ({DOOR}) ({rows('kube_https_probe_success')})",
                f"max by ({DOOR}) ({rows('kube_https_certificate_valid')})",
                f"max by ({DOOR}) ({REMAINING})",
                f"max by ({DOOR}, version, cipher, group) ({rows('kube_https_tls_negotiated_info')})",
                f"max by ({DOOR}, {issued}) ({rows('kube_https_certificate_info')})",
            ],
            names,
            ("Address", False),
        )
        .override_by_name("Answers", YES_OR_NO)
        .override_by_name("Valid", YES_OR_NO)
        .override_by_name("Time left", [setting("unit", "s"), setting("decimals", 1)])
    )


def chain():
    """The leaf, and the intermediate that ends first."""
    dates = [f"max by ({DOOR}, position) (max without (instance, pod) (kube_https_certificate_{end}_timestamp_seconds{{{CHOSEN}}})) * 1000"
             for end in ("not_before", "not_after")]  # fmt: skip
    return (
        listing(
            "Chain",
            "The leaf, and the intermediate that expires first, with the dates that they are valid from and until.",
            dates,
            {"position": "Position", "Value #A": "From", "Value #B": "Until", **COLUMNS},
            ("Until", False),
            width=12,
            height=8,
        )
        .override_by_name("From", [setting("unit", "dateTimeAsIso")])
        .override_by_name("Until", [setting("unit", "dateTimeAsIso")])
    )


def accepted():
    return listing(
        "Versions accepted",
        "Each version of the protocol, asked for by itself, at each address.",
        [f"max by (host, port, address, version) ({rows('kube_https_tls_version_accepted')})"],
        {"version": "Version", "Value": "Accepted", "host": "Host", "port": "Port", "address": "Address"},
        ("Version", False),
        width=12,
        height=8,
    ).override_by_name("Accepted", [setting("mappings", [words({"1": ("accepted", "blue"), "0": ("refused", "gray")})])])


def plaintext():
    return listing(
        "Plaintext",
        "What each port does with HTTP in clear, and whether that exposes the host.",
        [
            f"max by (host, address, plaintext_port, state) ({rows('kube_https_plaintext_info')})",
            f"max by (host, address, plaintext_port) ({rows('kube_https_plaintext_exposed')})",
        ],
        {"plaintext_port": "Port", "state": "Does", "Value #B": "Exposed", "host": "Host", "address": "Address"},
        ("Port", False),
        height=6,
    ).override_by_name("Exposed", [setting("mappings", [YES_IS_BAD]), background()])


def failures():
    return listing(
        "Why there is no certificate",
        "The reason of the last probe, where it failed.",
        [f"max by ({DOOR}, reason) ({rows('kube_https_probe_failure_info')})"],
        {"reason": "Reason", **COLUMNS},
        ("Host", False),
        height=6,
    )
