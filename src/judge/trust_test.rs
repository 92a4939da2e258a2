//! Tests of trust, with chains made for them.

use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, IsCa};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::*;
use crate::judge::fixtures::{Minted, Pki, ca_params, day, issued, params, pki, root};
use crate::probe::chain::read_chain;

fn chain(minted: &[&Minted]) -> Chain {
    read_chain(&minted.iter().map(|one| &one.der).collect::<Vec<_>>()).unwrap()
}

fn trusting(anchor: &Minted) -> Verifier {
    Verifier::new(Roots::empty().with_public(&[&anchor.der]))
}

fn trust(anchor: &Minted, sent: &[&Minted]) -> Trust {
    let known = trusting(anchor).known(&chain(sent), &RootsRef::Public);
    known.trust.clone()
}

fn untrusted(trust: &Trust) -> &str {
    match trust {
        Trust::Untrusted(detail) => detail,
        other => panic!("{other:?}"),
    }
}

fn incomplete(trust: &Trust) -> &str {
    match trust {
        Trust::Incomplete(detail) => detail,
        other => panic!("{other:?}"),
    }
}

const PUBLIC: Trust = Trust::Anchored(AnchorKind::Public);

/// Authority information access with a URL of the issuer.
fn with_issuer_url(mut params: rcgen::CertificateParams) -> rcgen::CertificateParams {
    let access = b"\x30\x18\x30\x16\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x0ahttp://a.b";
    let aia = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access.to_vec());
    params.custom_extensions.push(aia);
    params
}

#[test]
fn a_chain_to_an_anchor_is_anchored_in_any_order_and_with_more_than_is_needed() {
    let (pki, other) = (pki(), root(ca_params("Other")));
    let Pki {
        root,
        intermediate,
        leaf,
    } = &pki;
    assert_eq!(trust(root, &[leaf, intermediate]), PUBLIC);
    assert_eq!(trust(root, &[leaf, intermediate, root]), PUBLIC);
    assert_eq!(
        trust(root, &[leaf, root, &other, intermediate, intermediate]),
        PUBLIC
    );
    assert_eq!(trust(intermediate, &[leaf]), PUBLIC);
}

#[test]
fn an_expired_or_future_certificate_is_as_trusted_as_its_authority() {
    let pki = pki();
    let other = root(ca_params("Other"));
    for (from, to) in [(-100, -3), (5, 90)] {
        let leaf = issued(params("leaf", day(from), day(to)), &pki.intermediate);
        assert_eq!(trust(&pki.root, &[&leaf, &pki.intermediate]), PUBLIC);
        let unknown = trust(&other, &[&leaf, &pki.intermediate]);
        assert!(untrusted(&unknown).contains("\"Root\""), "{unknown:?}");
    }
}

#[test]
fn an_unknown_authority_is_named() {
    let (pki, other) = (pki(), root(ca_params("Other")));
    let without_root = trust(&other, &[&pki.leaf, &pki.intermediate]);
    assert_eq!(
        untrusted(&without_root),
        "its issuer \"Root\" is not among the trust anchors"
    );
    let with_root = trust(&other, &[&pki.leaf, &pki.intermediate, &pki.root]);
    assert_eq!(
        untrusted(&with_root),
        "the root that it sends, \"Root\", is not among the trust anchors"
    );
}

#[test]
fn a_missing_intermediate_shows_by_its_url() {
    let pki = pki();
    let leaf = with_issuer_url(params("leaf", day(-10), day(80)));
    let leaf = issued(leaf, &pki.intermediate);
    let detail = "its issuer \"Intermediate\" was not sent, nor is it a trust anchor";
    assert_eq!(incomplete(&trust(&pki.root, &[&leaf])), detail);
    assert_eq!(trust(&pki.root, &[&leaf, &pki.intermediate]), PUBLIC);
}

