//! What must raise no alarm: the certificates of a healthy cluster, as kubeadm and public
//! authorities issue them.

use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, SanType,
};

use super::fixtures::{
    Minted, Scene, ca_params, day, findings, issued, params, root, taking, value,
};
use super::{Policy, Roots};
use crate::config::Config;
use crate::model::{
    CipherClass, ClientAuth, Clients, Group, PlainAnswer, PlaintextRule, Requests, RootsRef,
    Severity,
};

const VALID: &str = "kube_https_certificate_valid";

/// RSA 2048, which is what kubeadm gives everything unless told otherwise.
fn rsa() -> KeyPair {
    KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap()
}

fn authority(name: &str) -> CertificateParams {
    let mut authority = ca_params(name);
    authority.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyCertSign,
    ];
    authority
}

/// A server's certificate of this many days, begun a month ago.
fn server(name: &str, names: &[&str], days: i64) -> CertificateParams {
    let mut server = params(name, day(-30), day(days - 30));
    let names = names.iter().map(|name| match name.parse() {
        Ok(ip) => SanType::IpAddress(ip),
        Err(_) => SanType::DnsName((*name).try_into().unwrap()),
    });
    server.subject_alt_names = names.collect();
    server.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server
}

fn kubeadm() -> Minted {
    let (key, ca) = (rsa(), authority("kubernetes"));
    let certificate = ca.self_signed(&key).unwrap();
    Minted::new(&certificate, ca, key)
}

fn api_server(ca: &Minted, node: &str) -> Minted {
    let names = ["kubernetes", "kubernetes.default.svc", node, "10.96.0.1"];
    let (key, own) = (rsa(), server("kube-apiserver", &names, 365));
    let certificate = own.signed_by(&key, &ca.issuer).unwrap();
    Minted::new(&certificate, own, key)
}

/// With what Go's TLS accepts unless told otherwise, as in Kubernetes' components and Traefik.
fn with_go(mut scene: Scene) -> Scene {
    use Group::{
        SecP256r1MlKem768, SecP384r1MlKem1024, Secp256r1, Secp384r1, Secp521r1, X25519,
        X25519MlKem768,
    };
    let (hybrids, curves) = (
        [X25519MlKem768, SecP256r1MlKem768, SecP384r1MlKem1024],
        [X25519, Secp256r1, Secp384r1, Secp521r1],
    );
    let groups: Vec<_> = hybrids.into_iter().chain(curves).collect();
    for address in &mut scene.tls.addresses {
        address.deep = Some(taking(&[CipherClass::Cbc, CipherClass::Aead], &groups));
    }
    scene
}

#[test]
fn api_servers_as_kubeadm_makes_them_have_no_findings() {
    let ca = kubeadm();
    let (one, two) = (api_server(&ca, "cp-1"), api_server(&ca, "cp-2"));
    // kubeadm's own load balancer name leads to every replica, each with its own certificate.
    let mut scene = with_go(Scene::new().showing(&[&one]).showing(&[&two]));
    for address in &mut scene.tls.addresses {
        let seen = &mut address.handshake.as_mut().unwrap().value;
        seen.client_auth = ClientAuth::Requested;
    }
    scene.target.row.edit(|row| row.source = "api_server");
    // As the ClusterRole `system:public-info-viewer` has it.
    let answers = [
        ("/livez", 200, None),
        ("/version", 200, None),
        ("/api", 403, None),
    ];
    let mut scene = scene.answering(Requests::ApiServer, &answers);
    scene.target.expect.name = Some("kubernetes".into());
    scene.target.expect.roots = RootsRef::Cluster;
    scene.target.expect.plaintext = PlaintextRule::Forbidden;
    let answer = PlainAnswer::Http {
        status: 400,
        location: None,
        names_https_port: true,
    };
    let scene = scene.plain(443, &[answer.clone(), answer]);
    let policy = Policy::new(&Config::default(), Roots::empty().with_cluster(&[&ca.der]));
    let verdict = scene.judged(&policy);
    assert_eq!(findings(&verdict), []);
    assert_eq!(value(&verdict, VALID), Some(1.0));
}

#[test]
fn etcd_as_kubeadm_makes_it_has_no_findings_and_its_dates_are_judged() {
    let own = root(authority("etcd-ca"));
    let judged = |days| {
        let leaf = issued(server("cp-1", &["cp-1", "192.0.2.1"], days), &own);
        let mut scene = with_go(Scene::new().showing(&[&leaf]));
        let seen = scene.tls.addresses[0].handshake.as_mut().unwrap();
        seen.value.client_auth = ClientAuth::Required;
        scene.target.row.edit(|row| row.source = "node");
        scene.target.expect.tls = false;
        scene.target.expect.name = None;
        scene.target.expect.roots = RootsRef::Any;
        scene.target.expect.client_auth = ClientAuth::Required;
        scene.target.expect.plaintext = PlaintextRule::Forbidden;
        let scene = scene.plain(443, &[PlainAnswer::NoAnswer]);
        let policy = Policy::new(&Config::default(), Roots::empty().with_public(&[&own.der]));
        scene.judged(&policy)
    };
    let healthy = judged(365);
    assert_eq!(findings(&healthy), []);
    assert_eq!(value(&healthy, VALID), None);
    let expired = judged(29);
    let said = [("certificate_expired", Severity::Critical)];
    assert_eq!(findings(&expired), said);
}

#[test]
fn an_ingress_host_as_cert_manager_has_it_issued_has_no_findings() {
    let root = root(authority("Public Root"));
    let mut between = authority("R13");
    between.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let between = issued(between, &root);
    let leaf = issued(server("", &["a.example", "www.a.example"], 90), &between);
    let scene = Scene::new()
        .showing(&[&leaf, &between])
        .showing(&[&leaf, &between, &root]);
    let redirect = PlainAnswer::Http {
        status: 308,
        location: Some("https://a.example/".into()),
        names_https_port: false,
    };
    let scene = with_go(scene).plain(80, &[redirect.clone(), redirect]);
    let policy = Policy::new(&Config::default(), Roots::empty().with_public(&[&root.der]));
    let verdict = scene.judged(&policy);
    assert_eq!(findings(&verdict), []);
    assert_eq!(value(&verdict, VALID), Some(1.0));
}

#[test]
fn a_kubelet_as_it_comes_has_no_findings_but_its_own_signature() {
    let (key, own) = (rsa(), server("node-1@1767225600", &["192.0.2.1"], 365));
    let certificate = own.self_signed(&key).unwrap();
    let kubelet = Minted::new(&certificate, own, key);
    let mut scene = with_go(Scene::new().showing(&[&kubelet]));
    let seen = &mut scene.tls.addresses[0].handshake.as_mut().unwrap().value;
    seen.client_auth = ClientAuth::Requested;
    scene.target.row.edit(|row| row.source = "node");
    scene.target.expect.name = Some("192.0.2.1".into());
    scene.target.expect.roots = RootsRef::Cluster;
    scene.target.expect.clients = Clients::Unknown;
    scene.target.expect.client_auth = ClientAuth::Requested;
    let ca = kubeadm();
    let policy = Policy::new(&Config::default(), Roots::empty().with_cluster(&[&ca.der]));
    let information = [("certificate_self_signed", Severity::Info)];
    assert_eq!(findings(&scene.judged(&policy)), information);
}
