//! Tests of what is read of a certificate.

use rcgen::{CertificateParams, CustomExtension, DnType, DnValue, KeyPair, SanType};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::*;
use crate::model::{UnixTime, Validity};

fn minted(adjust: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 1, 2);
    params.not_after = rcgen::date_time_ymd(2026, 4, 2);
    params.distinguished_name.remove(DnType::CommonName);
    adjust(&mut params);
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

/// `der` with the only `from` in it replaced by `to`, of the same length.
fn patched(mut der: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<_> = (0..=der.len() - from.len())
        .filter(|at| der[*at..].starts_with(from))
        .collect();
    assert_eq!(places.len(), 1, "{from:?} is there once");
    der[places[0]..places[0] + to.len()].copy_from_slice(to);
    der
}

fn facts_of(der: &[u8]) -> CertificateFacts {
    Certificate::read(der).facts.unwrap()
}

fn dates(not_before: Option<i64>, not_after: Option<i64>) -> Validity {
    Validity {
        not_before: not_before.map(UnixTime::from_secs),
        not_after: not_after.map(UnixTime::from_secs),
    }
}

fn named(value: DnValue) -> String {
    let der = minted(|params| params.distinguished_name.push(DnType::CommonName, value));
    let facts = facts_of(&der);
    assert_eq!(facts.subject_common_name, facts.issuer_common_name);
    facts.subject_common_name
}

#[test]
fn a_certificate_is_read_as_it_was_minted() {
    let der = minted(|params| {
        params.distinguished_name.push(DnType::CommonName, "Shop");
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Shop Ltd");
        params.serial_number = Some(vec![0x00, 0xab, 0x01].into());
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .subject_alt_names
            .push(SanType::DnsName("*.B.example".try_into().unwrap()));
        params
            .subject_alt_names
            .push(SanType::IpAddress("192.0.2.1".parse().unwrap()));
        params
            .subject_alt_names
            .push(SanType::IpAddress("2001:db8::1".parse().unwrap()));
    });
    let expected = CertificateFacts {
        subject_common_name: "Shop".into(),
        issuer_common_name: "Shop".into(),
        issuer_organization: "Shop Ltd".into(),
        serial_number: "ab01".into(),
        validity: dates(Some(1_767_312_000), Some(1_775_088_000)),
        key_algorithm: "ECDSA".into(),
        key_size: 256,
        signature_algorithm: "ECDSA-SHA256".into(),
        self_issued: true,
        is_ca: true,
        key_usage: None,
        for_servers: true,
        must_staple: false,
        dns_names: vec!["a.example".into(), "*.b.example".into()],
        ip_names: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        names_issuer_url: false,
    };
    assert_eq!(facts_of(&der), expected);
}

#[test]
fn keys_and_signatures_are_named_as_go_names_them() {
    let kinds = include_bytes!("../../tests/certificates/kinds.pem");
    let read: Vec<_> = CertificateDer::pem_slice_iter(kinds)
        .map(|der| facts_of(&der.unwrap()))
        .map(|facts| {
            let (key, signature) = (facts.key_algorithm, facts.signature_algorithm);
            format!(
                "{}: {key} {} {signature}",
                facts.subject_common_name, facts.key_size
            )
        })
        .collect();
    assert_eq!(
        read,
        [
            "rsa1024-sha1: RSA 1024 SHA1-RSA",
            "rsa2048-md5: RSA 2048 MD5-RSA",
            "rsapss-sha384: RSA 2048 SHA384-RSAPSS",
            "dsa1024: DSA 1024 DSA-SHA256",
            "ed448: Ed448 456 Ed448",
            "p521-sha512: ECDSA 521 ECDSA-SHA512",
            "p384: ECDSA 384 ECDSA-SHA384",
        ]
    );
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let params = CertificateParams::new(Vec::new()).unwrap();
    let facts = facts_of(params.self_signed(&key).unwrap().der());
    assert_eq!(
        (facts.key_algorithm.as_str(), facts.key_size),
        ("Ed25519", 256)
    );
}

#[test]
fn an_unknown_signature_algorithm_is_its_object_identifier() {
    let ecdsa_with_sha256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let mut der = minted(|_| {});
    let last = der
        .windows(8)
        .rposition(|window| window == ecdsa_with_sha256)
        .unwrap();
    der[last + 7] = 0x7f;
    assert_eq!(facts_of(&der).signature_algorithm, "1.2.840.10045.4.3.127");
}

#[test]
fn names_are_decoded_by_their_type_and_empty_where_they_cannot_be() {
    assert_eq!(named(DnValue::Utf8String("Müller".into())), "Müller");
    assert_eq!(named(DnValue::BmpString("Мир".try_into().unwrap())), "Мир");
    assert_eq!(
        named(DnValue::UniversalString("Мир".try_into().unwrap())),
        "Мир"
    );
    assert_eq!(
        named(DnValue::TeletexString("plain".try_into().unwrap())),
        "plain"
    );
    let broken = minted(|params| {
        params
            .distinguished_name
            .push(DnType::OrganizationName, "QZ");
    });
    let mut bytes = broken.clone();
    for at in 0..bytes.len() - 1 {
        if &bytes[at..at + 2] == b"QZ" {
            bytes[at..at + 2].copy_from_slice(b"\xff\xfe");
        }
    }
    assert_ne!(bytes, broken);
    assert_eq!(facts_of(&bytes).issuer_organization, "");
}

