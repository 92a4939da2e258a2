//! Modules: what `/probe?module=` may name, read from a file that `blackbox_exporter` or `ssl_exporter` reads.
//!
//! Their files are theirs: what does not apply here is left out, by name, rather than refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::value::MAX_TIMEOUT;
use crate::model::{StartTls, clean};

/// The modules of a file, or those that are there without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modules {
    /// By name.
    pub by_name: BTreeMap<String, Module>,
    /// The one that is meant where none is named.
    pub default: String,
}

/// How a target is probed, and what counts as success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// What is spoken.
    pub speaks: Speaks,
    /// The deadline, where it is shorter than the scrape's.
    pub timeout: Option<Duration>,
    /// Whether success takes a certificate that is trusted and names the host.
    pub verify: bool,
    /// The only roots that are trusted; the system's where there are none.
    pub ca_file: Option<Arc<Path>>,
    /// The name to ask for and to find in the certificate, rather than the target's host.
    pub server_name: Option<Arc<str>>,
    /// Whether IPv4 comes first where a name has both.
    pub prefer_ipv4: bool,
    /// Whether the other family does where the preferred one is missing.
    pub fallback: bool,
    /// Fields of the file that do not apply here, by their paths.
    pub ignored: Vec<String>,
}

/// What a module speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP, over TLS where the target is `https://`.
    Http(Http),
    /// TLS alone, to a target that may be written as a URL.
    Https,
    /// A connection, and TLS over it where that is asked for.
    Tcp {
        /// TLS from the first byte, or after `starttls`.
        tls: bool,
        /// What is spoken in clear until TLS is asked for.
        starttls: Option<StartTls>,
    },
    /// What only the exporter does that the file was written for.
    Other(String),
}

/// What success takes of an answer by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, as in the file"
)]
pub struct Http {
    /// The codes that are fine; empty for 200 to 299.
    pub valid_status_codes: Vec<u16>,
    /// `HEAD` rather than `GET`.
    pub head: bool,
    /// Whether a redirect is followed: to the same host only.
    pub follow: bool,
    /// TLS fails the probe.
    pub fail_if_tls: bool,
    /// Its absence does.
    pub fail_if_clear: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            valid_status_codes: Vec::new(),
            head: false,
            follow: true,
            fail_if_tls: false,
            fail_if_clear: false,
        }
    }
}

impl Module {
    fn speaking(speaks: Speaks) -> Self {
        Self {
            speaks,
            timeout: None,
            verify: true,
            ca_file: None,
            server_name: None,
            prefer_ipv4: false,
            fallback: true,
            ignored: Vec::new(),
        }
    }
}

/// Those that need no file: by the names that both exporters' examples give them.
impl Default for Modules {
    fn default() -> Self {
        let tcp = |tls| Speaks::Tcp {
            tls,
            starttls: None,
        };
        let modules = [
            ("http_2xx", Speaks::Http(Http::default())),
            ("tcp_connect", tcp(false)),
            ("tls_connect", tcp(true)),
            ("https", Speaks::Https),
            ("tcp", tcp(true)),
        ];
        let named = |(name, speaks): (&str, _)| (name.to_owned(), Module::speaking(speaks));
        Self {
            by_name: modules.into_iter().map(named).collect(),
            default: "http_2xx".to_owned(),
        }
    }
}

#[derive(Deserialize)]
struct File {
    default_module: Option<String>,
    modules: BTreeMap<String, Written>,
    #[serde(flatten)]
    rest: Rest,
}

/// Fields that have no place here, of whatever kind.
type Rest = BTreeMap<String, serde_json::Value>;

#[derive(Deserialize)]
struct Written {
    prober: String,
    timeout: Option<String>,
    /// Of `ssl_exporter`: one for the module.
    tls_config: Option<Tls>,
    http: Option<WrittenHttp>,
    https: Option<Rest>,
    tcp: Option<WrittenTcp>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Deserialize)]
struct Tls {
    #[serde(default)]
    insecure_skip_verify: bool,
    ca_file: Option<String>,
    server_name: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Deserialize)]
struct WrittenHttp {
    #[serde(default)]
    valid_status_codes: Vec<u16>,
    method: Option<String>,
    follow_redirects: Option<bool>,
    /// The older name of `follow_redirects`, negated.
    #[serde(default)]
    no_follow_redirects: bool,
    #[serde(default)]
    fail_if_ssl: bool,
    #[serde(default)]
    fail_if_not_ssl: bool,
    tls_config: Option<Tls>,
    preferred_ip_protocol: Option<String>,
    ip_protocol_fallback: Option<bool>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Deserialize)]
struct WrittenTcp {
    #[serde(default)]
    tls: bool,
    /// Of `ssl_exporter`.
    starttls: Option<String>,
    /// Of `blackbox_exporter`: what is said and expected, line by line.
    #[serde(default)]
    query_response: Vec<Line>,
    tls_config: Option<Tls>,
    preferred_ip_protocol: Option<String>,
    ip_protocol_fallback: Option<bool>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    starttls: bool,
    send: Option<String>,
}

