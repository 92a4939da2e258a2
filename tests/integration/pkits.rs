//! NIST's PKITS: what is said of its paths, of those tests that say by their name what is right.

use std::fs;

use kube_https_exporter::config::Config;
use kube_https_exporter::judge::{Policy, Roots};
use kube_https_exporter::model::{Certificate, UnixTime};

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::corpora::corpus;
use crate::judged::judged;

/// 2020-01-01: the certificates are from 2010 to the end of 2030.
const NOW: UnixTime = UnixTime::from_secs(1_577_836_800);

/// A certificate by its file's name.
struct Named {
    name: String,
    certificate: Certificate,
}

fn all() -> Vec<Named> {
    let folder = corpus("cryptography/x509/PKITS_data/certs");
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut all: Vec<_> = files
        .map(|file| Named {
            name: file.file_name().into_string().unwrap().replace(".crt", ""),
            certificate: Certificate::read(&fs::read(file.path()).unwrap()),
        })
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// The leaf, then every certificate by whose subject an issuer goes, nearest first.
fn chain(leaf: &Named, all: &[Named]) -> Vec<Vec<u8>> {
    let mut chain = vec![leaf.certificate.der.to_vec()];
    let mut next = 0;
    while let Some(last) = chain.get(next) {
        next += 1;
        let (_, issuer) = names(last);
        let above = all.iter().map(|named| &named.certificate.der);
        let above = above
            .filter(|der| names(der).0 == issuer && !chain.iter().any(|other| **other == ***der));
        let above: Vec<_> = above.map(|der| der.to_vec()).collect();
        chain.extend(above);
    }
    chain
}

/// Subject and issuer.
fn names(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let [subject, issuer] =
        [certificate.subject(), certificate.issuer()].map(|name| name.as_raw().to_vec());
    (subject, issuer)
}

/// What is found valid although it is not, and the reverse, each with its reason and the names of the tests: how they
/// go on after `Valid` and `Invalid`.
const DIFFERENCES: &[(&str, &[&str])] = &[
    (
        "revocation lists are not looked at",
        &[
            "BadCRL",
            "BasicSelfIssued",
            "IDPwithindirectCRL",
            "LongSerialNumber",
            "MissingCRL",
            "NegativeSerialNumber",
            "OldCRL",
            "Revoked",
            "SeparateCertificateandCRLKeys",
            "UnknownCRL",
            "WrongCRL",
            "cRLIssuer",
            "deltaCRL",
            "distributionPoint",
            "keyUsageCriticalcRLSign",
            "keyUsageNotCriticalcRLSign",
            "onlyContainsAttributeCerts",
            "onlyContainsCACertsTest12",
            "onlySomeReasons",
            "pre2000CRL",
        ],
    ),
    (
        "critical extensions about policies are unknown to webpki, and to clients built on it; Go and OpenSSL accept them",
        &[
            "PolicyMapping",
            "SelfIssuedinhibit",
            "SelfIssuedrequire",
            "inhibit",
            "requireExplicitPolicy",
        ],
    ),
    (
        "constraints of directory names, mail addresses and URIs are not compared by webpki, so that none is kept",
        &[
            "DNnameConstraints",
            "DNandRFC822nameConstraints",
            "RFC822nameConstraints",
            "URInameConstraints",
        ],
    ),
    (
        "names are the same only byte for byte, as to Go",
        &[
            "NameChaining",
            "RolloverfromPrintableString",
            "UTF8StringCaseInsensitive",
        ],
    ),
    ("DSA is refused, as by Go", &["DSA"]),
    (
        "authorities that issue to themselves count for the length of a path, as to Go",
        &["SelfIssuedpathLenConstraint"],
    ),
    (
        "an authority's certificate is refused from a server: see certificate_key_usage",
        &["onlyContainsCACertsTest13", "pathLenConstraint"],
    ),
    (
        "webpki reads no unique identifiers, which RFC 5280 forbids to authorities",
        &["NameUIDs"],
    ),
    (
        "webpki reads no certificate that begins before 1970",
        &["pre2000UTC"],
    ),
];

#[test]
fn paths_are_judged_as_their_tests_say_but_for_what_is_listed() {
    let all = all();
    let mut anchors = all.iter();
    let anchor = anchors.find(|named| named.name == "TrustAnchorRootCertificate");
    let roots = Roots::empty().with_configured(&[&anchor.unwrap().certificate.der]);
    let policy = Policy::new(&Config::default(), roots);
    let (mut agree, mut differ) = (0, vec![0; DIFFERENCES.len()]);
    for leaf in all.iter().filter(|named| named.name.ends_with("EE")) {
        let (right, test) = match (
            leaf.name.strip_prefix("Valid"),
            leaf.name.strip_prefix("Invalid"),
        ) {
            (Some(test), _) => (true, test),
            (_, Some(test)) => (false, test),
            // What is right depends on the policies that a client asks for, and none of TLS asks for any.
            _ => continue,
        };
        let judged = judged(&policy, &chain(leaf, &all), None, NOW);
        if judged.valid == Some(right) {
            agree += 1;
            continue;
        }
        let is_about =
            |(_, names): &(&str, &[&str])| names.iter().any(|name| test.starts_with(name));
        let class = DIFFERENCES.iter().position(is_about);
        differ[class.unwrap_or_else(|| panic!("{}: {judged:?}", leaf.name))] += 1;
    }
    assert_eq!((agree, differ), (111, vec![45, 19, 14, 5, 2, 2, 3, 1, 1]));
}