#[test]
fn what_would_break_a_terminal_or_a_label_is_gone_from_names() {
    let name = format!("a\n\u{1b}[31m\u{202e}{}", "x".repeat(300));
    let shown = named(DnValue::Utf8String(name));
    assert!(shown.starts_with("a[31mxx"), "{shown}");
    assert_eq!(shown.len(), LABEL_LIMIT);
}

#[test]
fn a_dns_name_with_a_forbidden_character_names_nothing() {
    let der = minted(|_| {});
    let der = patched(der, b"a.example", b"a.ex\0mple");
    assert_eq!(facts_of(&der).dns_names, Vec::<Box<str>>::new());
}

#[test]
fn a_dns_name_longer_than_any_host_s_names_nothing() {
    let label = "x".repeat(60);
    for (last, named) in [(8, 2), (9, 1)] {
        let name = format!("{label}.{label}.{label}.{label}.{}", "y".repeat(last + 1));
        let der = minted(|params| {
            let name = name.as_str().try_into().unwrap();
            params.subject_alt_names.push(SanType::DnsName(name));
        });
        assert_eq!(facts_of(&der).dns_names.len(), named, "{}", name.len());
    }
}

#[test]
fn an_empty_subject_with_a_hundred_names_from_2051_on_is_read() {
    let der = minted(|params| {
        params.subject_alt_names = (0..100)
            .map(|number| format!("host-{number}.example"))
            .map(|name| SanType::DnsName(name.try_into().unwrap()))
            .collect();
        params.not_before = rcgen::date_time_ymd(2051, 1, 1);
        params.not_after = rcgen::date_time_ymd(2052, 1, 1);
    });
    let facts = facts_of(&der);
    assert_eq!(facts.subject_common_name, "");
    assert_eq!(facts.dns_names.len(), 100);
    assert_eq!(&*facts.dns_names[99], "host-99.example");
    assert_eq!(
        facts.validity,
        dates(Some(2_556_144_000), Some(2_587_680_000))
    );
}

#[test]
fn the_last_of_several_common_names_is_taken() {
    let der = minted(|params| {
        params
            .distinguished_name
            .push(DnType::CommonName, "general");
        let again = DnType::CustomDnType(vec![2, 5, 4, 3]);
        params.distinguished_name.push(again, "particular");
    });
    assert_eq!(facts_of(&der).subject_common_name, "particular");
}

#[test]
fn a_date_that_cannot_be_read_loses_neither_the_other_nor_anything_else() {
    let der = minted(|params| params.distinguished_name.push(DnType::CommonName, "x"));
    let (begin, end) = (b"260102000000Z", b"260402000000Z");
    let whole = facts_of(&der);
    let kept = |der: &[u8], validity| {
        let certificate = Certificate::read(der);
        let whole = whole.clone();
        assert_eq!(
            certificate.facts,
            Ok(CertificateFacts { validity, ..whole })
        );
        let digest = digest::digest(&digest::SHA256, der);
        assert_eq!(certificate.fingerprint, Fingerprint::from(&digest));
    };
    let (known, unknown) = (whole.validity, None);
    let begins = Validity {
        not_after: unknown,
        ..known
    };
    let ends = Validity {
        not_before: unknown,
        ..known
    };
    // A 61st second, the 30th of February, letters, another's tag.
    for odd in [b"260402000060Z", b"260230000000Z", b"26040200000xZ"] {
        kept(&patched(der.clone(), end, odd), begins);
        kept(&patched(der.clone(), begin, odd), ends);
        let both = patched(patched(der.clone(), begin, odd), end, b"999999999999Z");
        kept(&both, Validity::default());
    }
    let number = patched(
        der.clone(),
        b"\x17\x0d260402000000Z",
        b"\x02\x0d260402000000Z",
    );
    kept(&number, begins);
    assert_eq!(begins.unreadable(), Some("notAfter"));
}

#[test]
fn dates_of_any_length_are_set_aside() {
    let der = minted(|params| {
        let long = "x".repeat(100);
        params.distinguished_name.push(DnType::CommonName, long);
    });
    let whole = facts_of(&der);
    let dates = b"\x30\x1e\x17\x0d260102000000Z\x17\x0d260402000000Z";
    let mut windows = der.windows(dates.len());
    let at = windows.position(|window| window == dates).unwrap();
    let (before, after) = (&der[..at], &der[at + dates.len()..]);
    // Certificate and what is signed of it have their lengths in two bytes each.
    assert_eq!((der[1], der[5]), (0x82, 0x82));
    let begin_alone = b"\x30\x0f\x17\x0d260102000000Z";
    for odd in [&b"\x30\x00"[..], b"\x05\x00", begin_alone] {
        let mut der = [before, odd, after].concat();
        for place in [2, 6] {
            let length = u16::from_be_bytes([der[place], der[place + 1]]);
            let less = u16::try_from(dates.len() - odd.len()).unwrap();
            der[place..place + 2].copy_from_slice(&(length - less).to_be_bytes());
        }
        let facts = facts_of(&der);
        let begins = whole.validity.not_before.filter(|_| odd == begin_alone);
        assert_eq!(facts.validity.not_before, begins, "{odd:?}");
        assert_eq!(facts.validity.not_after, None, "{odd:?}");
        let validity = whole.validity;
        assert_eq!(CertificateFacts { validity, ..facts }, whole, "{odd:?}");
    }
}

