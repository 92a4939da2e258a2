//! The command line: what was typed, checked and typed, nothing more.
//!
//! Flags are named as the Prometheus exporters name theirs, and as kubectl names its own. The
//! environment is not read here: `KUBECONFIG` is the Kubernetes client's own business.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::config::{FailOn, host_port, is_namespace};
use crate::logging::{Format, Level};
use crate::model::{Severity, StartTls};

/// What the program is asked to do.
///
/// The error is clap's: it knows its exit code (2, or 0 for `--help` and `--version`) and the
/// stream it belongs on.
///
/// Called as `kubectl-https`, which is how kubectl calls its plugin `https`, it is `check`.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let mut arguments = arguments.into_iter().peekable();
    if arguments.peek().is_some_and(|name| is_plugin(name)) {
        return Ok(Command::Check(Plugin::try_parse_from(arguments)?.check));
    }
    let typed = Arguments::try_parse_from(arguments)?;
    Ok(typed.command.unwrap_or(Command::Serve(typed.serve)))
}

/// Whether the program was called by its name as a plugin of kubectl.
fn is_plugin(name: &OsStr) -> bool {
    Path::new(name).file_stem() == Some(OsStr::new("kubectl-https"))
}

/// Look at every TLS door of the cluster once, print it, and exit
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-https",
    bin_name = "kubectl https",
    version,
    max_term_width = 80
)]
struct Plugin {
    #[command(flatten)]
    check: Check,
}

/// The command line, for its documentation.
#[must_use]
pub fn definition() -> clap::Command {
    Arguments::command()
}

/// Looks at every TLS door of a Kubernetes cluster and tells Prometheus what is really served.
#[derive(Debug, Parser)]
#[command(
    name = "kube-https-exporter",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 80,
    after_help = "Without a command it serves; flags go after the command. The cluster is found \
                  as kubectl finds it, or from inside it. docs/config.md has every field of the \
                  configuration file."
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

/// What the program is asked to do.
#[derive(Debug, PartialEq, Subcommand)]
pub enum Command {
    /// Run the exporter (the default)
    Serve(Serve),
    /// Look at everything once, print it, and exit
    Check(Check),
    /// Run an embedded cluster on loopback, and the exporter looking at it
    Demo(Demo),
    /// Write the documents that are generated
    #[command(hide = true)]
    Gen {
        /// Where to
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Write the man pages and shell completions that packages ship, instead of the documents
        #[arg(long)]
        manual: bool,
    },
}

/// Run the exporter.
#[derive(Args, Debug, PartialEq)]
pub struct Serve {
    /// Where the settings are.
    #[command(flatten)]
    pub config: ConfigFile,
    /// Say whether the configuration is right, and exit: 0 if it is, 2 if not
    #[arg(long = "config.check")]
    pub config_check: bool,
    /// Which cluster, and how much of it.
    #[command(flatten)]
    pub cluster: Cluster,
    /// How much of what is discovered.
    #[command(flatten)]
    pub shard: Sharding,
    /// Reload the configuration at `POST /-/reload` too, as at SIGHUP
    #[arg(long = "web.enable-lifecycle", help_heading = "Web")]
    pub enable_lifecycle: bool,
    /// Where the metrics are served.
    #[command(flatten)]
    pub web: Web,
    /// What is logged, and how.
    #[command(flatten)]
    pub log: Log,
}

/// Look at everything once.
#[derive(Args, Debug, PartialEq)]
#[command(
    after_help = "Exit codes: 0 nothing found; 1 findings as bad as --fail-on or worse; 2 wrong \
                  usage or configuration; 3 something could not be probed."
)]
pub struct Check {
    /// Look at these hosts rather than at the cluster; the port is 443 where there is none
    #[arg(
        value_name = "HOST[:PORT]",
        conflicts_with_all = ["namespace", "all_namespaces"]
    )]
    pub hosts: Vec<Host>,
    /// The hosts speak this in clear until they are asked for TLS: smtp, imap, pop3, ftp, ldap,
    /// xmpp, postgres or mysql
    #[arg(
        long,
        requires = "hosts",
        hide_possible_values = true,
        value_name = "PROTOCOL",
        value_parser = PossibleValuesParser::new(StartTls::ALL.map(StartTls::label)).try_map(starttls)
    )]
    pub starttls: Option<StartTls>,
    /// How to print it: table, wide, json, yaml, csv, sarif or junit
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_possible_values = true
    )]
    pub output: Output,
    /// Say of this host what declares it, what it became, and why it is or is not probed
    #[arg(long, value_name = "HOST", conflicts_with = "hosts")]
    pub why: Option<Arc<str>>,
    /// Print what was seen of each target below the table, and leave nothing out
    #[arg(short, long)]
    pub verbose: bool,
    /// Exit 1 on a finding this bad or worse: critical, warning, info or never
    #[arg(
        long,
        hide_possible_values = true,
        value_name = "SEVERITY",
        default_value = "critical",
        value_parser = PossibleValuesParser::new(["critical", "warning", "info", "never"]).map(fail_on)
    )]
    pub fail_on: FailOn,
    /// Fail only on findings that this report, printed by -o json before, has not
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Do not exit 3 where something could not be probed
    #[arg(long)]
    pub allow_unprobed: bool,
    /// Print what a finding means and what to do about it, and look at nothing
    #[arg(long, value_name = "FINDING", exclusive = true)]
    pub explain: Option<String>,
    /// Where the settings are.
    #[command(flatten)]
    pub config: ConfigFile,
    /// Which of the targets.
    #[command(flatten)]
    pub only: Only,
    /// Which cluster, and how much of it.
    #[command(flatten)]
    pub cluster: Cluster,
    /// What is logged, and how.
    #[command(flatten)]
    pub log: Log,
}

