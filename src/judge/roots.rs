//! Trust anchors: the system's, the configuration's and the cluster's, in one store per kind of
//! target.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, TrustAnchor};

use crate::config::Config;
use crate::model::{Certificate, Fingerprint, RootsRef, Validity};
use crate::probe::chain;

/// Why the trust anchors could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read at all.
    #[error("cannot read the trust anchors in {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It has something that looks like PEM and is not.
    #[error("{} is not well-formed PEM", path.display())]
    NotPem {
        /// Which file.
        path: PathBuf,
        /// Where it breaks.
        source: pem::Error,
    },
    /// It has no certificate.
    #[error("{} has no certificate: it must have PEM blocks that begin with -----BEGIN CERTIFICATE-----", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// One of its certificates cannot be read.
    #[error("certificate {number} of {} cannot be used as a trust anchor", path.display())]
    NotAnAnchor {
        /// Which file.
        path: PathBuf,
        /// Which certificate of it, from 1.
        number: usize,
        /// Why not.
        source: webpki::Error,
    },
}

/// Where an anchor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnchorKind {
    /// The system's roots, or the bundled ones.
    Public,
    /// The cluster's own certificate authority.
    Cluster,
    /// A file of the configuration, or an object that gives its own.
    Configured,
}

/// The trust anchors of every kind of target.
#[derive(Clone, Debug)]
pub struct Roots {
    stores: HashMap<RootsRef, Store>,
}

/// Tells stores apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum StoreId {
    /// By its number among those that are kept.
    Kept(usize),
    /// By what it is made of: one that an object gives is made when it is needed and not kept,
    /// because its object can change without end.
    Given(Fingerprint),
}

/// The anchors of one kind of target.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) id: StoreId,
    /// For path building; in step with `about`.
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    /// What else is known of each.
    pub(super) about: Vec<About>,
}

/// What is known of an anchor besides its name and key, all that path building looks at.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) kind: AnchorKind,
    /// Its common name; empty for the bundled ones.
    pub(super) name: Box<str>,
    /// As it was given; `None` for the bundled ones.
    pub(super) der: Option<CertificateDer<'static>>,
    /// From when to when it is valid, where that is known.
    pub(super) validity: Option<Validity>,
    /// The browsers trust it too, going by Mozilla's list: an enterprise's root among the system's
    /// is not bound by their rules.
    pub(super) in_browsers: bool,
}

impl Roots {
    /// What the configuration asks for, and `cluster_ca` (DER; none means that the cluster's
    /// authority is not known). Reads the system's roots and the configured files.
    pub fn load(config: &Config, cluster_ca: &[impl AsRef<[u8]>]) -> Result<Self, Error> {
        let mut roots = Self::empty().with_cluster(cluster_ca);
        roots.add_system();
        for path in &config.trust.ca_files {
            let store = roots.store(RootsRef::Public);
            add_file(store, path)?;
        }
        let rules = config.rules.iter().filter_map(|rule| rule.ca_file.as_ref());
        let targets = config
            .targets
            .iter()
            .filter_map(|target| target.ca_file.as_ref());
        let modules = config.probe_endpoint.iter();
        let modules = modules.flat_map(|endpoint| endpoint.modules.by_name.values());
        let modules = modules.filter_map(|module| module.ca_file.as_ref());
        for path in rules.chain(targets).chain(modules) {
            let own = RootsRef::File(Arc::clone(path));
            if !roots.stores.contains_key(&own) {
                add_file(roots.store(own), path)?;
            }
        }
        Ok(roots.with_both())
    }