#[test]
fn a_date_at_the_end_or_before_the_start_of_the_scale_is_read() {
    let der = minted(|params| params.not_after = rcgen::date_time_ymd(9999, 12, 31));
    let end = facts_of(&der).validity.not_after;
    assert_eq!(end, Some(UnixTime::from_secs(253_402_214_400)));
    let der = patched(minted(|_| {}), b"260102000000Z", b"500101000000Z");
    let begin = facts_of(&der).validity.not_before;
    assert_eq!(begin, Some(UnixTime::from_secs(-631_152_000)));
}

#[test]
fn a_serial_number_may_be_negative_or_huge() {
    assert_eq!(serial(&[0xff, 0x80]), "ff80");
    assert_eq!(serial(&[0]), "00");
    assert_eq!(serial(&[]), "");
    assert_eq!(serial(&[0xab; 10_000]).len(), LABEL_LIMIT);
}

#[test]
fn the_first_of_two_alternative_names_is_taken() {
    let der = minted(|params| {
        let second = b"\x30\x0b\x82\x09b.example".to_vec();
        let san = CustomExtension::from_oid_content(&[2, 5, 29, 17], second);
        params.custom_extensions.push(san);
    });
    assert_eq!(facts_of(&der).dns_names, ["a.example".into()]);
}

#[test]
fn usages_are_read() {
    use rcgen::ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    use rcgen::KeyUsagePurpose::{DigitalSignature, KeyEncipherment};
    let usages = |purposes: Vec<_>, key: Vec<_>| {
        let facts = facts_of(&minted(|params| {
            params.extended_key_usages = purposes;
            params.key_usages = key;
        }));
        let key = facts.key_usage;
        let key = key.map(|key| (key.digital_signature, key.key_encipherment));
        (facts.for_servers, key)
    };
    assert_eq!(usages(vec![], vec![]), (true, None));
    let both = vec![ClientAuth, ServerAuth];
    let signing = usages(both, vec![DigitalSignature]);
    assert_eq!(signing, (true, Some((true, false))));
    let any = usages(vec![Any], vec![KeyEncipherment]);
    assert_eq!(any, (true, Some((false, true))));
    assert_eq!(usages(vec![ClientAuth], vec![]), (false, None));
}

#[test]
fn must_staple_is_seen_among_the_features() {
    let demands = |value: &[u8]| {
        let value = value.to_vec();
        let feature = [1, 3, 6, 1, 5, 5, 7, 1, 24];
        let der = minted(|params| {
            let feature = CustomExtension::from_oid_content(&feature, value);
            params.custom_extensions.push(feature);
        });
        facts_of(&der).must_staple
    };
    assert!(demands(b"\x30\x03\x02\x01\x05"));
    assert!(demands(b"\x30\x06\x02\x01\x11\x02\x01\x05"));
    assert!(!demands(b"\x30\x03\x02\x01\x11"));
    assert!(!demands(b"\x02\x01\x05"));
    assert!(!demands(b""));
}

#[test]
fn an_issuer_url_is_seen() {
    let der = minted(|params| {
        let access = b"\x30\x18\x30\x16\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x0ahttp://a.b";
        let aia = [1, 3, 6, 1, 5, 5, 7, 1, 1];
        let extension = CustomExtension::from_oid_content(&aia, access.to_vec());
        params.custom_extensions.push(extension);
    });
    assert!(facts_of(&der).names_issuer_url);
}

#[test]
fn every_prefix_and_every_flipped_byte_gives_facts_or_a_reason() {
    let der = minted(|params| params.distinguished_name.push(DnType::CommonName, "x"));
    for length in 0..der.len() {
        let read = Certificate::read(&der[..length]);
        assert_eq!(read.facts, Err("cut short".into()), "{length}");
    }
    for at in 0..der.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = der.clone();
            bytes[at] ^= flip;
            let read = Certificate::read(&bytes);
            assert_eq!(&*read.der, bytes.as_slice());
            // In a reader's words, not in a parser's.
            let reason = read.facts.err().unwrap_or_default();
            assert!(
                !reason.contains("error") && !reason.contains("invalid"),
                "{reason}"
            );
        }
    }
}

#[test]
fn bytes_after_a_certificate_do_not_hide_it() {
    let mut der = minted(|_| {});
    der.extend_from_slice(b"more");
    assert_eq!(facts_of(&der).dns_names, ["a.example".into()]);
}
