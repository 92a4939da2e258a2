"""Cluster posture: for a security review: how the cluster stands on TLS, with what Kubernetes says of its own certificates beside."""

from grafana_foundation_sdk.builders import dashboard as d

from parts import (
    BAD, NEUTRAL, ROW, WORRYING,
    background, bars, board, figure, levels, linked, lines, listing, number_of, rows, setting, share_of, words,
)  # fmt: skip

OWN = 'cluster=~"$cluster"'
RATE = "$__rate_interval"
COLUMNS = {"namespace": "Namespace", "source": "Source", "name": "Name", "host": "Host", "port": "Port", "address": "Address"}
# Findings that give access to whoever comes, or trust to whoever answers.
ACCESS = "|".join([
    "anonymous_access", "client_certificate_not_required", "insecure_port_open", "kubeconfig_plaintext", "open_to_the_world",
    "reachable_unexpectedly", "verification_disabled",
])  # fmt: skip
ALL_ROWS = rows("kube_https_probe_success")
# The profiles that the operator chose; the benchmark's items are of the control plane alone.
BY_CHOICE = 'policy!~"cis-.*"'
ASKED = f"max by ({ROW}) ({rows('kube_https_tls_version_accepted')})"


def posture():
    return (
        board("kube-https-posture", "Kube HTTPS / Cluster posture", "How the cluster stands on TLS, for a security review.")
        .with_row(d.Row("In a few numbers"))
        .with_panel(figure("Https only", "Share of the doors that serve TLS and nothing in clear.",
            'sum(max without (instance, pod) (kube_https_doors{cluster=~"$cluster", source=~"$source", namespace=~"$namespace", state="https_only"}))'
            ' / sum(max without (instance, pod) (kube_https_doors{cluster=~"$cluster", source=~"$source", namespace=~"$namespace"}))',
            NEUTRAL, 4).unit("percentunit"))
        .with_panel(figure("Valid certificates", "Share of the doors whose certificate a client would accept.",
            f"avg({rows('kube_https_certificate_valid')})", NEUTRAL, 4).unit("percentunit"))
        .with_panel(figure("TLS 1.3", "Share of the doors that accept it.",
            share_of(rows("kube_https_tls_version_accepted", 'version="TLS 1.3"') + " == 1", ASKED), NEUTRAL, 4).unit("percentunit"))
        .with_panel(figure("Policy met", "Share of the doors that meet the configured profile, the worst of several.",
            f"min(avg by (policy) ({rows('kube_https_policy_compliant', BY_CHOICE)}))", NEUTRAL, 4).unit("percentunit"))
        .with_panel(figure("Post-quantum", "Share of the doors that accept a hybrid ML-KEM key exchange.",
            f"avg({rows('kube_https_tls_post_quantum_accepted')})", NEUTRAL, 4).unit("percentunit"))
        .with_panel(figure("Open access", "Doors that let in whoever comes, or trust whoever answers; the table below has them.",
            number_of(rows("kube_https_finding", f'finding=~"{ACCESS}"')), BAD, 4))
        .with_row(d.Row("What is accepted"))
        .with_panel(bars("Versions accepted", "How many doors accept each version of the protocol.",
            f"count by (version) ({rows('kube_https_tls_version_accepted')} == 1)", "{{version}}"))
        .with_panel(bars("Classes of weak ciphers accepted", "How many doors accept some cipher suite of the class.",
            f"count by (class) ({rows('kube_https_tls_cipher_class_accepted')} == 1)", "{{class}}", WORRYING))
        .with_panel(bars("Agreed on", "Version and key exchange that a modern client gets, by number of doors.",
            f"count by (version, group) ({rows('kube_https_tls_negotiated_info')})", "{{version}} {{group}}"))
        .with_panel(bars("Keys", "Kinds of keys of leaf certificates.",
            f"count by (key_algorithm, key_size) ({rows('kube_https_certificate_info')})", "{{key_algorithm}} {{key_size}}"))
        .with_panel(bars("Trust", "What the chains lead to.",
            f"count by (trust) ({rows('kube_https_certificate_trust_info')})", "{{trust}}"))
        .with_panel(bars("Client certificates", "Whether doors ask clients for one.",
            f"count by (mode) ({rows('kube_https_tls_client_certificate_info')})", "{{mode}}"))
        .with_row(d.Row("What to look into"))
        .with_panel(access())
        .with_panel(kinds())
        .with_panel(listing("Issuers", "Who issued the leaf certificates, and for how many doors.",
            [f"count by (issuer_common_name, issuer_organization) ({rows('kube_https_certificate_info')})"],
            {"issuer_common_name": "Issuer", "issuer_organization": "Organization", "Value": "Doors"}, ("Doors", True), width=12, height=8))
        .with_panel(listing("Accepted for now", "Findings that a rule accepts, until when and why.",
            [f"max by ({ROW}, finding, until, reason) ({rows('kube_https_finding_waived_info')})"],
            {"finding": "Finding", "until": "Until", "reason": "Reason", **COLUMNS}, ("Until", False), height=6))
        .with_panel(stored())
        .with_row(d.Row("What Kubernetes says of itself"))
        .with_panel(lines("Client certificates at the API server", "The least time that was left of 99 in 100 of those that clients showed.", "s",
            [(f"histogram_quantile(0.01, sum by (le) (rate(apiserver_client_certificate_expiration_seconds_bucket{{{OWN}}}[{RATE}])))", "first hundredth")]))
        .with_panel(lines("Kubelets' certificates", "The least time that is left, over the kubelets: each renews its own.", "s", [
            (f"min(kubelet_certificate_manager_client_ttl_seconds{{{OWN}}})", "client"),
            (f"min(kubelet_certificate_manager_server_ttl_seconds{{{OWN}}})", "server"),
        ]))
        .with_panel(lines("Kubelets' renewals that failed", "A second, over the kubelets.", "ops", [
            (f"sum(rate(kubelet_certificate_manager_client_expiration_renew_errors{{{OWN}}}[{RATE}]))", "client"),
            (f"sum(rate(kubelet_server_expiration_renew_errors{{{OWN}}}[{RATE}]))", "server"),
        ]))
        .with_panel(lines("Handshakes that the API server broke off", "A second.", "ops",
            [(f"sum(rate(apiserver_tls_handshake_errors_total{{{OWN}}}[{RATE}]))", "errors")]))
        .with_panel(lines("Requests to the API server", "A second, by class of the answer.", "reqps",
            [(f'sum by (code) (label_replace(rate(apiserver_request_total{{{OWN}}}[{RATE}]), "code", "${{1}}xx", "code", "(.).*"))', "{{code}}")]))
        .with_panel(lines("Old certificates on the way out", "Calls of webhooks and API services a second whose certificate has no SAN, or a SHA-1 signature.", "ops", [
            (f"sum(rate(apiserver_webhooks_x509_missing_san_total{{{OWN}}}[{RATE}]))", "webhook without a SAN"),
            (f"sum(rate(apiserver_kube_aggregator_x509_missing_san_total{{{OWN}}}[{RATE}]))", "API service without a SAN"),
            (f"sum(rate(apiserver_webhooks_x509_insecure_sha1_total{{{OWN}}}[{RATE}]))", "webhook with SHA-1"),
            (f"sum(rate(apiserver_kube_aggregator_x509_insecure_sha1_total{{{OWN}}}[{RATE}]))", "API service with SHA-1"),
        ]))
    )  # fmt: skip