/// Reads a file of modules. The error says what is wrong, and where.
pub(super) fn load(path: &Path) -> Result<Modules, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    parse(&text, folder)
}

fn parse(text: &str, folder: &Path) -> Result<Modules, String> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| clean(&error.to_string()))?;
    let mut by_name = BTreeMap::new();
    for (name, written) in file.modules {
        let module =
            read(written, folder).map_err(|what| format!("modules.{}: {what}", clean(&name)))?;
        by_name.insert(name, module);
    }
    // A key beside the two is of a later version of theirs, and says nothing of a module.
    drop(file.rest);
    let default = file.default_module.unwrap_or_else(|| "http_2xx".to_owned());
    Ok(Modules { by_name, default })
}

fn read(written: Written, folder: &Path) -> Result<Module, String> {
    let mut ignored = Ignored::default();
    ignored.add("", &written.rest);
    let mut module = Module::speaking(Speaks::Https);
    let mut tls = written.tls_config;
    let mut families = None;
    module.speaks = match written.prober.as_str() {
        "http" if written.https.is_none() => {
            let http = written.http;
            let speaks = http.as_ref().map_or_else(Http::default, |http| {
                ignored.add("http.", &http.rest);
                read_http(http, &mut ignored)
            });
            if let Some(http) = http {
                families = Some((http.preferred_ip_protocol, http.ip_protocol_fallback));
                tls = http.tls_config.or(tls);
            }
            Speaks::Http(speaks)
        }
        "http" | "https" => {
            ignored.add("https.", &written.https.unwrap_or_default());
            Speaks::Https
        }
        "tcp" => match written.tcp {
            // ssl_exporter's has TLS without a word; blackbox_exporter's says so.
            None => Speaks::Tcp {
                tls: tls.is_some(),
                starttls: None,
            },
            Some(tcp) => {
                ignored.add("tcp.", &tcp.rest);
                let starttls = starttls(&tcp, &mut ignored)?;
                families = Some((tcp.preferred_ip_protocol, tcp.ip_protocol_fallback));
                tls = tcp.tls_config.or(tls);
                Speaks::Tcp {
                    tls: tcp.tls || starttls.is_some(),
                    starttls,
                }
            }
        },
        other => Speaks::Other(clean(other)),
    };
    if let Some((preferred, fallback)) = families {
        module.prefer_ipv4 = preferred.as_deref() == Some("ip4");
        module.fallback = fallback.unwrap_or(true);
    }
    if let Some(tls) = tls {
        ignored.add("tls_config.", &tls.rest);
        module.verify = !tls.insecure_skip_verify;
        module.server_name = tls
            .server_name
            .filter(|name| !name.is_empty())
            .map(Arc::from);
        module.ca_file = tls
            .ca_file
            .filter(|file| !file.is_empty())
            .map(|file| folder.join(file).into());
    }
    module.timeout = written.timeout.as_deref().map(timeout).transpose()?;
    module.ignored = ignored.0;
    Ok(module)
}

fn read_http(http: &WrittenHttp, ignored: &mut Ignored) -> Http {
    let method = http.method.as_deref().unwrap_or("GET");
    if !["GET", "HEAD"].contains(&method) {
        ignored.0.push("http.method".to_owned());
    }
    Http {
        valid_status_codes: http.valid_status_codes.clone(),
        head: method == "HEAD",
        follow: http.follow_redirects.unwrap_or(true) && !http.no_follow_redirects,
        fail_if_tls: http.fail_if_ssl,
        fail_if_clear: http.fail_if_not_ssl,
    }
}

/// The protocol that is named, or that is told by what is said before TLS.
fn starttls(tcp: &WrittenTcp, ignored: &mut Ignored) -> Result<Option<StartTls>, String> {
    if let Some(name) = &tcp.starttls {
        let found = StartTls::ALL.into_iter().find(|one| one.label() == name);
        return found
            .map(Some)
            .ok_or_else(|| format!("tcp.starttls: {:?} is not spoken here", clean(name)));
    }
    if !tcp.query_response.iter().any(|line| line.starttls) {
        if !tcp.query_response.is_empty() {
            ignored.0.push("tcp.query_response".to_owned());
        }
        return Ok(None);
    }
    let sends = |start: &str| {
        let mut said = tcp
            .query_response
            .iter()
            .filter_map(|line| line.send.as_deref());
        said.any(|text| text.to_ascii_uppercase().contains(start))
    };
    let told = [
        ("EHLO", StartTls::Smtp),
        ("AUTH TLS", StartTls::Ftp),
        ("STLS", StartTls::Pop3),
        ("STARTTLS", StartTls::Imap),
    ];
    let found = told
        .into_iter()
        .find(|(word, _)| sends(word))
        .map(|(_, protocol)| protocol);
    found.map(Some).ok_or_else(|| {
        "tcp.query_response: it cannot be told which protocol this is; write `starttls: smtp` (or ftp, imap, pop3, postgres)".to_owned()
    })
}