#[test]
fn a_missing_intermediate_is_proved_by_another_server_s_chain() {
    let pki = pki();
    let verifier = trusting(&pki.root);
    let (alone, whole) = (chain(&[&pki.leaf]), chain(&[&pki.leaf, &pki.intermediate]));
    let before = verifier.known(&alone, &RootsRef::Public);
    assert!(untrusted(&before.trust).contains("\"Intermediate\""));
    assert_eq!(verifier.known(&whole, &RootsRef::Public).trust, PUBLIC);
    let after = verifier.known(&alone, &RootsRef::Public);
    assert_eq!(
        incomplete(&after.trust),
        "its issuer \"Intermediate\" was not sent"
    );
}

#[test]
fn a_certificate_of_let_s_encrypt_s_staging_environment_is_untrusted_with_or_without_issuer() {
    let anchor = root(ca_params("Anchor"));
    let staging = root(ca_params("(STAGING) Pretend Pear X1"));
    let aia = CustomExtension::from_oid_content(
        &[1, 3, 6, 1, 5, 5, 7, 1, 1],
        b"\x30\x11\x30\x0f\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x03a:/".to_vec(),
    );
    let mut intermediate = ca_params("(STAGING) Wannabe Watercress R11");
    intermediate.custom_extensions.push(aia.clone());
    let intermediate = issued(intermediate, &staging);
    let mut leaf = params("leaf", day(-1), day(89));
    leaf.custom_extensions.push(aia);
    let leaf = issued(leaf, &intermediate);
    for (sent, issuer) in [
        (&[&leaf][..], "(STAGING) Wannabe Watercress R11"),
        (&[&leaf, &intermediate], "(STAGING) Pretend Pear X1"),
    ] {
        let said = untrusted(&trust(&anchor, sent)).to_owned();
        assert!(said.contains(issuer) && said.contains("staging"), "{said}");
    }
    assert_eq!(trust(&staging, &[&leaf, &intermediate]), PUBLIC);
}

#[test]
fn an_intermediate_of_an_unverified_chain_proves_nothing() {
    let (pki, anchor) = (pki(), root(ca_params("Anchor")));
    let verifier = trusting(&anchor);
    verifier.known(&chain(&[&pki.leaf, &pki.intermediate]), &RootsRef::Public);
    assert_eq!(lock(&verifier.pool).count(), 0);
}

#[test]
fn a_certificate_that_vouches_for_itself_is_self_signed() {
    let anchor = root(ca_params("Anchor"));
    let mine = root(params("a.example", day(-1), day(1)));
    assert_eq!(trust(&anchor, &[&mine]), Trust::SelfSigned);
    assert_eq!(trust(&anchor, &[&mine, &mine]), Trust::SelfSigned);
    assert_eq!(trust(&anchor, &[&mine, &anchor]), Trust::SelfSigned);
    let authority = root(ca_params("mine"));
    assert_eq!(trust(&anchor, &[&authority]), Trust::SelfSigned);
    let namesake = root(params("Anchor", day(-1), day(1)));
    assert_eq!(trust(&anchor, &[&namesake]), Trust::SelfSigned);
}

#[test]
fn a_certificate_of_an_authority_with_its_own_name_is_not_self_signed() {
    let (anchor, authority) = (root(ca_params("Anchor")), root(ca_params("same")));
    let leaf = issued(params("same", day(-1), day(1)), &authority);
    assert_eq!(trust(&authority, &[&leaf, &authority]), PUBLIC);
    assert!(untrusted(&trust(&anchor, &[&leaf, &authority])).contains("root that it sends"));
}

#[test]
fn odd_kinds_of_self_signed_certificates_are_self_signed() {
    let anchor = root(ca_params("Anchor"));
    let kinds = include_bytes!("../../tests/certificates/kinds.pem");
    for der in CertificateDer::pem_slice_iter(kinds) {
        let chain = read_chain(&[der.unwrap()]).unwrap();
        let known = trusting(&anchor).known(&chain, &RootsRef::Public);
        assert_eq!(known.trust, Trust::SelfSigned, "{:?}", known.identity);
    }
}

