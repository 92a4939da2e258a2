//! One probe by a module: what was seen, and whether it is a success.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::url::{Url, server_name};
use super::{Asked, Endpoint};
use crate::clock;
use crate::config::{Http, Module, Speaks};
use crate::model::{
    Address, Expectation, Handshake, PlaintextRule, Requests, RootsRef, RowParts, StartTls, Target,
    TlsDoor, Verdict,
};
use crate::probe::{WebAnswer, WebRequest};
use crate::record::Once;
use crate::schedule::Probe as _;

/// The source of what is asked for.
const SOURCE: &str = "probe";

/// Redirects that are followed, as Go's client does.
const REDIRECTS: usize = 10;

/// What one probe came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) speaks: Speaks,
    pub(super) success: bool,
    pub(super) took: Duration,
    /// How long it took to find the address, and which it is.
    pub(super) lookup: Duration,
    pub(super) ip: Option<IpAddr>,
    pub(super) web: Option<WebSeen>,
    /// The handshake and its verdict, where TLS was spoken for.
    pub(super) once: Option<Once>,
}

/// What an answer by HTTP was.
#[derive(Debug)]
pub(super) struct WebSeen {
    pub(super) answer: WebAnswer,
    pub(super) redirects: usize,
    pub(super) tls: bool,
}

impl Outcome {
    /// Makes the probe that is asked for.
    pub(super) async fn of(asked: &Asked<'_>, endpoint: &Endpoint, timeout: Duration) -> Self {
        let started = Instant::now();
        let deadline = started + timeout;
        let module = asked.module;
        let mut outcome = Self {
            speaks: module.speaks.clone(),
            success: false,
            took: Duration::ZERO,
            lookup: Duration::ZERO,
            ip: None,
            web: None,
            once: None,
        };
        let address = Address::parse(&asked.url.host);
        let found = endpoint.prober.addresses(&address, deadline).await;
        outcome.lookup = started.elapsed();
        outcome.ip = found.ok().and_then(|found| preferred(&found, module));
        if let Some(ip) = outcome.ip {
            let reached = Reached {
                asked,
                endpoint,
                ip,
                deadline,
            };
            outcome.success = match &module.speaks {
                Speaks::Http(http) => reached.http(http, &mut outcome).await,
                Speaks::Https => reached.tls(&asked.url, None, &mut outcome).await,
                Speaks::Tcp {
                    tls: true,
                    starttls,
                } => reached.tls(&asked.url, *starttls, &mut outcome).await,
                Speaks::Tcp { tls: false, .. } => {
                    let port = asked.url.port;
                    endpoint.prober.reach(ip, port, deadline).await.is_ok()
                }
                Speaks::Other(_) => false,
            };
        }
        outcome.took = started.elapsed();
        outcome
    }

    /// The attempt, where TLS was spoken for.
    pub(super) fn handshake(&self) -> Option<&Handshake> {
        let addresses = &self.once.as_ref()?.seen.addresses;
        let seen = addresses.first()?.handshake.as_ref()?;
        Some(&seen.value)
    }

    /// Whether the certificate is trusted, in time, and names the host; nothing where none was seen.
    pub(super) fn valid(&self) -> Option<bool> {
        let verdict = &self.once.as_ref()?.verdict;
        value(verdict, "kube_https_certificate_valid").map(|valid| valid > 0.0)
    }

    /// When the chain that verifies ends: its first certificate to expire, in seconds of Unix time.
    pub(super) fn chain_ends(&self) -> Option<f64> {
        let ends = "kube_https_certificate_not_after_timestamp_seconds";
        let verdict = &self.once.as_ref()?.verdict;
        let samples = verdict
            .samples
            .iter()
            .filter(|sample| sample.family.name == ends);
        let first = samples.map(|sample| sample.value).reduce(f64::min)?;
        self.valid()?.then_some(first)
    }
}

fn value(verdict: &Verdict, family: &str) -> Option<f64> {
    let mut samples = verdict.samples.iter();
    let sample = samples.find(|sample| sample.family.name == family)?;
    Some(sample.value)
}

/// An address that was found, and what is wanted there.
struct Reached<'a> {
    asked: &'a Asked<'a>,
    endpoint: &'a Endpoint,
    ip: IpAddr,
    deadline: Instant,
}

