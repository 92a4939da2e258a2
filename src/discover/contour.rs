//! The source `contour`: the hosts of Contour's `HTTPProxy` objects (`projectcontour.io/v1`).
//!
//! Only a proxy with a virtual host has one; those that it includes add paths, and nothing here.
//! Contour redirects what comes in clear once there is TLS, except on routes with
//! `permitInsecure`. A proxy that Contour calls invalid or orphaned is not served.

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::networking::v1::IngressLoadBalancerStatus;
use serde::Deserialize;

use super::balancer::fronts;
use super::host::Host;
use super::join::join;
use super::kind::Kind;
use super::object::{Targets, declared};
use super::paths::{self, Paths, by_path};
use super::published::{Exposed, targets, unusable};
use super::watch::Watch;
use super::{Cluster, Context, DropReason, Source, Start, Update};
use crate::model::{Owner, PlaintextRule};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Hosts of Contour's HTTPProxies, at the addresses that it published.",
    access: &[PROXIES.access()],
    enabled: |config| config.discovery.has(NAME),
    start: Start::Cluster(start),
};

const NAME: &str = "contour";

const PROXIES: Kind = Kind::custom("projectcontour.io", "HTTPProxy", "httpproxies", &["v1"]);

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let watches = Watch::all(context, cluster, PROXIES, discovered);
    let parts = watches.into_iter().map(Watch::stream);
    join(parts.collect()).map(declared).boxed()
}

/// The fields that are read of a proxy.
#[derive(Debug, Deserialize)]
struct Proxy {
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Spec {
    virtualhost: Option<VirtualHost>,
    #[serde(default)]
    routes: Vec<Route>,
}

#[derive(Debug, Deserialize)]
struct VirtualHost {
    #[serde(default)]
    fqdn: String,
    /// TLS, terminated by Contour or passed through.
    tls: Option<Tls>,
}

/// What is in it changes nothing here.
#[derive(Debug, Deserialize)]
struct Tls {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Route {
    #[serde(default)]
    permit_insecure: bool,
    #[serde(default)]
    conditions: Vec<Condition>,
}

/// What a route is for, as far as it is a path.
#[derive(Debug, Deserialize)]
struct Condition {
    prefix: Option<String>,
    exact: Option<String>,
}

impl Route {
    /// What it does at its path: `/` where it has no condition.
    fn by_path(&self) -> paths::Route {
        let path = self.conditions.iter().find_map(Condition::path);
        let any = self.conditions.is_empty().then_some("/");
        paths::Route::to(path.or(any), self.permit_insecure)
    }
}

impl Condition {
    fn path(&self) -> Option<&str> {
        self.prefix.as_deref().or(self.exact.as_deref())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    /// `valid`, `invalid` or `orphaned`; empty before Contour has looked.
    current_status: String,
    load_balancer: IngressLoadBalancerStatus,
}

/// What a proxy comes to.
fn discovered(owner: &Owner, proxy: Proxy) -> Targets {
    let Some(virtual_host) = proxy.spec.virtualhost else {
        return Targets::default();
    };
    let Some(host) = Host::parse(&virtual_host.fqdn).filter(|host| *host != Host::Any) else {
        return (Vec::new(), vec![unusable(&virtual_host.fqdn)]);
    };
    let tls = virtual_host.tls.is_some();
    let routes = proxy.spec.routes.iter().map(Route::by_path).collect();
    let (plaintext, paths) = match by_path(routes) {
        told if tls => told,
        // Without TLS there is nothing to be served beside.
        (_, Paths { asked, .. }) => (
            PlaintextRule::Redirect,
            Paths {
                asked,
                ..Paths::default()
            },
        ),
    };
    let exposed = Exposed {
        host,
        tls,
        plaintext,
        paths,
        secret: None,
    };
    let published = proxy.status.load_balancer.ingress.unwrap_or_default();
    let fronts = match &*proxy.status.current_status {
        "invalid" | "orphaned" => Err(DropReason::Unsupported),
        _ => fronts(&published),
    };
    let fronts = fronts.as_deref().map_err(|reason| *reason);
    targets(NAME, owner, &[exposed], fronts)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::check;
    use super::*;

    #[test]
    fn every_fixture_declares_exactly_what_is_written_beside_it() {
        check(NAME, |objects| objects.each("HTTPProxy", discovered));
    }
}
