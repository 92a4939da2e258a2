//! Kubeconfigs: the client certificates and authorities in them, and the API servers that they
//! lead to. Keys, tokens and passwords are not read.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use tracing::warn;

use super::follow::{Found, contents};
use super::{NAME, owner};
use crate::config::host_port;
use crate::discover::bundle::{BundleError, from_base64, from_pem};
use crate::discover::host::dns_name;
use crate::discover::{Declared, DropReason, Dropped, api_server, yaml};
use crate::model::{
    Address, Clients, Expectation, Flaw, FlawKind, Owner, PlaintextRule, RootsRef, Stored, Target,
    Usage, clean,
};

/// What is read of the file (`k8s.io/client-go/tools/clientcmd/api/v1`, `Config`).
#[derive(Deserialize)]
struct Kubeconfig {
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    #[serde(default)]
    cluster: Cluster,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Cluster {
    server: String,
    tls_server_name: String,
    insecure_skip_tls_verify: bool,
    certificate_authority: String,
    certificate_authority_data: String,
    proxy_url: String,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default)]
    user: User,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct User {
    client_certificate: String,
    client_certificate_data: String,
}

/// Reads a kubeconfig and the certificates that it names; relative paths start at its folder.
pub(super) fn read(path: &Path, bytes: &[u8], _named: bool) -> Result<Found, String> {
    let not_one = "not a kubeconfig";
    let text = str::from_utf8(bytes).map_err(|_| not_one.to_owned())?;
    // The place alone: the parser would quote the lines around it, and they may hold secrets.
    let kubeconfig: Kubeconfig = yaml::read(text).map_err(|error| match error.location() {
        Some(at) => format!("{not_one} at line {}, column {}", at.line(), at.column()),
        None => not_one.to_owned(),
    })?;
    let mut reading = Reading {
        folder: path.parent().unwrap_or_else(|| Path::new("")),
        declared: Declared::nothing(owner("Kubeconfig", path), Arc::default()),
        beside: Vec::new(),
    };
    for NamedCluster { name, cluster } in &kubeconfig.clusters {
        reading.cluster(&clean(name), cluster);
    }
    for NamedUser { name, user } in &kubeconfig.users {
        let key = format!("users/{}", clean(name));
        let (data, file) = (&user.client_certificate_data, &user.client_certificate);
        let stored = reading.stored(&key, Usage::Client, data, file);
        if let Some(stored) = stored {
            reading.declared.store(stored);
        }
    }
    Ok(Found {
        declared: vec![reading.declared],
        beside: reading.beside,
    })
}

/// A kubeconfig while it is read.
struct Reading<'a> {
    folder: &'a Path,
    declared: Declared,
    beside: Vec<PathBuf>,
}

impl Reading<'_> {
    fn cluster(&mut self, name: &str, cluster: &Cluster) {
        let key = format!("clusters/{name}");
        let (data, file) = (
            &cluster.certificate_authority_data,
            &cluster.certificate_authority,
        );
        let authority = self.stored(&key, Usage::CaBundle, data, file);
        let roots = match &authority {
            Some(Ok(stored)) => {
                let certificates = stored.certificates.iter();
                RootsRef::Given(certificates.map(|one| one.der.clone()).collect())
            }
            _ => RootsRef::Public,
        };
        if let Some(authority) = authority {
            self.declared.store(authority);
        }
        if cluster.insecure_skip_tls_verify {
            self.flaw(FlawKind::VerificationDisabled, &key);
        }
        match server(&self.declared.object, cluster, roots) {
            Ok(Server::Door(target)) => self.declared.targets.push(*target),
            Ok(Server::InClear) => self.flaw(FlawKind::Plaintext, &key),
            Err(what) => {
                let (kubeconfig, server) = (&self.declared.object.name, clean(&cluster.server));
                warn!(%kubeconfig, key, server, what, "a server is left out");
                self.declared.dropped.push(Dropped {
                    host: server.into(),
                    reason: DropReason::Unsupported,
                });
            }
        }
    }

    fn flaw(&mut self, kind: FlawKind, key: &str) {
        let place = format!("in {key}").into();
        self.declared.flaws.push(Flaw { kind, place });
    }

    /// The certificates in `data`, which wins, or in a `file`; `None` where there is neither.
    fn stored(
        &mut self,
        key: &str,
        usage: Usage,
        data: &str,
        file: &str,
    ) -> Option<Result<Stored, BundleError>> {
        if !data.is_empty() {
            return Some(from_base64(key, usage, data));
        }
        if file.is_empty() {
            return None;
        }
        let path = self.folder.join(file);
        let read = contents(&path).map_err(|error| BundleError::Pem {
            key: key.to_owned(),
            reason: format!("{}: {error}", path.display()),
        });
        self.beside.push(path);
        Some(read.and_then(|pem| from_pem(key, usage, &pem)))
    }
}

/// Where a cluster's entry leads.
enum Server {
    Door(Box<Target>),
    /// Without TLS, through a network.
    InClear,
}

/// The error says why it is not looked at.
fn server(owner: &Owner, cluster: &Cluster, roots: RootsRef) -> Result<Server, String> {
    let (scheme, rest) = match cluster.server.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        // As client-go reads it (`rest.DefaultServerURL`).
        None => ("http".to_owned(), cluster.server.as_str()),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = host_port(authority)?;
    if scheme != "https" {
        let ip: Option<IpAddr> = host.parse().ok();
        let here = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
        return if here {
            Err("it is in clear, on this machine alone, as `kubectl proxy` is".to_owned())
        } else {
            Ok(Server::InClear)
        };
    }
    if !cluster.proxy_url.is_empty() {
        return Err("it is behind a proxy".to_owned());
    }
    let address = Address::parse(&host);
    let name = match cluster.tls_server_name.as_str() {
        "" => host.as_str(),
        name => name,
    };
    let expect = Expectation {
        name: Some(dns_name(name).unwrap_or_else(|| Address::parse(name).to_string().into())),
        roots,
        plaintext: PlaintextRule::Forbidden,
        clients: if cluster.insecure_skip_tls_verify {
            Clients::Unknown
        } else {
            Clients::Verifying
        },
        ..Expectation::default()
    };
    let mut target = api_server::target(owner, address, port, dns_name(name), false, expect);
    target.row.edit(|row| row.source = NAME);
    Ok(Server::Door(Box::new(target)))
}

#[cfg(test)]
#[path = "kubeconfig_test.rs"]
mod tests;