fn timeout(text: &str) -> Result<Duration, String> {
    let read = humantime::parse_duration(text).map_err(|error| format!("timeout: {error}"))?;
    Ok(read.min(MAX_TIMEOUT))
}

#[derive(Default)]
struct Ignored(Vec<String>);

impl Ignored {
    fn add(&mut self, prefix: &str, rest: &Rest) {
        let paths = rest.keys().map(|key| clean(&format!("{prefix}{key}")));
        self.0.extend(paths);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(text: &str) -> Module {
        let file = format!("modules: {{m: {text}}}");
        parse(&file, Path::new("/etc"))
            .unwrap()
            .by_name
            .remove("m")
            .unwrap()
    }

    fn refusal(text: &str) -> String {
        parse(&format!("modules: {{m: {text}}}"), Path::new("")).unwrap_err()
    }

    #[test]
    fn blackbox_s_http_modules_are_read() {
        let read = module(
            "{prober: http, timeout: 5s, http: {valid_status_codes: [200, 401], method: HEAD, follow_redirects: false,
              fail_if_not_ssl: true, preferred_ip_protocol: ip4, ip_protocol_fallback: false, headers: {A: b},
              fail_if_body_matches_regexp: [x], tls_config: {insecure_skip_verify: true, cert_file: c}}}",
        );
        let Speaks::Http(http) = &read.speaks else {
            panic!("{read:?}")
        };
        assert_eq!(http.valid_status_codes, [200, 401]);
        assert!(http.head && !http.follow && http.fail_if_clear && !http.fail_if_tls);
        assert!(!read.verify && read.prefer_ipv4 && !read.fallback);
        assert_eq!(read.timeout, Some(Duration::from_secs(5)));
        assert_eq!(
            read.ignored,
            [
                "http.fail_if_body_matches_regexp",
                "http.headers",
                "tls_config.cert_file"
            ]
        );
        assert_eq!(
            module("{prober: http}").speaks,
            Speaks::Http(Http::default())
        );
    }

    #[test]
    fn ssl_exporter_s_modules_are_read() {
        let read = module(
            "{prober: https, https: {proxy_url: a}, tls_config: {ca_file: ca.pem, server_name: a.test}}",
        );
        assert_eq!(read.speaks, Speaks::Https);
        assert_eq!(read.ca_file.as_deref(), Some(Path::new("/etc/ca.pem")));
        assert_eq!(read.server_name.as_deref(), Some("a.test"));
        assert_eq!(read.ignored, ["https.proxy_url"]);
        let smtp = Speaks::Tcp {
            tls: true,
            starttls: Some(StartTls::Smtp),
        };
        assert_eq!(module("{prober: tcp, tcp: {starttls: smtp}}").speaks, smtp);
        let file = parse(
            "{default_module: a, modules: {a: {prober: https}}}",
            Path::new(""),
        )
        .unwrap();
        assert_eq!(file.default, "a");
    }

    #[test]
    fn starttls_is_told_by_what_is_said() {
        let said = |lines: &str| {
            module(&format!(
                "{{prober: tcp, tcp: {{query_response: [{lines}]}}}}"
            ))
            .speaks
        };
        for (line, protocol) in [
            ("{send: 'EHLO prober'}, {send: STARTTLS}", StartTls::Smtp),
            ("{send: '. STARTTLS'}", StartTls::Imap),
            ("{send: STLS}", StartTls::Pop3),
            ("{send: 'AUTH TLS'}", StartTls::Ftp),
        ] {
            let lines = format!("{{expect: '^220'}}, {line}, {{starttls: true}}");
            assert_eq!(
                said(&lines),
                Speaks::Tcp {
                    tls: true,
                    starttls: Some(protocol)
                },
                "{line}"
            );
        }
        let plain = module("{prober: tcp, tcp: {query_response: [{send: PING}]}}");
        assert_eq!(
            plain.speaks,
            Speaks::Tcp {
                tls: false,
                starttls: None
            }
        );
        assert_eq!(plain.ignored, ["tcp.query_response"]);
    }

    #[test]
    fn what_is_not_spoken_is_kept_by_name_and_what_is_wrong_says_where() {
        assert_eq!(
            module("{prober: icmp}").speaks,
            Speaks::Other("icmp".to_owned())
        );
        assert_eq!(
            refusal("{prober: tcp, timeout: soon}").split(':').next(),
            Some("modules.m")
        );
        assert!(refusal("{prober: tcp, tcp: {starttls: irc}}").contains("irc"));
        assert!(refusal("{timeout: 5s}").contains("prober"));
        let vague = refusal("{prober: tcp, tcp: {query_response: [{send: HI}, {starttls: true}]}}");
        assert!(vague.contains("which protocol"), "{vague}");
    }
}
