"""Exporter: whether what the other boards show can be believed: targets, probes, sources, and the process itself."""

from grafana_foundation_sdk.builders import dashboard as d

from parts import BAD, CHOSEN, NEUTRAL, ROW, WORRYING, bars, board, figure, levels, lines, listing, number_of, setting

# What the exporter says of itself has no host and no namespace.
OWN = 'cluster=~"$cluster"'
SOURCED = f'{OWN}, source=~"$source"'
# The processes of the jobs where exporters are.
PROCESS = f"and on (cluster, job, instance) kube_https_build_info{{{OWN}}}"
RATE = "$__rate_interval"


def exporter():
    return (
        board("kube-https-exporter", "Kube HTTPS / Exporter", "Whether the exporter sees, and keeps up with, what it should.")
        .with_row(d.Row("Now"))
        .with_panel(figure("Exporters", "How many are scraped.", f"count(kube_https_build_info{{{OWN}}})", NEUTRAL, 3))
        .with_panel(figure("Targets", "Known to all exporters together.", f"sum(max without (instance, pod) (kube_https_targets{{{SOURCED}}}))", NEUTRAL, 3))
        .with_panel(figure("Dropped", "Declared but not probed: denied, over a cap, without an address, or of no use.",
            f"sum(max without (instance, pod) (kube_https_targets_dropped{{{SOURCED}}}))", WORRYING, 3))
        .with_panel(figure("Stale", "Targets not probed for more than three intervals.", number_of(stale()), BAD, 3))
        .with_panel(figure("Sources unread", "Sources that cannot be read: their doors are missing.",
            number_of(f"min by (cluster, source) (kube_https_discovery_synced{{{SOURCED}}}) == 0"), BAD, 3))
        .with_panel(figure("Oldest probe", "How long ago the target was probed whose turn is the longest past.",
            f"max(time() - max by ({ROW}) (kube_https_probe_last_timestamp_seconds{{{CHOSEN}}}))", NEUTRAL, 3).unit("s"))
        .with_panel(figure("Interval", "Configured between two probes of a target.",
            f'max(kube_https_probe_interval_seconds{{{OWN}, kind="regular"}})', NEUTRAL, 3).unit("s"))
        .with_panel(figure("Reloads refused", "Exporters whose configuration is wrong: the one before is in force.",
            number_of(f"kube_https_config_last_reload_successful{{{OWN}}} == 0"), BAD, 3))
        .with_row(d.Row("Probes"))
        .with_panel(lines("Probes and failures", "Probes a second, and those that got no certificate, by reason.", "ops", [
            (f"sum(rate(kube_https_probes_total{{{OWN}}}[{RATE}]))", "probes"),
            (f"sum by (reason) (rate(kube_https_probe_failures_total{{{OWN}}}[{RATE}])) > 0", "{{reason}}"),
        ]))
        .with_panel(lines("Phases, 99th percentile", "Of each phase of a probe, over all targets.", "s",
            [(f"histogram_quantile(0.99, sum by (le, phase) (rate(kube_https_probe_phase_duration_seconds_bucket{{{OWN}}}[{RATE}])))", "{{phase}}")]))
        .with_panel(lines("Lateness", "How late probes begin after they were due: a rise says that the exporter cannot keep up.", "s", [
            (f"histogram_quantile(0.5, sum by (le) (rate(kube_https_probe_lateness_seconds_bucket{{{OWN}}}[{RATE}])))", "median"),
            (f"histogram_quantile(0.99, sum by (le) (rate(kube_https_probe_lateness_seconds_bucket{{{OWN}}}[{RATE}])))", "99th percentile"),
        ]))
        .with_row(d.Row("Discovery"))
        .with_panel(bars("Targets by source", "How many each source declares.",
            f"sum by (source) (max without (instance, pod) (kube_https_targets{{{SOURCED}}}))", "{{source}}"))
        .with_panel(bars("Sources read", "1: the source has listed what it declares; 0: it cannot be read.",
            f"min by (source) (kube_https_discovery_synced{{{SOURCED}}})", "{{source}}", levels("red", (1, "green"))))
        .with_panel(lines("Errors of discovery", "Failed attempts to read a source, a second, by reason.", "ops",
            [(f"sum by (source, reason) (rate(kube_https_discovery_errors_total{{{SOURCED}}}[{RATE}])) > 0", "{{source}} {{reason}}")]))
        .with_panel(listing("Dropped, and why", "Targets that are declared but not probed.",
            [f"max by (cluster, source, reason) (kube_https_targets_dropped{{{SOURCED}}}) > 0"],
            {"source": "Source", "reason": "Reason", "Value": "Targets", "cluster": "Cluster"}, ("Targets", True), width=12, height=6))
        .with_panel(listing("Permissions refused", "What the configuration needs and the ServiceAccount may not do.",
            [f"max by (cluster, group, resource, verb, scope) (kube_https_permission{{{OWN}}}) == 0"],
            {"group": "Group", "resource": "Resource", "verb": "Verb", "scope": "Scope", "cluster": "Cluster"},
            ("Resource", False), width=12, height=6))
        .with_row(d.Row("Process"))
        .with_panel(lines("CPU", "Of each exporter, in cores.", "short",
            [(f"rate(process_cpu_seconds_total{{{OWN}}}[{RATE}]) {PROCESS}", "{{instance}}")]))
        .with_panel(lines("Memory", "Resident, of each exporter.", "bytes",
            [(f"process_resident_memory_bytes{{{OWN}}} {PROCESS}", "{{instance}}")]))
        .with_panel(lines("Open files", "Of each exporter, and its limit.", "short", [
            (f"process_open_fds{{{OWN}}} {PROCESS}", "{{instance}}"),
            (f"process_max_fds{{{OWN}}} {PROCESS}", "{{instance}} limit"),
        ]))
        .with_panel(listing("Builds", "What runs, and since when.", [
            f"max by (cluster, job, instance, version) (kube_https_build_info{{{OWN}}})",
            f"max by (cluster, job, instance) (process_start_time_seconds{{{OWN}}} {PROCESS}) * 1000",
        ], {"instance": "Instance", "version": "Version", "Value #B": "Since", "job": "Job", "cluster": "Cluster"}, ("Instance", False), height=6)
            .override_by_name("Since", [setting("unit", "dateTimeAsIso")]))
    )  # fmt: skip


def stale():
    last = f"kube_https_probe_last_timestamp_seconds{{{CHOSEN}}}"
    interval = f'kube_https_probe_interval_seconds{{{OWN}, kind="regular"}}'
    return f"max by ({ROW}) (time() - {last} > on (cluster, job, instance) group_left () 3 * {interval})"