impl Reached<'_> {
    /// Asks by HTTP, follows redirects where that is wanted, and looks at the certificate of the last hop.
    async fn http(&self, http: &Http, outcome: &mut Outcome) -> bool {
        let mut url = self.asked.url.clone();
        let mut redirects = 0;
        let answer = loop {
            let request = self.request(&url, http.head);
            let answer = self
                .endpoint
                .prober
                .web(self.ip, &request, self.deadline)
                .await;
            let next = answer
                .as_ref()
                .ok()
                .and_then(|answer| self.next(http, &url, answer));
            match next {
                Some(next) if redirects < REDIRECTS => {
                    url = next;
                    redirects += 1;
                }
                _ => break answer,
            }
        };
        let trusted = !url.tls || self.tls(&url, None, outcome).await;
        let Ok(answer) = answer else { return false };
        if is_redirect(&answer) {
            // Counted as blackbox_exporter counts: one that is not followed is one, too.
            redirects += 1;
        }
        let right = status_is_right(http, answer.status);
        let wanted = if url.tls {
            !http.fail_if_tls
        } else {
            !http.fail_if_clear
        };
        outcome.web = Some(WebSeen {
            answer,
            redirects,
            tls: url.tls,
        });
        trusted && right && wanted
    }

    fn next(&self, http: &Http, from: &Url, answer: &WebAnswer) -> Option<Url> {
        let next = from.follow(answer.location.as_deref()?)?;
        let permitted = self.endpoint.permits(next.port).is_ok();
        (http.follow && is_redirect(answer) && permitted).then_some(next)
    }

    /// The name that is asked for.
    fn host(&self) -> Arc<str> {
        let module = self.asked.module.server_name.as_ref();
        let named = module.or(self.asked.host.as_ref());
        Arc::clone(named.unwrap_or(&self.asked.url.host))
    }

    fn request(&self, url: &Url, head: bool) -> WebRequest {
        let host = self.asked.host.as_ref().unwrap_or(&url.host);
        WebRequest {
            authority: url.authority(host),
            server_name: server_name(&self.host()),
            tls: url.tls,
            port: url.port,
            path: url.path.clone(),
            head,
        }
    }

    /// Shakes hands, judges, and says whether it is a success.
    async fn tls(&self, url: &Url, starttls: Option<StartTls>, outcome: &mut Outcome) -> bool {
        let host = self.host();
        let module = self.asked.module;
        let target = Arc::new(Target {
            row: RowParts {
                source: SOURCE,
                namespace: Arc::default(),
                name: Arc::default(),
                host: Arc::clone(&url.host),
                port: url.port,
                address: self.ip.to_string().into(),
            }
            .into(),
            tls: Arc::new(TlsDoor {
                address: Address::Ip(self.ip),
                port: url.port,
                server_name: server_name(&host),
                starttls,
                guarded: true,
                requests: Requests::Nothing,
            }),
            plaintext: Vec::new(),
            expect: Expectation {
                name: Some(host),
                roots: module
                    .ca_file
                    .clone()
                    .map_or(RootsRef::Public, RootsRef::File),
                plaintext: PlaintextRule::Allowed,
                ..Expectation::default()
            },
            owners: Vec::new(),
        });
        let left = self.deadline.saturating_duration_since(Instant::now());
        let report = self.endpoint.prober.within(left).tls(&target.tls).await;
        let once = Once::new(target, report, &self.endpoint.policy, clock::now());
        outcome.once = Some(once);
        let seen = outcome.handshake().is_some();
        seen && (!module.verify || outcome.valid() == Some(true))
    }
}

fn is_redirect(answer: &WebAnswer) -> bool {
    matches!(answer.status, 301 | 302 | 303 | 307 | 308) && answer.location.is_some()
}

fn status_is_right(http: &Http, status: u16) -> bool {
    if http.valid_status_codes.is_empty() {
        (200..300).contains(&status)
    } else {
        http.valid_status_codes.contains(&status)
    }
}

/// The address that `blackbox_exporter` would take: the first of the preferred family, or else, where the
/// module lets it, of the other.
fn preferred(found: &[IpAddr], module: &Module) -> Option<IpAddr> {
    let of = |v4: bool| found.iter().copied().find(|ip| ip.is_ipv4() == v4);
    of(module.prefer_ipv4).or_else(|| of(!module.prefer_ipv4).filter(|_| module.fallback))
}
