//! Finds the cluster: as kubectl does, else as a pod does.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kube::client::ConfigExt;
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use rustls_pki_types::CertificateDer;

/// A cluster, and what its client was told of its API server.
#[derive(Clone)]
pub struct Cluster {
    /// Speaks to the API server.
    pub client: kube::Client,
    /// How it verifies the API server, where nothing stands between them that would be spoken to
    /// first.
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    /// The kubeconfig's context; `kubernetes` in a pod.
    pub context: Arc<str>,
    /// The host of the API server's URL: a name, or an IP address without brackets.
    pub host: Arc<str>,
    /// The port of the API server's URL.
    pub port: u16,
    /// Whether that URL is an https one.
    pub https: bool,
    /// The name that the API server's certificate must carry, where it is not `host`
    /// (`tls-server-name`).
    pub tls_server_name: Option<Arc<str>>,
    /// The certificate authorities of the API server; empty where the system's are to be used.
    pub ca: Vec<CertificateDer<'static>>,
    /// The kubeconfig has verification off (`insecure-skip-tls-verify`).
    pub skip_verify: bool,
    /// The namespace that kubectl would use.
    pub default_namespace: String,
    /// This program runs in a pod of it: some addresses lead elsewhere than from outside.
    pub inside: bool,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Cluster({} at {}:{})",
            self.context, self.host, self.port
        )
    }
}

/// Where a cluster is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// A kubeconfig that was asked for: it must be there.
    explicit: Option<PathBuf>,
    /// Otherwise those of these that are there, merged, the first one's values standing.
    fallbacks: Vec<PathBuf>,
    /// The context to use rather than the current one.
    context: Option<String>,
}

/// Why there is no cluster to speak to.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ClusterError {
    /// Nothing points at one: what was written by hand can be looked at all the same.
    #[error("no cluster: no kubeconfig at {kubeconfigs}, and not in a pod ({pod})")]
    NoCluster {
        /// The paths tried.
        kubeconfigs: String,
        /// What a pod would have had.
        pod: String,
    },
    /// The kubeconfig cannot be read, or is wrong.
    #[error("cannot use the kubeconfig {path}: {detail}")]
    Kubeconfig {
        /// The file, or files.
        path: String,
        /// What is wrong.
        detail: String,
    },
    /// The kubeconfig does not have this context.
    #[error("no context {context:?} in the kubeconfig {path}; it has {known}")]
    UnknownContext {
        /// The file, or files.
        path: String,
        /// The context asked for.
        context: String,
        /// Those it has.
        known: String,
    },
    /// The kubeconfig has contexts, and does not say which one is meant.
    #[error("no current-context in the kubeconfig {path}; choose with --context: {known}")]
    NoCurrentContext {
        /// The file, or files.
        path: String,
        /// The contexts it has.
        known: String,
    },
    /// The service account of this pod cannot be used.
    #[error("cannot use the pod's service account: {detail}")]
    InCluster {
        /// What is wrong.
        detail: String,
    },
    /// No client can be made of what was found.
    #[error("cannot make a client for {url}: {detail}")]
    Client {
        /// The API server's URL.
        url: String,
        /// What is wrong.
        detail: String,
    },
}

impl Search {
    /// Where kubectl would look: the file of `--kubeconfig`, else the files that the environment
    /// variable `KUBECONFIG` lists, else `~/.kube/config`.
    #[must_use]
    pub fn new(
        flag: Option<PathBuf>,
        context: Option<String>,
        kubeconfig_variable: Option<&OsStr>,
        home: Option<&Path>,
    ) -> Self {
        let listed: Vec<_> = kubeconfig_variable
            .into_iter()
            .flat_map(std::env::split_paths)
            .filter(|path| !path.as_os_str().is_empty())
            .collect();
        let fallbacks = if listed.is_empty() {
            home.map(|home| home.join(".kube/config"))
                .into_iter()
                .collect()
        } else {
            listed
        };
        Self {
            explicit: flag,
            fallbacks,
            context,
        }
    }

    /// Finds the cluster. Nothing is asked of it yet.
    pub async fn find(&self) -> Result<Cluster, ClusterError> {
        match self.kubeconfig()? {
            Some((kubeconfig, path)) => self.choose(kubeconfig, path).await,
            None => self.in_cluster(),
        }
    }

    /// The kubeconfig and the path or paths that it came from, if there is any.
    fn kubeconfig(&self) -> Result<Option<(Kubeconfig, String)>, ClusterError> {
        if let Some(path) = &self.explicit {
            return Ok(Some((read(path)?, path.display().to_string())));
        }
        let mut merged = Kubeconfig::default();
        let present = self.fallbacks.iter().filter(|path| path.exists());
        for path in present {
            merged = merged
                .merge(read(path)?)
                .map_err(|error| invalid(&joined(&self.fallbacks), &error))?;
        }
        // As for kubectl, an empty kubeconfig is none.
        let nothing = merged.contexts.is_empty() && merged.current_context.is_none();
        match (nothing, &self.context) {
            (true, None) => Ok(None),
            _ => Ok(Some((merged, joined(&self.fallbacks)))),
        }
    }