#[test]
fn a_pinned_certificate_is_anchored_whatever_it_is() {
    let pinned = root(params("a.example", day(-1), day(1)));
    assert_eq!(trust(&pinned, &[&pinned]), PUBLIC);
    let authority = root(ca_params("mine"));
    assert_eq!(trust(&authority, &[&authority]), PUBLIC);
    let pki = pki();
    assert_eq!(trust(&pki.leaf, &[&pki.leaf]), PUBLIC);
}

#[test]
fn every_kind_of_key_that_clients_accept_is_verified() {
    let root = root(ca_params("Root"));
    for algorithm in [
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let own = ca_params("Intermediate");
        let certificate = own.signed_by(&key, &root.issuer).unwrap();
        let intermediate = Minted::new(&certificate, own, key);
        let leaf = issued(params("leaf", day(-1), day(1)), &intermediate);
        assert_eq!(trust(&root, &[&leaf, &intermediate]), PUBLIC);
    }
}

#[test]
fn what_clients_refuse_is_untrusted_with_the_reason() {
    let pki = pki();
    let refused = |leaf| {
        let trust = trust(
            &pki.root,
            &[&issued(leaf, &pki.intermediate), &pki.intermediate],
        );
        untrusted(&trust).to_owned()
    };
    let inverted = params("leaf", day(1), day(-1));
    assert!(refused(inverted).contains("ends before it begins"));
    let before_its_issuer = params("leaf", day(-800), day(-700));
    assert!(refused(before_its_issuer).contains("never valid at the same time"));
}

#[test]
fn trust_is_judged_apart_from_usage() {
    let pki = pki();
    let trust_of = |leaf| {
        trust(
            &pki.root,
            &[&issued(leaf, &pki.intermediate), &pki.intermediate],
        )
    };
    let mut for_clients = params("leaf", day(-1), day(1));
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(trust_of(for_clients), PUBLIC);
    let mut for_nothing = params("leaf", day(-1), day(1));
    let none = CustomExtension::from_oid_content(&[2, 5, 29, 37], b"\x30\x00".to_vec());
    for_nothing.custom_extensions.push(none);
    assert_eq!(trust_of(for_nothing), Trust::Refused);
    assert_eq!(trust_of(ca_params("leaf")), Trust::Refused);
}

#[test]
fn an_outdated_signature_is_refused_and_told_by_the_check_of_signatures() {
    let pem = include_bytes!("../../tests/certificates/sha1.pem");
    let ders: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .map(|der| der.unwrap().to_vec())
        .collect();
    let verifier = Verifier::new(Roots::empty().with_public(&ders[1..]));
    let known = verifier.known(&read_chain(&ders[..1]).unwrap(), &RootsRef::Public);
    assert_eq!(known.trust, Trust::Refused);
}

#[test]
fn an_issuer_that_is_no_authority_or_has_another_key_is_untrusted() {
    let pki = pki();
    let mut no_authority = ca_params("Intermediate");
    no_authority.is_ca = IsCa::NoCa;
    let no_authority = issued(no_authority, &pki.root);
    let leaf = issued(params("leaf", day(-1), day(1)), &no_authority);
    let refused = trust(&pki.root, &[&leaf, &no_authority]);
    assert!(untrusted(&refused).contains("not an authority's"));
    let namesake = root(ca_params("Root"));
    let refused = trust(&namesake, &[&pki.leaf, &pki.intermediate]);
    assert!(untrusted(&refused).contains("another key"));
}

