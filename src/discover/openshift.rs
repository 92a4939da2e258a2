//! The source `openshift`: the hosts of `OpenShift`'s Routes (`route.openshift.io/v1`).
//!
//! Off unless the configuration asks for it, because a Route may carry a private key
//! (`spec.tls.key`): whoever may read Routes may read those. It is not read here, and no error
//! can quote it, because the shape that an object is read into has no such field.
//!
//! A Route is served by every router that has admitted it, at the router's canonical host name.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use serde::Deserialize;

use super::backend::in_clear;
use super::balancer::{HTTP, HTTPS};
use super::host::{Host, dialled};
use super::join::join;
use super::kind::Kind;
use super::object::{Targets, declared};
use super::paths::Paths;
use super::published::{Exposed, Front, targets, unusable};
use super::watch::Watch;
use super::{Cluster, Context, DropReason, Dropped, Source, Start, Update};
use crate::model::{Owner, PlaintextRule, Remark, RequestPath};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "Hosts of OpenShift's Routes, at the routers that have admitted them; off by default, because Routes may carry private keys.",
    access: &[ROUTES.access()],
    enabled: |config| config.discovery.has(NAME),
    start: Start::Cluster(start),
};

const NAME: &str = "openshift";

const ROUTES: Kind = Kind::custom("route.openshift.io", "Route", "routes", &["v1"]);

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let watches = Watch::all(context, cluster, ROUTES, discovered);
    let parts = watches.into_iter().map(Watch::stream);
    join(parts.collect()).map(declared).boxed()
}

/// The fields that are read of a Route: never `spec.tls.key`.
#[derive(Debug, Deserialize)]
struct Route {
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    host: String,
    /// The prefix of the paths that it is for; empty for all.
    #[serde(default)]
    path: String,
    tls: Option<Tls>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tls {
    /// `edge`, `reencrypt` or `passthrough`.
    #[serde(default)]
    termination: String,
    /// `Allow`, `Redirect` or `None`, which is the default.
    insecure_edge_termination_policy: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    ingress: Vec<Admission>,
}

/// `status.ingress[]`: what one router says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Admission {
    #[serde(default)]
    host: String,
    #[serde(default)]
    /// The router's own name.
    router_canonical_hostname: String,
    /// `Subdomain` for every name beside the host, `None` otherwise.
    wildcard_policy: Option<String>,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl Admission {
    fn has_admitted(&self) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.any(|condition| condition.kind == "Admitted" && condition.status == "True")
    }

    /// The host as other sources write it: `Subdomain` makes `www.example.com` mean
    /// `*.example.com`.
    fn written(&self) -> String {
        match (self.wildcard_policy.as_deref(), self.host.split_once('.')) {
            (Some("Subdomain"), Some((_, parent))) => format!("*.{parent}"),
            _ => self.host.clone(),
        }
    }

    fn front(&self) -> Result<Front, DropReason> {
        match (self.has_admitted(), self.router_canonical_hostname.as_str()) {
            (false, _) => Err(DropReason::Unsupported),
            (true, "") => Err(DropReason::NoAddress),
            (true, name) => Ok(Front {
                address: dialled(name).ok_or(DropReason::Unsupported)?,
                port: HTTPS,
                plaintext: vec![HTTP],
            }),
        }
    }
}

/// What a Route comes to.
fn discovered(owner: &Owner, route: Route) -> Targets {
    let tls = route.spec.tls;
    let policy = tls
        .as_ref()
        .and_then(|tls| tls.insecure_edge_termination_policy.as_deref());
    let plaintext = match policy {
        Some("Allow") => PlaintextRule::Declared,
        _ => PlaintextRule::Redirect,
    };
    let ends_at_edge = tls.as_ref().is_some_and(|tls| tls.termination == "edge");
    let remarks: Arc<[Remark]> = if ends_at_edge {
        [in_clear("termination is edge")].into()
    } else {
        Arc::default()
    };
    let (mut all, mut dropped) = Targets::default();
    let mut seen = HashSet::new();
    if route.status.ingress.is_empty() {
        dropped.push(Dropped {
            reason: DropReason::NoAddress,
            ..unusable(&route.spec.host)
        });
    }
    for router in route.status.ingress {
        let written = router.written();
        let Some(host) = Host::parse(&written).filter(|host| *host != Host::Any) else {
            dropped.push(unusable(&written));
            continue;
        };
        let exposed = Exposed {
            host,
            tls: tls.is_some(),
            plaintext,
            paths: Paths::new(RequestPath::few([route.spec.path.as_str()]), plaintext),
            secret: None,
        };
        let front = router.front().map(|front| [front]);
        let front = front
            .as_ref()
            .map(<[Front; 1]>::as_slice)
            .map_err(|reason| *reason);
        let (more, lost) = targets(NAME, owner, &[exposed], front);
        for mut target in more {
            // Routers may share a name, as the shards of one do.
            if seen.insert(target.row.place().clone()) {
                target.expect.remarks = Arc::clone(&remarks);
                all.push(target);
            }
        }
        dropped.extend(lost);
    }
    (all, dropped)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::check;
    use super::*;

    #[test]
    fn every_fixture_declares_exactly_what_is_written_beside_it() {
        check(NAME, |objects| objects.each("Route", discovered));
    }

    #[test]
    fn a_private_key_is_never_kept_and_no_error_quotes_it() {
        let with = |tls: serde_json::Value| serde_json::json!({"spec": {"tls": tls}});
        let key = "-----BEGIN PRIVATE KEY-----";
        let route: Route = serde_json::from_value(with(serde_json::json!({"key": key}))).unwrap();
        assert!(!format!("{route:?}").contains(key));
        let odd = serde_json::json!({"key": key, "insecureEdgeTerminationPolicy": 7});
        let error = serde_json::from_value::<Route>(with(odd)).unwrap_err();
        assert!(!error.to_string().contains(key));
    }
}