def access():
    expr = f"max by ({ROW}, severity, finding) ({rows('kube_https_finding', f'finding=~{chr(34)}{ACCESS}{chr(34)}')})"
    colours = words({"critical": ("critical", "red"), "warning": ("warning", "orange"), "info": ("info", "blue")})
    return (
        listing(
            "Open access and blind trust",
            "Ports and APIs that let in whoever comes, and clients that trust whoever answers.",
            [expr],
            {"severity": "Severity", "finding": "Finding", **COLUMNS},
            ("Severity", False),
            height=8,
        )
        .override_by_name("Host", [linked()])
        .override_by_name("Severity", [setting("mappings", [colours]), background()])
    )


def kinds():
    expr = 'sum by (finding, severity) (max without (instance, pod) (kube_https_findings{cluster=~"$cluster", source=~"$source", namespace=~"$namespace"}))'
    return listing(
        "Findings by kind",
        "How many doors have each finding now.",
        [f"{expr} > 0"],
        {"finding": "Finding", "severity": "Severity", "Value": "Doors"},
        ("Doors", True),
        width=12,
        height=8,
    )


def stored():
    selector = 'cluster=~"$cluster", source=~"$source", namespace=~"$namespace"'
    until = f"max by (cluster, source, namespace, name, key, usage) (kube_https_stored_certificate_not_after_timestamp_seconds{{{selector}}})"
    return listing(
        "Certificates that no handshake shows",
        "Authorities, and certificates in files, kubeconfigs and the Secrets that are named: how long they last.",
        [f"bottomk(100, {until} - time())"],
        {"usage": "Usage", "Value": "Time left", "namespace": "Namespace", "source": "Source", "name": "Name", "key": "Key"},
        ("Time left", False),
        height=8,
    ).override_by_name("Time left", [setting("unit", "s"), setting("thresholds", levels("red", (30 * 86400, "orange"), (180 * 86400, "green")).build()), background()])
