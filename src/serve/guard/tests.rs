//! Files, right and wrong, and how a change of them takes effect.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::duplex;
use tokio_rustls::TlsConnector;

use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/web");

const TLS: &str = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";

/// A folder with a web configuration and the files that those of the fixtures name.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kube-https-exporter-guard-{}-{number}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).unwrap();
        folder.renew();
        folder.write("other.key", &KeyPair::generate().unwrap().serialize_pem());
        let (mut ca, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        folder.write("client-ca.pem", &ca.self_signed(&key).unwrap().pem());
        folder
    }

    /// Another certificate and key for `server.test`; gives what its clients trust.
    fn renew(&self) -> RootCertStore {
        let (mut ca, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = ca.self_signed(&key).unwrap();
        let (leaf, leaf_key) = (["server.test".to_owned()], KeyPair::generate().unwrap());
        let leaf = CertificateParams::new(leaf).unwrap();
        let leaf = leaf.signed_by(&leaf_key, &Issuer::new(ca, key)).unwrap();
        self.write("server.pem", &leaf.pem());
        self.write("server.key", &leaf_key.serialize_pem());
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        roots
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn users() -> String {
    let hash = bcrypt::hash("secret", 4).unwrap();
    format!("basic_auth_users:\n  ann: {hash}\n")
}

/// Whether a client with these roots is served.
async fn serves(settings: &Settings, roots: &RootCertStore) -> bool {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    let server = TlsAcceptor::from(Arc::clone(settings.tls.as_ref().unwrap()));
    let (ours, theirs) = duplex(64 * 1024);
    let name = ServerName::try_from("server.test").unwrap();
    let client = TlsConnector::from(Arc::new(client));
    let (accepted, connected) = tokio::join!(server.accept(ours), client.connect(name, theirs));
    accepted.is_ok() && connected.is_ok()
}

#[tokio::test]
async fn every_fixture_is_taken_or_refused_with_its_place_and_remedy() {
    let folder = Folder::new();
    let fixtures = fs::read_dir(FIXTURES).unwrap().map(Result::unwrap);
    for fixture in fixtures {
        let name = fixture.file_name().into_string().unwrap();
        let text = fs::read_to_string(fixture.path()).unwrap();
        let loaded = load(&folder.write("web.yml", &text)).await;
        let expected = text.lines().find_map(|line| line.strip_prefix("# says: "));
        match (loaded, expected) {
            (Ok(_), None) => {}
            (Err(said), Some(expected)) => assert!(said.contains(expected), "{name}: {said}"),
            (loaded, _) => panic!("{name}: {:?}", loaded.map(|_| "taken")),
        }
        assert_eq!(name.starts_with("good-"), expected.is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_served_and_half_of_one_is_not() {
    let folder = Folder::new();
    let old = folder.renew();
    let path = folder.write("web.yml", TLS);
    let (written, settings) = load(&path).await.unwrap();
    assert!(serves(&settings, &old).await);
    assert!(reload(&path, &written, &settings).await.unwrap().is_none());

    let new = folder.renew();
    let (written, settings) = reload(&path, &written, &settings).await.unwrap().unwrap();
    assert!(serves(&settings, &new).await);
    assert!(!serves(&settings, &old).await);

    // The certificate is written, its key not yet.
    let key = fs::read_to_string(folder.0.join("server.key")).unwrap();
    folder.renew();
    folder.write("server.key", &key);
    let problem = reload(&path, &written, &settings).await.err().unwrap();
    assert!(problem.contains("certificate and key"), "{problem}");
}

#[tokio::test]
async fn no_change_of_the_file_takes_the_guard_away() {
    let folder = Folder::new();
    for text in [TLS.to_owned(), users()] {
        let path = folder.write("web.yml", &text);
        let (written, settings) = load(&path).await.unwrap();
        folder.write("web.yml", "");
        let problem = reload(&path, &written, &settings).await.err().unwrap();
        assert!(problem.contains("restart"), "{problem}");
    }
    // What adds to it is fine.
    let path = folder.write("web.yml", "");
    let (written, settings) = load(&path).await.unwrap();
    folder.write("web.yml", &format!("{TLS}{}", users()));
    let (_, settings) = reload(&path, &written, &settings).await.unwrap().unwrap();
    assert!(settings.tls.is_some() && !settings.users.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_mistake_leaves_what_was_in_force_and_its_correction_counts() {
    let folder = Folder::new();
    let path = folder.write("web.yml", &users());
    let guard = Guard::load(&path, CancellationToken::new()).await.unwrap();
    let mut changes = guard.0.clone();
    folder.write("web.yml", "basic_auth_users:\n  eve: open\n");
    let waited = tokio::time::timeout(LOOK_EVERY * 3, changes.changed()).await;
    assert!(waited.is_err(), "the mistake took effect");
    assert!(!guard.settings().users.is_empty());
    folder.write("web.yml", &format!("{}{TLS}", users()));
    changes.changed().await.unwrap();
    assert!(guard.has_tls());
}