    async fn choose(&self, kubeconfig: Kubeconfig, path: String) -> Result<Cluster, ClusterError> {
        let names: Vec<_> = kubeconfig
            .contexts
            .iter()
            .map(|named| named.name.as_str())
            .collect();
        let known = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        let wanted = self
            .context
            .clone()
            .or_else(|| kubeconfig.current_context.clone());
        let Some(context) = wanted.filter(|name| !name.is_empty()) else {
            return Err(ClusterError::NoCurrentContext { path, known });
        };
        if !names.contains(&context.as_str()) {
            return Err(ClusterError::UnknownContext {
                path,
                context,
                known,
            });
        }
        let proxy = proxy_of(&kubeconfig, &context);
        let options = KubeConfigOptions {
            context: Some(context.clone()),
            ..KubeConfigOptions::default()
        };
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| invalid(&path, &error))?;
        if proxy.is_none() {
            // The environment's HTTPS_PROXY: probes do not go through it, so neither does this.
            config.proxy_url = None;
        }
        Cluster::new(config, &context)
    }

    fn in_cluster(&self) -> Result<Cluster, ClusterError> {
        let config = kube::Config::incluster().map_err(|error| self.not_in_cluster(&error))?;
        let cluster = Cluster::new(config, "kubernetes")?;
        Ok(Cluster {
            inside: true,
            ..cluster
        })
    }

    fn not_in_cluster(&self, error: &InClusterError) -> ClusterError {
        let no_cluster = |pod: &str| ClusterError::NoCluster {
            kubeconfigs: joined(&self.fallbacks),
            pod: pod.to_owned(),
        };
        match error {
            InClusterError::ReadEnvironmentVariable(_) => {
                no_cluster("KUBERNETES_SERVICE_HOST is not set")
            }
            InClusterError::ReadDefaultNamespace(io)
            | InClusterError::ReadCertificateBundle(io)
                if io.kind() == std::io::ErrorKind::NotFound =>
            {
                no_cluster("no service account is mounted")
            }
            error => ClusterError::InCluster {
                detail: error.to_string(),
            },
        }
    }
}

impl Cluster {
    /// The cluster of a client configuration, under the name of its context.
    pub fn new(mut config: kube::Config, context: &str) -> Result<Self, ClusterError> {
        // What fails is retried with a back-off of our own, which says that it fails.
        config.default_retry = false;
        let url = config.cluster_url.clone();
        let https = url.scheme_str() != Some("http");
        let host = url.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let roots = config.root_cert.clone().unwrap_or_default();
        let unusable = |error: kube::Error| ClusterError::Client {
            url: url.to_string(),
            detail: error.to_string(),
        };
        let tls = match (https, &config.proxy_url) {
            (true, None) => Some(config.rustls_client_config().map_err(unusable)?.into()),
            _ => None,
        };
        Ok(Self {
            context: context.into(),
            host: host.into(),
            port: url.port_u16().unwrap_or(if https { 443 } else { 80 }),
            https,
            tls_server_name: config.tls_server_name.as_deref().map(Arc::from),
            ca: roots.into_iter().map(CertificateDer::from).collect(),
            skip_verify: config.accept_invalid_certs,
            default_namespace: config.default_namespace.clone(),
            inside: false,
            tls,
            client: config.try_into().map_err(unusable)?,
        })
    }

    /// A cluster at this URL that is never asked anything.
    #[cfg(test)]
    pub(super) fn for_tests(url: &str) -> Self {
        Self::new(kube::Config::new(url.parse().unwrap()), "test").unwrap()
    }
}

fn read(path: &Path) -> Result<Kubeconfig, ClusterError> {
    Kubeconfig::read_from(path).map_err(|error| invalid(&path.display().to_string(), &error))
}

/// The proxy that the context's cluster is reached by, where its entry names one.
fn proxy_of(kubeconfig: &Kubeconfig, context: &str) -> Option<String> {
    let context = (kubeconfig.contexts.iter())
        .find(|named| named.name == context)
        .and_then(|named| named.context.as_ref())?;
    (kubeconfig.clusters.iter())
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster.as_ref()?.proxy_url.clone())
        .filter(|url| !url.is_empty())
}

fn invalid(path: &str, error: &KubeconfigError) -> ClusterError {
    let detail = match error {
        KubeconfigError::ReadConfig(io, _) => io.to_string(),
        // The place alone: the parser would quote the lines around it, and they may hold secrets.
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!(
                "not valid YAML for a kubeconfig at line {}, column {}",
                at.line(),
                at.column()
            ),
            None => "not valid YAML for a kubeconfig".into(),
        },
        error => error.to_string(),
    };
    ClusterError::Kubeconfig {
        path: path.to_owned(),
        detail,
    }
}

fn joined(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "~/.kube/config".into();
    }
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}

#[cfg(test)]
#[path = "cluster_test.rs"]
mod tests;