    /// No anchors at all.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            stores: HashMap::new(),
        }
    }

    /// These as if `trust.ca_files` named them; those that are no anchors are left out.
    #[must_use]
    pub fn with_configured(self, ders: &[impl AsRef<[u8]>]) -> Self {
        self.with(RootsRef::Public, AnchorKind::Configured, ders)
    }

    /// These as if they were among the system's and the browsers'; those that are no anchors are
    /// left out.
    #[must_use]
    pub fn with_public(self, ders: &[impl AsRef<[u8]>]) -> Self {
        let mut roots = self.with(RootsRef::Public, AnchorKind::Public, ders);
        for about in &mut roots.store(RootsRef::Public).about {
            about.in_browsers = about.kind == AnchorKind::Public;
        }
        roots
    }

    /// These as the cluster's authority; those that are no anchors are left out.
    #[must_use]
    pub fn with_cluster(self, ders: &[impl AsRef<[u8]>]) -> Self {
        self.with(RootsRef::Cluster, AnchorKind::Cluster, ders)
    }

    /// These as if the file at `path` had them; those that are no anchors are left out.
    #[must_use]
    pub fn with_file(self, path: &Path, ders: &[impl AsRef<[u8]>]) -> Self {
        self.with(RootsRef::File(path.into()), AnchorKind::Configured, ders)
    }

    /// Those of the public and those of the cluster, as they are now, as one.
    #[must_use]
    pub fn with_both(mut self) -> Self {
        let of = |roots: &RootsRef| self.stores.get(roots).cloned();
        let parts = [RootsRef::Public, RootsRef::Cluster].map(|roots| of(&roots));
        let both = self.store(RootsRef::PublicOrCluster);
        for part in parts.into_iter().flatten() {
            for (anchor, about) in part.anchors.into_iter().zip(part.about) {
                both.insert(anchor, about);
            }
        }
        self
    }

    /// Which store `roots` refers to; `None` where its anchors are not known.
    pub(super) fn id(&self, roots: &RootsRef) -> Option<StoreId> {
        match roots {
            RootsRef::Given(ders) => Some(StoreId::Given(chain::chain_id(ders.iter()))),
            roots => self.kept(roots).map(|store| store.id),
        }
    }

    /// The anchors that `roots` refers to; `None` where it is not known which they are.
    pub(super) fn of(&self, roots: &RootsRef) -> Option<Cow<'_, Store>> {
        match roots {
            RootsRef::Given(ders) => Some(Cow::Owned(Store::given(ders))),
            roots => self.kept(roots).map(Cow::Borrowed),
        }
    }

    fn kept(&self, roots: &RootsRef) -> Option<&Store> {
        self.stores
            .get(roots)
            .filter(|store| !store.anchors.is_empty())
    }

    fn with(mut self, roots: RootsRef, kind: AnchorKind, ders: &[impl AsRef<[u8]>]) -> Self {
        let store = self.store(roots);
        for der in ders.iter().map(AsRef::as_ref) {
            if let Err(error) = store.add(kind, der) {
                tracing::warn!(?kind, %error, "left out a certificate that is no trust anchor");
            }
        }
        self
    }

    fn add_system(&mut self) {
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::warn!(%error, "cannot read all of the system's trust anchors");
        }
        let store = self.store(RootsRef::Public);
        for der in &native.certs {
            if let Err(error) = store.add(AnchorKind::Public, der) {
                tracing::debug!(%error, "left out one of the system's trust anchors");
            }
        }
        if store.anchors.is_empty() {
            tracing::info!("the system has no trust anchors: using the bundled ones of Mozilla");
            store.add_bundled();
        }
    }

    fn store(&mut self, roots: RootsRef) -> &mut Store {
        let id = StoreId::Kept(self.stores.len());
        self.stores.entry(roots).or_insert_with(|| Store::empty(id))
    }
}

impl Store {
    fn empty(id: StoreId) -> Self {
        Self {
            id,
            anchors: Vec::new(),
            about: Vec::new(),
        }
    }

    /// Of what an object gives: what is no anchor is left out, as Go leaves it out
    /// (`x509.CertPool.AppendCertsFromPEM`).
    fn given(ders: &[Box<[u8]>]) -> Self {
        let mut store = Self::empty(StoreId::Given(chain::chain_id(ders)));
        for der in ders {
            if let Err(error) = store.add(AnchorKind::Configured, der) {
                tracing::debug!(%error, "left out a certificate that is no trust anchor");
            }
        }
        store
    }

