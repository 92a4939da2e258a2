//! What an object says of a server that the API server calls.

use std::sync::Arc;

use axum::http::Uri;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::WebhookClientConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::super::host::dialled;
use crate::model::{Address, Certificate, RootsRef, Stored, Usage, clean};

/// The port of a Service or a URL that has none written
/// (`admissionregistration.k8s.io/v1` `ServiceReference.port`; RFC 9110 section 4.2.2).
const HTTPS: u16 = 443;

/// What the bundle is called of an object that has but one: its field.
pub(in super::super) const CA_BUNDLE: &str = "caBundle";

/// A server that an object names.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Callee {
    /// Where it is.
    pub(super) at: At,
    /// What its chain must lead to.
    pub(super) roots: RootsRef,
    /// Whether the API server verifies its certificate.
    pub(super) verified: bool,
    /// The readable certificates of its bundle, which expire like any others.
    pub(super) bundle: Option<Stored>,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum At {
    /// A port of a Service.
    Service {
        namespace: Arc<str>,
        name: Arc<str>,
        port: u16,
    },
    /// A host of its own.
    Url { host: Address, port: u16 },
    /// Nowhere that can be dialled.
    Nowhere,
}

/// A reference to a Service, as each of the kinds writes it.
pub(in super::super) struct ServiceName<'a> {
    pub(in super::super) namespace: &'a str,
    pub(in super::super) name: &'a str,
    pub(in super::super) port: Option<i32>,
}

impl Callee {
    /// From a `WebhookClientConfig`: a reference to a Service or, without one, a URL. The bundle is
    /// called `key`.
    pub(in super::super) fn webhook(
        key: &str,
        service: Option<ServiceName<'_>>,
        url: Option<&str>,
        bundle: Option<&ByteString>,
    ) -> Self {
        let at = match (service, url) {
            (Some(service), _) => At::service(&service),
            (None, Some(url)) => At::url(url).unwrap_or(At::Nowhere),
            (None, None) => At::Nowhere,
        };
        Self::new(at, key, bundle, true)
    }

    /// From the client configuration of the admission webhook `name`.
    pub(in super::super) fn admission(name: &str, config: &WebhookClientConfig) -> Self {
        let service = config.service.as_ref().map(|service| ServiceName {
            namespace: &service.namespace,
            name: &service.name,
            port: service.port,
        });
        Self::webhook(
            name,
            service,
            config.url.as_deref(),
            config.ca_bundle.as_ref(),
        )
    }

    /// From an `APIService` that a Service serves.
    pub(in super::super) fn api(
        service: &ServiceName<'_>,
        bundle: Option<&ByteString>,
        verified: bool,
    ) -> Self {
        Self::new(At::service(service), CA_BUNDLE, bundle, verified)
    }

    fn new(at: At, key: &str, bundle: Option<&ByteString>, verified: bool) -> Self {
        let roots = roots(bundle);
        Self {
            at,
            bundle: stored(key, &roots),
            roots,
            verified,
        }
    }
}

impl At {
    fn service(written: &ServiceName<'_>) -> Self {
        let port = written.port.map_or(Ok(HTTPS), u16::try_from);
        match port {
            Ok(port) if port != 0 => Self::Service {
                namespace: written.namespace.into(),
                name: written.name.into(),
                port,
            },
            _ => Self::Nowhere,
        }
    }

    /// `None` for what is no `https` URL of a host that can be dialled.
    fn url(text: &str) -> Option<Self> {
        let url: Uri = text.parse().ok()?;
        if url.scheme_str() != Some("https") {
            return None;
        }
        Some(Self::Url {
            host: dialled(url.host()?)?,
            port: url.port_u16().unwrap_or(HTTPS),
        })
    }
}

/// What of the roots that an object gives can be read.
fn stored(key: &str, roots: &RootsRef) -> Option<Stored> {
    let RootsRef::Given(ders) = roots else {
        return None;
    };
    let certificates = ders.iter().map(|der| Certificate::read(der));
    let readable: Vec<_> = certificates.filter(|one| one.facts.is_ok()).collect();
    (!readable.is_empty()).then(|| Stored {
        key: clean(key).into(),
        usage: Usage::CaBundle,
        certificates: readable,
        renewal: None,
    })
}

/// The roots of a `caBundle`: without one, the system's. As for Go, what is no PEM block of a
/// certificate counts for nothing.
fn roots(bundle: Option<&ByteString>) -> RootsRef {
    match bundle {
        Some(ByteString(pem)) if !pem.is_empty() => {
            let ders = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
            RootsRef::Given(ders.map(|der| Box::from(&*der)).collect())
        }
        _ => RootsRef::Public,
    }
}