/// Which of the targets are printed and count.
#[derive(Args, Debug, Default, PartialEq)]
#[command(next_help_heading = "Only")]
pub struct Only {
    /// Only targets of this source; repeat it, or separate several by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub source: Vec<String>,
    /// Only this host, or all below `*.suffix`; repeat it, or separate several by commas
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    pub host: Vec<String>,
    /// Only targets with a finding this bad or worse: critical, warning or info
    #[arg(
        long,
        hide_possible_values = true,
        value_name = "SEVERITY",
        value_parser = PossibleValuesParser::new(["critical", "warning", "info"]).map(severity)
    )]
    pub severity: Option<Severity>,
}

/// Run the demonstration.
#[derive(Args, Debug, PartialEq)]
pub struct Demo {
    /// Where the metrics are served.
    #[command(flatten)]
    pub web: Web,
    /// What is logged, and how.
    #[command(flatten)]
    pub log: Log,
}

/// Where the settings are.
#[derive(Args, Debug, PartialEq)]
pub struct ConfigFile {
    /// Read settings from this YAML file; none is needed
    #[arg(long = "config.file", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
}

/// Which cluster, and how much of it.
#[derive(Args, Debug, PartialEq)]
#[command(next_help_heading = "Cluster")]
pub struct Cluster {
    /// Find the cluster by this file
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Take this context of the kubeconfig rather than its current one
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Look only at this namespace; repeat it, or separate several by commas
    #[arg(
        short,
        long,
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = namespace,
        conflicts_with = "all_namespaces"
    )]
    pub namespace: Vec<String>,
    /// Look at every namespace, whatever the configuration says
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
}

impl Cluster {
    /// The namespaces to look at, empty for all: what was typed, or else what is `configured`.
    #[must_use]
    pub fn namespaces(&self, configured: Vec<String>) -> Vec<String> {
        match (self.all_namespaces, self.namespace.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => configured,
            (false, false) => self.namespace.clone(),
        }
    }
}

/// Which of several instances this one is, that share what is discovered.
#[derive(Args, Clone, Copy, Debug, PartialEq)]
#[command(next_help_heading = "Sharding")]
pub struct Sharding {
    /// Share the targets among this many instances
    #[arg(long = "shard.count", value_name = "N", default_value = "1")]
    pub count: NonZero<u32>,
    /// This instance's number among them, from 0; or the name of a pod, which ends
    /// in it
    #[arg(
        long = "shard.ordinal",
        value_name = "N|POD",
        value_parser = ordinal
    )]
    pub ordinal: Option<u32>,
}

/// Where the metrics are served.
#[derive(Args, Debug, PartialEq)]
#[command(next_help_heading = "Web")]
pub struct Web {
    /// Serve at this address (`:PORT`, `HOST:PORT`, `[IPv6]:PORT`); repeat it for several
    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS",
        default_value = ":10043"
    )]
    pub listen_addresses: Vec<Listen>,
    /// Serve at the sockets that systemd hands over, rather than at addresses
    #[arg(long = "web.systemd-socket")]
    pub systemd_socket: bool,
    /// Take TLS, client certificates and users from this file, of the form that Prometheus' own
    /// exporters read
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub web_config_file: Option<PathBuf>,
    /// Serve the metrics at this path
    #[arg(
        long = "web.telemetry-path",
        value_name = "PATH",
        default_value = "/metrics",
        value_parser = telemetry_path
    )]
    pub telemetry_path: String,
    /// People find this exporter at this URL; where it has a path, that is the route prefix
    #[arg(long = "web.external-url", value_name = "URL")]
    pub external_url: Option<ExternalUrl>,
    /// Serve everything below this path, for a proxy that leaves it in place [default: the path of
    /// --web.external-url]
    #[arg(long = "web.route-prefix", value_name = "PATH", value_parser = route_prefix)]
    pub route_prefix: Option<String>,
    /// Serve what lists the targets: the table at /, /target, /api/v1/targets and /sd
    #[arg(
        long = "web.inventory",
        value_name = "BOOL",
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = ArgAction::Set
    )]
    pub inventory: bool,
}

impl Web {
    /// Where everything is served: empty, or a path with no slash at its end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        let external = self.external_url.as_ref().map(|url| &url.path);
        self.route_prefix
            .as_ref()
            .or(external)
            .map_or("", |path| path)
    }
}

