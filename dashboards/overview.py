"""Overview: what is wrong now, what expires next, which versions the fleet accepts, and whether the probes go on."""

from grafana_foundation_sdk.builders import dashboard as d

from parts import (
    BAD, CHOSEN, LIFETIME, NEUTRAL, NOT_AFTER, REMAINING, ROW, SHARE_LEFT, WORRYING,
    background, bars, board, figure, levels, linked, lines, listing, number_of, rows, setting,
)  # fmt: skip

# Rows of the tables: enough to see what is wrong, few enough for a browser.
MOST = 100

TARGET_COLUMNS = {
    "namespace": "Namespace",
    "source": "Source",
    "name": "Name",
    "host": "Host",
    "port": "Port",
    "address": "Address",
    "cluster": "Cluster",
}

OUTDATED = rows("kube_https_tls_version_accepted", 'version=~"SSL 3.0|TLS 1.0|TLS 1.1"') + " == 1"
SOONEST = f"bottomk({MOST}, max by ({ROW}) {REMAINING})"


def overview():
    return (
        board("kube-https-overview", "Kube HTTPS / Overview", "What the TLS doors of the cluster really serve.")
        .with_row(d.Row("Now"))
        .with_panel(doors())
        .with_panel(figure("Targets", "Doors that are probed for TLS: hosts, at each of their addresses.",
            number_of(rows("kube_https_probe_success")), NEUTRAL, 2))
        .with_panel(figure("Expired", "Leaf certificates served past their end.",
            number_of(f"{REMAINING} < 0"), BAD, 2))
        .with_panel(figure("Expiring", "Leaf certificates with less than a quarter of their lifetime left, at most 21 days: renewal "
            "would have replaced them before.",
            number_of(f"{REMAINING} >= 0 < clamp_max(0.25 * {LIFETIME}, 21 * 86400)"), WORRYING, 2))
        .with_panel(figure("Invalid", "Certificates that clients refuse: out of time, for another name, or without a chain to the "
            "roots expected for the target.",
            number_of(rows("kube_https_certificate_valid") + " == 0"), BAD, 2))
        .with_panel(figure("Outdated TLS", "Doors that accept SSL 3.0, TLS 1.0 or TLS 1.1.",
            number_of(f"max by ({ROW}) ({OUTDATED})"), WORRYING, 2))
        .with_panel(figure("In clear", "Doors whose host is served without TLS.",
            number_of(f"max by ({ROW}) (" + rows("kube_https_plaintext_exposed") + " == 1)"), WORRYING, 2))
        .with_panel(figure("No certificate", "Doors whose last probe got no certificate: unreachable, or not TLS.",
            number_of(rows("kube_https_probe_success") + " == 0"), WORRYING, 2))
        .with_panel(figure("Stale", "Targets not probed for more than three intervals: what is shown of them is out of date.",
            number_of(stale()), BAD, 2))
        .with_row(d.Row("What to do next"))
        .with_panel(soonest())
        .with_panel(findings())
        .with_panel(in_clear())
        .with_row(d.Row("The fleet"))
        .with_panel(versions())
        .with_panel(figure("Post-quantum", "Share of the doors that accept a hybrid ML-KEM key exchange: what is recorded today stays "
            "secret from a quantum computer of tomorrow.",
            f"avg({rows('kube_https_tls_post_quantum_accepted')})", levels("blue"), 4).unit("percentunit").height(8))
        .with_panel(lines("Doors in trouble", "How the counts above went.", "short", [
            (number_of(rows("kube_https_certificate_valid") + " == 0"), "invalid certificate"),
            (number_of(f"max by ({ROW}) ({OUTDATED})"), "outdated TLS"),
            (number_of(f"max by ({ROW}) (" + rows("kube_https_plaintext_exposed") + " == 1)"), "in clear"),
            (number_of(rows("kube_https_probe_success") + " == 0"), "no certificate"),
        ], 12))
        .with_row(d.Row("The probes"))
        .with_panel(probes())
        .with_panel(durations())
        .with_panel(discovery())
    )  # fmt: skip


def doors():
    colours = {"https_only": "green", "exposed": "red", "broken": "orange", "unknown": "gray"}
    panel = figure(
        "Doors",
        "Every door by state: https_only, exposed (something is served in clear), broken (TLS fails), unknown (not found out yet).",
        'sum by (state) (max without (instance, pod) (kube_https_doors{cluster=~"$cluster", source=~"$source", namespace=~"$namespace"}))',
        NEUTRAL,
        width=8,
        legend="{{state}}",
    )
    for state, colour in colours.items():
        panel.override_by_name(state, [setting("color", {"mode": "fixed", "fixedColor": colour})])
    return panel


