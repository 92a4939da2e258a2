//! `/probe?target=&module=`: one probe for who asks, told by the names of `blackbox_exporter` and
//! `ssl_exporter` beside our own, so that what was written for them goes on working.
//!
//! It is no relay: `security` applies to the address that is dialled, ports are listed, redirects lead
//! nowhere but to the same host, and how much is asked at once is bounded.

mod blackbox;
mod dn;
mod gauge;
mod outcome;
mod ssl_exporter;
mod url;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use self::outcome::Outcome;
use self::url::Url;
use super::pace::Pace;
use super::{Web, body, negotiate, plain};
use crate::config::{Config, Module, Modules, ProbeEndpoint, Speaks, host_port};
use crate::judge::{Policy, Roots};
use crate::probe::{self, Prober};
use crate::record::{Standing, encode};

pub(super) const PROBE: &str = "/probe";

/// Probes at once for who asks: a Prometheus server with a thousand targets and room to spare.
const AT_ONCE: usize = 64;

/// Probes in a row before they are paced, and between two after that: 100 a second.
const BURST: u32 = 200;
const EVERY: Duration = Duration::from_millis(10);

/// What is left of the scrape's time for the answer, as `blackbox_exporter` does (`--timeout-offset`).
const OFFSET: Duration = Duration::from_millis(500);

/// How long Prometheus waits, where it does say so.
const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

/// What may be asked, and by what it is judged.
#[derive(Debug)]
pub struct Endpoint {
    prober: Prober,
    policy: Policy,
    modules: Arc<Modules>,
    ports: Vec<u16>,
    timeout: Duration,
    vantage: String,
    disabled: Vec<String>,
    turns: body::Turns,
    pace: Pace,
}

impl Endpoint {
    /// Answers what `asked` allows, by the rest of the configuration; `roots` are those of every target.
    pub fn new(config: &Config, asked: &ProbeEndpoint, roots: Roots) -> Result<Self, probe::Error> {
        for (name, module) in &asked.modules.by_name {
            if !module.ignored.is_empty() {
                let fields = module.ignored.join(", ");
                tracing::warn!(
                    module = name,
                    fields,
                    "of this module of /probe some fields do not apply here"
                );
            }
        }
        Ok(Self {
            prober: Prober::new(config)?,
            policy: Policy::new(config, roots),
            modules: Arc::clone(&asked.modules),
            ports: asked.ports.clone(),
            timeout: config.timeout,
            vantage: config.vantage.clone(),
            disabled: config.metrics.disabled.clone(),
            // None of its answers is so long that its client could stop reading it.
            turns: body::Turns::new(AT_ONCE, Arc::default()),
            pace: Pace::new(BURST, EVERY),
        })
    }

    fn module(&self, name: Option<&str>) -> Result<&Module, String> {
        let name = name.unwrap_or(&self.modules.default);
        let module = self.modules.by_name.get(name);
        let module = module.ok_or_else(|| format!("Unknown module {name:?}"))?;
        match &module.speaks {
            Speaks::Other(prober) => Err(format!(
                "module {name:?}: the prober {prober:?} is not spoken here; ask the exporter that the module was written for"
            )),
            _ => Ok(module),
        }
    }

    /// The deadline for a scrape that gives up after this long.
    fn timeout(&self, module: &Module, scrape: Option<Duration>) -> Duration {
        let own = module.timeout.unwrap_or(self.timeout);
        let left = scrape.map(|scrape| scrape.saturating_sub(OFFSET));
        left.filter(|left| !left.is_zero())
            .map_or(own, |left| left.min(own))
    }
}

pub(super) fn routes() -> Router<Web> {
    Router::new().route(PROBE, get(probe))
}