#[test]
fn an_issuer_whose_key_may_not_sign_certificates_is_gone_round_or_untrusted() {
    let root = root(ca_params("Root"));
    let key = rcgen::KeyPair::generate().unwrap();
    let signed = |usage| {
        let mut params = ca_params("Intermediate");
        params.key_usages = vec![usage];
        let certificate = params.signed_by(&key, &root.issuer).unwrap();
        certificate.der().to_vec()
    };
    let (lame, able) = (
        signed(rcgen::KeyUsagePurpose::CrlSign),
        signed(rcgen::KeyUsagePurpose::KeyCertSign),
    );
    let issuer = rcgen::Issuer::new(ca_params("Intermediate"), &key);
    let own = rcgen::KeyPair::generate().unwrap();
    let leaf = params("leaf", day(0), day(9));
    let leaf = leaf.signed_by(&own, &issuer).unwrap();
    let trust = |sent: &[&[u8]]| {
        let known = trusting(&root).known(&read_chain(sent).unwrap(), &RootsRef::Public);
        known.trust.clone()
    };
    assert_eq!(untrusted(&trust(&[leaf.der(), &lame])), NO_SIGNER);
    assert_eq!(trust(&[leaf.der(), &lame, &able]), PUBLIC);
}

#[test]
fn a_certificate_that_cannot_be_read_is_untrusted_with_the_reason() {
    let anchor = root(ca_params("Anchor"));
    let chain = read_chain(&[b"\x30\x00"]).unwrap();
    let known = trusting(&anchor).known(&chain, &RootsRef::Public);
    assert!(untrusted(&known.trust).starts_with("its certificate cannot be read: "));
    let mut trailing = pki().leaf.der;
    trailing.push(0);
    let known = trusting(&anchor).known(&read_chain(&[trailing]).unwrap(), &RootsRef::Public);
    assert!(
        untrusted(&known.trust).starts_with("something follows after"),
        "{:?}",
        known.trust
    );
}

#[test]
fn each_reference_has_its_own_anchors_and_none_means_unknown() {
    let pki = pki();
    let (ca, file) = (
        [&pki.root.der],
        RootsRef::File(std::path::Path::new("ca.pem").into()),
    );
    let chain = chain(&[&pki.leaf, &pki.intermediate]);
    let trust = |roots: Roots, of: &RootsRef| Verifier::new(roots).known(&chain, of).trust.clone();
    let cluster = || Roots::empty().with_cluster(&ca);
    assert_eq!(
        trust(cluster(), &RootsRef::Cluster),
        Trust::Anchored(AnchorKind::Cluster)
    );
    assert_eq!(trust(cluster(), &RootsRef::Public), Trust::Unknown);
    let configured = Roots::empty().with_configured(&ca);
    assert_eq!(
        trust(configured, &RootsRef::Public),
        Trust::Anchored(AnchorKind::Configured)
    );
    let own = Roots::empty().with_file("ca.pem".as_ref(), &ca);
    assert_eq!(trust(own, &file), Trust::Anchored(AnchorKind::Configured));
    assert_eq!(trust(cluster(), &file), Trust::Unknown);
}

fn given(ders: &[&[u8]]) -> RootsRef {
    RootsRef::Given(ders.iter().map(|der| Box::from(*der)).collect())
}

#[test]
fn what_an_object_gives_is_all_that_is_trusted_for_it() {
    let (pki, other) = (pki(), root(ca_params("Other")));
    let verifier = trusting(&other);
    let chain = chain(&[&pki.leaf, &pki.intermediate]);
    let trust = |roots| verifier.known(&chain, &roots).trust.clone();
    let anchored = Trust::Anchored(AnchorKind::Configured);
    assert_eq!(trust(given(&[&other.der, &pki.root.der])), anchored);
    assert_eq!(trust(given(&[b"junk", &pki.root.der])), anchored);
    let said = "its issuer \"Root\" is not among the trust anchors";
    assert_eq!(untrusted(&trust(given(&[&other.der]))), said);
    for unusable in [given(&[]), given(&[b"junk"])] {
        assert_eq!(untrusted(&trust(unusable)), NO_ANCHOR);
    }
    // Pinning the very certificate is usual where a program makes its own.
    assert_eq!(trust(given(&[&pki.leaf.der])), anchored);
}