def stale():
    last = f"kube_https_probe_last_timestamp_seconds{{{CHOSEN}}}"
    interval = 'kube_https_probe_interval_seconds{cluster=~"$cluster", kind="regular"}'
    return f"max by ({ROW}) (time() - {last} > on (cluster, job, instance) group_left () 3 * {interval})"


def soonest():
    share = f"max by ({ROW}) ({REMAINING} / {LIFETIME}) and on ({ROW}) {SOONEST}"
    issuer = rows("kube_https_certificate_info")
    issuers = f"max by ({ROW}, issuer_common_name) ({issuer}) and on ({ROW}) {SOONEST}"
    names = {"Value #A": "Remaining", "Value #B": "Share left", **TARGET_COLUMNS, "issuer_common_name": "Issuer"}
    return (
        listing(
            "Soonest to expire",
            f"The {MOST} leaf certificates with the least time left, coloured by the share of their lifetime that is left: "
            "renewal is due at a third, red is below a tenth.",
            [SOONEST, share, issuers],
            names,
            ("Remaining", False),
        )
        .override_by_name("Host", [linked()])
        .override_by_name("Remaining", [setting("unit", "s"), setting("decimals", 1)])
        .override_by_name("Share left", [setting("unit", "percentunit"), background(), setting("thresholds", SHARE_LEFT.build())])
    )


def findings():
    expr = f'topk({MOST}, max by ({ROW}, severity, finding) ({rows("kube_https_finding")}))'
    names = {"severity": "Severity", "finding": "Finding", **TARGET_COLUMNS}
    colours = {"critical": ("red", 0), "warning": ("orange", 1), "info": ("blue", 2)}
    mapping = {"type": "value", "options": {word: {"color": colour, "index": index} for word, (colour, index) in colours.items()}}
    return listing(
        "Findings",
        f"What is wrong now, at most {MOST} rows; docs/runbooks has a page for each finding. What is waived is not listed.",
        [expr],
        names,
        ("Severity", False),
    ).override_by_name("Host", [linked()]).override_by_name("Severity", [setting("mappings", [mapping]), background()])


def in_clear():
    exposed = rows("kube_https_plaintext_exposed") + " == 1"
    expr = f"topk({MOST}, max by ({ROW}, plaintext_port) ({exposed}))"
    return listing(
        "Plaintext doors",
        f"Ports that serve HTTP in clear, at most {MOST}: neither closed, nor a redirect, nor a refusal.",
        [expr],
        {"plaintext_port": "Plaintext port", **TARGET_COLUMNS},
        ("Host", False),
        height=8,
    ).override_by_name("Host", [linked()])


def versions():
    accepted = rows("kube_https_tls_version_accepted") + " == 1"
    panel = bars(
        "Versions accepted",
        "How many doors accept each version of the protocol, asked one by one.",
        f"count by (version) ({accepted})",
        "{{version}}",
    )
    for version, colour in {"SSL 3.0": "red", "TLS 1.0": "red", "TLS 1.1": "red", "TLS 1.2": "green", "TLS 1.3": "green"}.items():
        panel.override_by_name(version, [setting("color", {"mode": "fixed", "fixedColor": colour})])
    return panel


def probes():
    return lines(
        "Probes and failures",
        "Probes a second, and those that got no certificate, by reason.",
        "ops",
        [
            ('sum(rate(kube_https_probes_total{cluster=~"$cluster"}[$__rate_interval]))', "probes"),
            ('sum by (reason) (rate(kube_https_probe_failures_total{cluster=~"$cluster"}[$__rate_interval])) > 0', "{{reason}}"),
        ],
    )


def durations():
    phase = 'sum by (le, phase) (rate(kube_https_probe_phase_duration_seconds_bucket{cluster=~"$cluster"}[$__rate_interval]))'
    late = 'sum by (le) (rate(kube_https_probe_lateness_seconds_bucket{cluster=~"$cluster"}[$__rate_interval]))'
    return lines(
        "Slowest hundredth",
        "The 99th percentile of each phase of a probe, and of how late probes begin: lateness says that the exporter cannot keep up.",
        "s",
        [(f"histogram_quantile(0.99, {phase})", "{{phase}}"), (f"histogram_quantile(0.99, {late})", "late")],
    )


def discovery():
    return bars(
        "Sources read",
        "1: the source has listed what it declares; 0: it cannot be read, and its doors are missing.",
        'min by (source) (kube_https_discovery_synced{cluster=~"$cluster", source=~"$source"})',
        "{{source}}",
        levels("red", (1, "green")),
    )
