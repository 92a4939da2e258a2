//! Tests of kubeconfigs.

use super::*;

const KINDS: &[u8] = include_bytes!("../../../tests/certificates/kinds.pem");

/// The first of some real certificates, in PEM.
fn pem() -> String {
    let end = "-----END CERTIFICATE-----\n";
    let (_, rest) = str::from_utf8(KINDS)
        .unwrap()
        .split_once("-----BEGIN")
        .unwrap();
    let (body, _) = rest.split_once(end).unwrap();
    format!("-----BEGIN{body}{end}")
}

fn base64(text: &str) -> String {
    let value = serde_json::to_value(k8s_openapi::ByteString(text.into())).unwrap();
    value.as_str().unwrap().to_owned()
}

fn found(text: &str) -> Found {
    read(Path::new("/etc/kube/config"), text.as_bytes(), true).unwrap()
}

/// A kubeconfig with one cluster, `a`, of these fields.
fn of_cluster(fields: &str) -> Declared {
    found(&format!("clusters: [{{name: a, cluster: {{{fields}}}}}]"))
        .declared
        .remove(0)
}

#[test]
fn authorities_and_client_certificates_are_stored_and_keys_and_tokens_are_not() {
    let (certificate, key) = (base64(&pem()), base64("hunter2"));
    let found = found(&format!(
        "clusters: [{{name: a, cluster: {{server: 'https://k.example', certificate-authority-data: {certificate}}}}}]\n\
         users:\n\
         - {{name: admin, user: {{client-certificate-data: {certificate}, client-key-data: {key}}}}}\n\
         - {{name: robot, user: {{token: hunter2, password: hunter2}}}}\n"
    ));
    let declared = &found.declared[0];
    let stored: Vec<_> = declared
        .stored
        .iter()
        .map(|one| (&*one.key, one.usage))
        .collect();
    assert_eq!(
        stored,
        [
            ("clusters/a", Usage::CaBundle),
            ("users/admin", Usage::Client)
        ]
    );
    assert_eq!(
        (&*declared.object.name, declared.object.kind),
        ("/etc/kube/config", "Kubeconfig")
    );
    let debug = format!("{found:?}");
    assert!(!debug.contains("hunter2") && !debug.contains(&key));
}

#[test]
fn a_server_must_show_what_its_clients_verify() {
    let certificate = base64(&pem());
    let declared = of_cluster(&format!(
        "server: 'https://K.example:6443/prefix', certificate-authority-data: {certificate}"
    ));
    let target = &declared.targets[0];
    let row = &target.row;
    assert_eq!(
        (row.source, &*row.host, row.port),
        ("file", "k.example", 6443)
    );
    assert_eq!(
        (&*row.name, &*row.address),
        ("/etc/kube/config", "k.example")
    );
    assert_eq!(target.expect.name.as_deref(), Some("k.example"));
    let der = declared.stored[0].certificates[0].der.clone();
    assert_eq!(target.expect.roots, RootsRef::Given([der].into()));
    assert_eq!(target.expect.clients, Clients::Verifying);
    assert!(!target.tls.guarded);
    assert_eq!(declared.flaws, []);
}

#[test]
fn a_tls_server_name_is_asked_for_at_the_servers_address() {
    let declared = of_cluster("server: 'https://192.0.2.1:6443', tls-server-name: kubernetes");
    let target = &declared.targets[0];
    assert_eq!(
        (&*target.row.host, &*target.row.address),
        ("kubernetes", "192.0.2.1")
    );
    assert_eq!(target.expect.name.as_deref(), Some("kubernetes"));
    assert_eq!(target.expect.roots, RootsRef::Public);
    let plain = of_cluster("server: 'https://192.0.2.1'");
    assert_eq!(plain.targets[0].expect.name.as_deref(), Some("192.0.2.1"));
    assert_eq!(plain.targets[0].tls.server_name, None);
}

#[test]
fn what_verifies_nothing_or_is_in_clear_is_a_flaw() {
    let flaws = |fields: &str| {
        let declared = of_cluster(fields);
        let flaws = declared.flaws.iter();
        let flaws: Vec<_> = flaws
            .map(|flaw| (flaw.kind, flaw.place.to_string()))
            .collect();
        (flaws, declared.targets.len(), declared.dropped.len())
    };
    let found = |kind| vec![(kind, "in clusters/a".to_owned())];
    assert_eq!(
        flaws("server: 'https://k.example', insecure-skip-tls-verify: true"),
        (found(FlawKind::VerificationDisabled), 1, 0)
    );
    assert_eq!(
        flaws("server: 'http://k.example:8080'"),
        (found(FlawKind::Plaintext), 0, 0)
    );
    assert_eq!(
        flaws("server: 'k.example:8080'"),
        (found(FlawKind::Plaintext), 0, 0)
    );
    for here in [
        "http://127.0.0.1:8001",
        "http://localhost:8001",
        "http://[::1]:8001",
    ] {
        assert_eq!(
            flaws(&format!("server: '{here}'")),
            (vec![], 0, 1),
            "{here}"
        );
    }
    let behind = "server: 'https://k.example', proxy-url: 'http://proxy.example'";
    assert_eq!(flaws(behind), (vec![], 0, 1));
}

#[test]
fn files_that_it_names_start_at_its_folder_and_are_followed() {
    let folder = std::env::temp_dir().join(format!("kubeconfig-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("ca.crt"), pem()).unwrap();
    let text = "clusters: [{name: a, cluster: {server: 'https://k.example', certificate-authority: ca.crt}}]\n\
                users: [{name: u, user: {client-certificate: gone.crt}}]\n";
    let found = read(&folder.join("config"), text.as_bytes(), true).unwrap();
    let declared = &found.declared[0];
    assert_eq!(
        found.beside,
        [folder.join("ca.crt"), folder.join("gone.crt")]
    );
    assert_eq!((declared.stored.len(), declared.dropped.len()), (1, 1));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_is_no_kubeconfig_is_refused_without_quoting_it() {
    let refused = |text: &str| read(Path::new("config"), text.as_bytes(), true).unwrap_err();
    assert_eq!(
        refused("users: hunter2"),
        "not a kubeconfig at line 1, column 8"
    );
    assert_eq!(found("{}").declared[0].stored, []);
}