    /// The anchor that is this very certificate.
    pub(super) fn pinned(&self, der: &[u8]) -> Option<&About> {
        let is_it = |about: &&About| about.der.as_ref().is_some_and(|own| **own == *der);
        self.about.iter().find(is_it)
    }

    /// What is known of the first anchor with this name and key.
    pub(super) fn about(&self, anchor: &TrustAnchor<'_>) -> Option<&About> {
        let place = self.anchors.iter().position(|own| own == anchor)?;
        self.about.get(place)
    }

    fn add(&mut self, kind: AnchorKind, der: &[u8]) -> Result<(), webpki::Error> {
        let der = CertificateDer::from(der.to_vec());
        let anchor = webpki::anchor_from_trusted_cert(&der)?.to_owned();
        let facts = Certificate::read(&der).facts.ok();
        let about = About {
            kind,
            name: facts
                .as_ref()
                .map_or_else(Box::default, |f| f.subject_common_name.as_str().into()),
            validity: facts.map(|f| f.validity),
            in_browsers: kind == AnchorKind::Public && is_bundled(&anchor),
            der: Some(der),
        };
        self.insert(anchor, about);
        Ok(())
    }

    /// Of anchors with the same name and key the longest-lived comes first, because path building
    /// takes the first that fits.
    fn insert(&mut self, anchor: TrustAnchor<'static>, about: About) {
        let end = |about: &About| about.validity.and_then(|validity| validity.not_after);
        let place = self
            .about
            .partition_point(|other| end(other) >= end(&about));
        self.anchors.insert(place, anchor);
        self.about.insert(place, about);
    }

    fn add_bundled(&mut self) {
        for anchor in webpki_roots::TLS_SERVER_ROOTS {
            self.anchors.push(anchor.clone());
            self.about.push(About {
                kind: AnchorKind::Public,
                name: Box::default(),
                der: None,
                validity: None,
                in_browsers: true,
            });
        }
    }
}

/// By name and key: an authority may have reissued its root since the list was made.
fn is_bundled(anchor: &TrustAnchor<'_>) -> bool {
    let mut bundled = webpki_roots::TLS_SERVER_ROOTS.iter();
    bundled.any(|root| {
        root.subject == anchor.subject
            && root.subject_public_key_info == anchor.subject_public_key_info
    })
}