/// What is logged, and how.
#[derive(Args, Clone, Copy, Debug, PartialEq)]
#[command(next_help_heading = "Log")]
pub struct Log {
    /// Log what is this important or more: error, warn, info or debug [default: info; for check:
    /// warn]
    #[arg(long = "log.level", value_name = "LEVEL", hide_possible_values = true)]
    pub level: Option<Level>,
    /// Log in this form, on standard error: logfmt, json, or ecs for Elasticsearch
    #[arg(
        long = "log.format",
        value_name = "FORMAT",
        default_value = "logfmt",
        hide_possible_values = true
    )]
    pub format: Format,
}

/// How `check` prints what it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people, within 80 columns
    Table,
    /// For people with wide terminals
    Wide,
    /// As docs/targets.schema.json describes it
    Json,
    /// The same as YAML
    Yaml,
    /// For spreadsheets
    Csv,
    /// For code scanning (SARIF 2.1.0)
    Sarif,
    /// For CI systems
    Junit,
}

/// A host that `check` is asked to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// A DNS name in A-label form, or an IP address without brackets.
    pub host: Arc<str>,
    /// The TCP port.
    pub port: u16,
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, rest)) = text.split_once("://") {
            return Err(format!("write a host, not a URL: `{rest}`"));
        }
        let (host, port) = host_port(text)?;
        Ok(Self {
            host: host.into(),
            port,
        })
    }
}

/// An address to serve at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// A name or an IP address without brackets; `None` for every address of this machine.
    pub host: Option<Arc<str>>,
    /// The TCP port; 0 for one that is free.
    pub port: u16,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (host, port) = text.rsplit_once(':')?;
            let bracketed = host
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'));
            let host = match bracketed {
                Some(v6) => Some(v6.parse::<std::net::Ipv6Addr>().ok()?.to_string().into()),
                None if host.is_empty() => None,
                None if host.contains([':', '[', ']', '/', ' ']) => return None,
                None => Some(host.into()),
            };
            let port = port.parse().ok()?;
            Some(Self { host, port })
        };
        read().ok_or_else(|| "expected `:PORT`, `HOST:PORT` or `[IPv6]:PORT`".to_owned())
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.as_deref() {
            Some(v6) if v6.contains(':') => write!(f, "[{v6}]:{}", self.port),
            host => write!(f, "{}:{}", host.unwrap_or_default(), self.port),
        }
    }
}

/// Where people find the exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl {
    /// Without a slash at its end.
    pub url: String,
    /// Its path, without one either.
    pub path: String,
}

impl FromStr for ExternalUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (scheme, rest) = text.split_once("://")?;
            let start = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(start);
            let path = if path.is_empty() { "/" } else { path };
            host_port(authority).ok()?;
            ["http", "https"].contains(&scheme).then_some(())?;
            route_prefix(path).ok()
        };
        let path = read().ok_or("expected a URL such as `https://tools.example.com/tls`")?;
        let url = text.trim_end_matches('/').to_owned();
        Ok(Self { url, path })
    }
}

/// A number, or the one that a stateful set's pod is called by: `NAME-NUMBER`.
fn ordinal(text: &str) -> Result<u32, String> {
    let number = text.rsplit_once('-').map_or(text, |(_, number)| number);
    number
        .parse()
        .map_err(|_| "expected a number, or a pod's name that ends in one: `exporter-2`".to_owned())
}

fn namespace(text: &str) -> Result<String, String> {
    if is_namespace(text) {
        Ok(text.to_owned())
    } else {
        Err("that cannot be the name of a namespace".to_owned())
    }
}

fn fail_on(word: String) -> FailOn {
    match word.as_str() {
        "never" => FailOn::Never,
        _ => FailOn::Severity(severity(word)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "clap hands the word over")]
fn severity(word: String) -> Severity {
    match word.as_str() {
        "info" => Severity::Info,
        "warning" => Severity::Warning,
        _ => Severity::Critical,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "clap hands the word over")]
fn starttls(word: String) -> Result<StartTls, String> {
    let mut known = StartTls::ALL.into_iter();
    let meant = known.find(|one| one.label() == word);
    meant.ok_or_else(|| "no such protocol".to_owned())
}

/// A path to serve below, without the slash at its end.
fn route_prefix(text: &str) -> Result<String, String> {
    if is_plain_path(text) {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("expected a path such as `/tls`, of letters, digits and `-._~/`".to_owned())
    }
}

/// RFC 3986 section 2.3 and the slash: nothing that would have to be escaped or be a pattern.
fn is_plain_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    text.starts_with('/') && !text.contains("//") && text.chars().all(plain)
}

/// A path for the metrics that is none of the program's other ones.
fn telemetry_path(text: &str) -> Result<String, String> {
    const TAKEN: [&str; 6] = ["/", "/probe", "/sd", "/target", "/livez", "/readyz"];
    const TAKEN_BELOW: [&str; 3] = ["/-/", "/api/", "/runbooks"];

    if !is_plain_path(text) {
        Err("expected a path such as `/metrics`, of letters, digits and `-._~/`".to_owned())
    } else if TAKEN.contains(&text) || TAKEN_BELOW.iter().any(|below| text.starts_with(below)) {
        Err("something else is served there".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests;