#[test]
fn an_intermediate_of_a_tenant_s_own_authority_is_not_remembered_for_others() {
    let pki = pki();
    let verifier = trusting(&pki.root);
    let whole = chain(&[&pki.leaf, &pki.intermediate]);
    verifier.known(&whole, &given(&[&pki.root.der]));
    assert_eq!(lock(&verifier.pool).count(), 0);
    verifier.known(&whole, &RootsRef::Public);
    assert_eq!(lock(&verifier.pool).count(), 1);
}

#[test]
fn the_issuers_are_those_on_the_path_or_else_those_sent() {
    let (pki, other) = (pki(), root(ca_params("Other")));
    let unused = issued(ca_params("Unused"), &other);
    let sent = chain(&[&pki.leaf, &unused, &pki.intermediate, &pki.root]);
    let names = |known: &Known| {
        let names = known.issuers.iter().map(|issuer| issuer.name.to_string());
        names.collect::<Vec<_>>()
    };
    let known = trusting(&pki.root).known(&sent, &RootsRef::Public);
    assert_eq!(names(&known), ["Intermediate"]);
    assert_eq!(known.anchor.as_ref().unwrap().name.as_ref(), "Root");
    assert_eq!(
        known.anchor.as_ref().unwrap().validity.not_after,
        Some(day(3_285))
    );
    let known = trusting(&other).known(&sent, &RootsRef::Public);
    assert_eq!(names(&known), ["Unused", "Intermediate"]);
    assert_eq!(known.anchor, None);
}

#[test]
fn of_two_paths_the_longer_lived_counts() {
    let root = root(ca_params("Root"));
    let key = rcgen::KeyPair::generate().unwrap();
    let mint = |until| {
        let mut own = ca_params("Intermediate");
        own.not_after = params("", day(0), until).not_after;
        let der = own.signed_by(&key, &root.issuer).unwrap().der().to_vec();
        (own, der)
    };
    let (old, (own, new)) = (mint(day(5)).1, mint(day(50)));
    let leaf = params("leaf", day(-10), day(80));
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::new(own, &key);
    let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap().der().to_vec();
    for sent in [[&leaf, &old, &new], [&leaf, &new, &old]] {
        let chain = read_chain(&sent).unwrap();
        let known = trusting(&root).known(&chain, &RootsRef::Public);
        assert_eq!(known.issuers[0].validity.not_after, Some(day(50)));
    }
}

#[test]
fn of_two_anchors_of_one_name_and_key_the_longer_lived_counts() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mint = |until| {
        let mut own = ca_params("Root");
        own.not_after = params("", day(0), until).not_after;
        let der = own.self_signed(&key).unwrap().der().to_vec();
        (own, der)
    };
    let (old, (own, new)) = (mint(day(-5)).1, mint(day(50)));
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::new(own, &key);
    let leaf = params("leaf", day(-10), day(80))
        .signed_by(&leaf_key, &issuer)
        .unwrap();
    let chain = read_chain(&[leaf.der()]).unwrap();
    for anchors in [[&old, &new], [&new, &old]] {
        let roots = Roots::empty().with_public(&anchors);
        let known = Verifier::new(roots).known(&chain, &RootsRef::Public);
        assert_eq!(
            known.anchor.as_ref().unwrap().validity.not_after,
            Some(day(50))
        );
    }
}

#[test]
fn a_chain_is_verified_once_for_each_store() {
    let pki = pki();
    let (mine, theirs) = (chain(&[&pki.leaf, &pki.intermediate]), chain(&[&pki.leaf]));
    let roots = Roots::empty().with_public(&[&pki.root.der]);
    let verifier = Verifier::new(roots.with_cluster(&[&pki.leaf.der]));
    let known = verifier.known(&mine, &RootsRef::Public);
    assert!(Arc::ptr_eq(
        &known,
        &verifier.known(&mine, &RootsRef::Public)
    ));
    assert!(!Arc::ptr_eq(
        &known,
        &verifier.known(&theirs, &RootsRef::Public)
    ));
    let pinned = verifier.known(&mine, &RootsRef::Cluster);
    assert_eq!(pinned.trust, Trust::Anchored(AnchorKind::Cluster));
}