fn add_file(store: &mut Store, path: &Path) -> Result<(), Error> {
    let path = || path.to_owned();
    let text = fs::read(path()).map_err(|source| Error::Unreadable {
        path: path(),
        source,
    })?;
    let mut number = 0;
    for der in CertificateDer::pem_slice_iter(&text) {
        let der = der.map_err(|source| Error::NotPem {
            path: path(),
            source,
        })?;
        number += 1;
        store
            .add(AnchorKind::Configured, &der)
            .map_err(|source| Error::NotAnAnchor {
                path: path(),
                number,
                source,
            })?;
    }
    if number == 0 {
        return Err(Error::Empty { path: path() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::config::{Rule, RuleMatch};
    use crate::judge::fixtures::{ca_params, root};

    /// A file of this test's own with this text, and the error that loading it gives.
    fn error_of(name: &str, text: &str) -> (String, Option<String>) {
        let path = std::env::temp_dir().join(format!("judge-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        let mut config = Config::default();
        config.trust.ca_files = vec![path.clone()];
        let error = Roots::load(&config, &[] as &[&[u8]]).unwrap_err();
        fs::remove_file(&path).unwrap();
        let message = error.to_string().replace(path.to_str().unwrap(), "FILE");
        (message, error.source().map(ToString::to_string))
    }

    #[test]
    fn a_root_is_the_browsers_where_mozilla_lists_it() {
        assert!(webpki_roots::TLS_SERVER_ROOTS.iter().all(is_bundled));
        let mut store = Store::empty(StoreId::Kept(0));
        let enterprise = root(ca_params("Enterprise"));
        store.add(AnchorKind::Public, &enterprise.der).unwrap();
        assert!(!store.about[0].in_browsers);
    }

    #[test]
    fn a_file_without_certificates_is_refused_with_the_remedy() {
        let expected = "FILE has no certificate: it must have PEM blocks that begin with \
             -----BEGIN CERTIFICATE-----";
        assert_eq!(error_of("empty", "").0, expected);
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert_eq!(error_of("key", &key).0, expected);
    }

    #[test]
    fn a_file_with_broken_pem_or_a_broken_certificate_is_refused() {
        let good = root(ca_params("Root")).pem;
        let cut = good.lines().take(3).collect::<Vec<_>>().join("\n");
        let (message, source) = error_of("cut", &cut);
        assert_eq!(message, "FILE is not well-formed PEM");
        assert!(source.unwrap().contains("missing section end marker"));
        let broken =
            format!("{good}-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
        let (message, source) = error_of("broken", &broken);
        assert_eq!(
            message,
            "certificate 2 of FILE cannot be used as a trust anchor"
        );
        assert_eq!(source.unwrap(), "BadDer");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let mut config = Config::default();
        config.trust.ca_files = vec!["/nowhere/ca.pem".into()];
        let error = Roots::load(&config, &[] as &[&[u8]]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the trust anchors in /nowhere/ca.pem"
        );
        assert!(error.source().unwrap().to_string().contains("No such file"));
    }

    #[test]
    fn configured_files_join_the_system_s_roots_and_a_rule_s_file_stands_alone() {
        let path = std::env::temp_dir().join(format!("judge-{}-both", std::process::id()));
        let (one, two) = (root(ca_params("One")), root(ca_params("Two")));
        fs::write(&path, one.pem + &two.pem).unwrap();
        let mut config = Config::default();
        config.trust.ca_files = vec![path.clone()];
        config.rules = vec![Rule {
            matches: RuleMatch::default(),
            ca_file: Some(path.clone().into()),
            plaintext: None,
            probe: None,
            accept: Arc::default(),
        }];
        let roots = Roots::load(&config, &[&one.der]).unwrap();
        fs::remove_file(&path).unwrap();
        let kinds = |of| {
            let store = roots.of(&of).unwrap();
            let kinds = store.about.iter().map(|about| about.kind);
            kinds.collect::<Vec<_>>()
        };
        let public = kinds(RootsRef::Public);
        assert!(public.contains(&AnchorKind::Public));
        let configured = public
            .iter()
            .filter(|kind| **kind == AnchorKind::Configured);
        assert_eq!(configured.count(), 2);
        assert_eq!(kinds(RootsRef::Cluster), [AnchorKind::Cluster]);
        assert_eq!(
            kinds(RootsRef::File(path.into())),
            [AnchorKind::Configured; 2]
        );
        let both = kinds(RootsRef::PublicOrCluster);
        assert_eq!(both.len(), public.len() + 1);
        assert!(both.contains(&AnchorKind::Cluster));
        assert!(roots.of(&RootsRef::Any).is_none());
    }

    #[test]
    fn what_is_no_anchor_is_left_out_of_those_in_memory() {
        let good = root(ca_params("Root")).der;
        let roots = Roots::empty().with_cluster(&[b"junk".as_slice(), &good]);
        assert_eq!(roots.of(&RootsRef::Cluster).unwrap().anchors.len(), 1);
        assert!(
            Roots::empty()
                .with_cluster(&[b"junk"])
                .of(&RootsRef::Cluster)
                .is_none()
        );
    }

    #[test]
    fn the_bundled_roots_are_anchors_without_dates() {
        let mut store = Store::empty(StoreId::Kept(0));
        store.add_bundled();
        store
            .add(AnchorKind::Configured, &root(ca_params("Root")).der)
            .unwrap();
        assert!(store.anchors.len() > 100);
        assert_eq!(store.anchors.len(), store.about.len());
        assert_eq!(&*store.about[0].name, "Root");
    }
}
