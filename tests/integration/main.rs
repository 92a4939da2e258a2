//! What the program does to real servers and hostile ones, and in a real cluster, all on this
//! machine. `make tools` installs them; none is skipped where it is missing.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "clippy's exception for tests does not cover their helpers; a failed test panics, and \
              values that are compared are exact"
)]

/// Certificates.
mod ca;
/// Child processes: where their programs are, what they need, and their end.
mod process;
/// Real TLS servers, each by one function.
mod peers;
/// Listeners that misbehave, each in one way.
mod hostile;
/// A real API server on a real etcd.
mod cluster;
/// What stands before an API server, and ends watches.
mod relay;
/// Name servers that say what a test wants.
mod names;
/// HTTP requests.
mod http;
/// What is scraped, and questions to it.
mod scrape;
/// What the judge says of a chain.
mod judged;
/// The program itself.
mod exporter;

/// Which versions real servers accept, and the certificates they show.
mod versions;
/// Servers that begin in clear and turn to TLS.
mod starttls;
/// Which cipher suites and groups real servers accept.
mod ciphers;
/// What we and others say about the same real servers.
mod differential;
/// What people and other programs read: the page, the API, `http_sd`.
mod interfaces;
/// What real servers answer over TLS: headers, refusals, and strangers' requests.
mod requests;
/// Answers of real servers, for the unit tests to replay.
mod capture;
/// What hostile servers cost and how they are reported.
mod hostility;
/// What servers log of the probes.
mod neighbour;
/// What a probe takes of the heap.
mod allocations;
/// What is discovered in a real cluster, under the access rules of the sources' table.
mod discovery;
/// Where the hosts of a real cluster's objects are dialled.
mod resolve;
/// How watches get over what happens to them.
mod follow;
/// What is discovered of Gateway API, by its own definitions.
mod gateway;
/// The servers behind the API server.
mod behind;
/// Ports of Services and nodes, from a real cluster to what Prometheus scrapes.
mod services;
/// What objects declare that is worth a finding, and the host ports of pods.
mod remarks;
/// What everybody may do, and which namespaces deny by default.
mod reviews;
/// What of a real cluster shows in a scrape, as it is and as it changes.
mod cluster_to_scrape;
/// Certificates that no handshake shows, in a real cluster and on disk, and lists of targets.
mod stored;
/// What cert-manager issued beside what is served, by its own definitions.
mod cert_manager;
/// API servers that publish their own addresses.
mod replicas;
/// Several exporters that share the targets.
mod shards;
mod routes;
/// A real controller: Traefik, from users' objects to the scrape.
mod traefik;
/// What earlier versions had, and this one has to have.
mod upgrade;
/// The chart in a real cluster.
mod chart;
/// The program under the chart's seccomp profile.
mod confined;
/// A real Prometheus: both formats, the alert rules, and promtool.
mod prometheus;
/// `/probe`, beside a real `blackbox_exporter`.
mod probe;
/// The configuration, read again while the program runs.
mod reload;
/// What the log says of changes.
mod journal;
/// Who may come in: a real Prometheus with a certificate and a password, and promtool.
mod guard;
/// Its own port, and clients that are slow, idle, oversized or guess.
mod own_port;
/// The exporter started as systemd does it.
mod systemd;
/// What every alert must have: texts, a runbook, a dashboard.
mod alerts;
/// From a host that breaks to the page, and back, through a real Prometheus and Alertmanager.
mod paging;
mod paths;
/// The queries of the dashboards, on a real Prometheus.
mod boards;
/// Everything that the demo shows.
mod golden;
/// What `check` prints and how it ends.
mod check;
/// Paths that are right, and paths that are wrong.
mod pkits;
/// Name constraints and path building.
mod bettertls;
/// Certificates that others collected.
mod corpora;
/// What the program makes of hostile servers and of wrong configurations.
mod bad_input;
/// Servers that are hostile after the handshake.
mod after_handshake;
/// Thousands of hostile servers at once.
mod crowd;
/// What the machine does to the program: no disk, no descriptors, no memory, no names, and clocks
/// that jump.
mod faults;
/// What the API server does to the program: it goes, comes, lags and refuses.
mod faults_cluster;
/// What hostile certificates come to in every output.
mod injection;
/// What tenants could do with names and numbers.
mod tenants;
/// The plan that the source keeps to.
mod layout;