async fn probe(State(web): State<Web>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(endpoint) = web.endpoint() else {
        let text = "off; `probe_endpoint` in the configuration turns it on";
        return plain(StatusCode::FORBIDDEN, text);
    };
    let asked = match Asked::read(&uri, &endpoint) {
        Ok(asked) => asked,
        Err((status, text)) => return plain(status, &text),
    };
    if !endpoint.pace.take(Instant::now()) {
        let text = "more is asked here than a hundred probes a second; try again";
        return plain(StatusCode::TOO_MANY_REQUESTS, text);
    }
    let Some(_turn) = endpoint.turns.turn().await else {
        let text = format!("{AT_ONCE} probes are being made; try again");
        return plain(StatusCode::SERVICE_UNAVAILABLE, &text);
    };
    let timeout = endpoint.timeout(asked.module, scrape_timeout(&headers));
    let outcome = Outcome::of(&asked, &endpoint, timeout).await;

    let format = negotiate::format(&headers);
    let mut registry = Registry::default();
    blackbox::register(&mut registry, &outcome);
    ssl_exporter::register(&mut registry, &outcome);
    let mut text = encode(&registry, format);
    if let Some(once) = outcome.once {
        let standing = Standing {
            vantage: &endpoint.vantage,
            shard: None,
        };
        text.push_str(&once.encode(&endpoint.disabled, standing, format));
    }
    text.push_str(format.end());
    ([(header::CONTENT_TYPE, format.content_type())], text).into_response()
}

/// What is asked for.
#[derive(Debug)]
struct Asked<'a> {
    url: Url,
    module: &'a Module,
    /// The name to ask for in place of the target's host (`hostname=`).
    host: Option<Arc<str>>,
}

impl<'a> Asked<'a> {
    fn read(uri: &Uri, endpoint: &'a Endpoint) -> Result<Self, (StatusCode, String)> {
        let bad = |text: String| (StatusCode::BAD_REQUEST, text);
        let query = uri.query().unwrap_or_default();
        let parameter = |name: &str| {
            let mut found = form_urlencoded::parse(query.as_bytes());
            let found = found.find(|(key, value)| key == name && !value.is_empty());
            found.map(|(_, value)| value.into_owned())
        };
        let module = endpoint
            .module(parameter("module").as_deref())
            .map_err(bad)?;
        let target =
            parameter("target").ok_or_else(|| bad("Target parameter is missing".to_owned()))?;
        let tls = !matches!(module.speaks, Speaks::Http(_));
        let url = Url::read(&target, tls).map_err(|error| bad(format!("target: {error}")))?;
        endpoint
            .permits(url.port)
            .map_err(|error| (StatusCode::FORBIDDEN, error))?;
        let host = parameter("hostname")
            .map(|name| host_port(&name))
            .transpose();
        let host = host.map_err(|error| bad(format!("hostname: {error}")))?;
        Ok(Self {
            url,
            module,
            host: host.map(|(name, _)| name.into()),
        })
    }
}

impl Endpoint {
    fn permits(&self, port: u16) -> Result<(), String> {
        if self.ports.contains(&port) {
            Ok(())
        } else {
            Err(format!("port {port} is not one of `probe_endpoint.ports`"))
        }
    }
}

fn scrape_timeout(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(SCRAPE_TIMEOUT)?.to_str().ok()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_in_time_for_the_scrape() {
        let endpoint = |timeout| Endpoint {
            timeout,
            ..Endpoint::new(
                &Config::default(),
                &ProbeEndpoint::default(),
                Roots::empty(),
            )
            .unwrap()
        };
        let second = Duration::from_secs(1);
        let headers = |value: &'static str| {
            let value = axum::http::HeaderValue::from_static(value);
            HeaderMap::from_iter([(axum::http::HeaderName::from_static(SCRAPE_TIMEOUT), value)])
        };
        let patient = endpoint(10 * second);
        let mut module = Modules::default().by_name["tcp"].clone();
        let timeout =
            |module: &Module, header| patient.timeout(module, scrape_timeout(&headers(header)));
        assert_eq!(timeout(&module, "5"), second * 9 / 2);
        assert_eq!(timeout(&module, "60"), 10 * second);
        // What makes no sense is as if it were not there.
        for header in ["0.5", "0", "-1", "soon", "NaN"] {
            assert_eq!(timeout(&module, header), 10 * second, "{header}");
        }
        module.timeout = Some(2 * second);
        assert_eq!(timeout(&module, "60"), 2 * second);
        assert_eq!(timeout(&module, "2"), second * 3 / 2);
    }
}
