//! Whether the keys and the signatures that are sent withstand an attacker of today.
//!
//! The line is 112 bits of security, which NIST SP 800-57 part 1 table 2 puts at RSA 2048 and at
//! curves of 224 bits. A key below it is a warning: some clients refuse it (rustls, OpenSSL as
//! Debian ships it), most do not, and breaking it takes means. Below 80 bits (RSA 1024, 160-bit
//! curves) it is critical: such keys were broken in public. DSA is a warning at any size, as TLS
//! 1.3 and the browsers have done away with it. A signature over MD5 or SHA-1 is critical: collisions
//! are for sale, and clients refuse it.
//!
//! A self-issued certificate's own signature proves nothing, so that its hash does not matter; nor
//! does the key of a root that is sent, since clients take their own copy's. What is sent and lies on
//! no path that clients take is for information: most often a cross-signature for the sake of old ones.

use super::Check;
use super::assess::{Assessed, Assessment};
use super::pool::readable;
use crate::model::{CertificateFacts, FindingSpec, Severity, Verdict};

pub(super) const CHECK: Check = Check {
    name: "strength",
    families: &[],
    findings: &[WEAK_KEY, WEAK_SIGNATURE],
    judge,
};

const WEAK_KEY: FindingSpec = FindingSpec {
    name: "certificate_weak_key",
    help: "The key of the certificate that is served, or of an intermediate that is sent, is too short or of an abandoned kind",
};
const WEAK_SIGNATURE: FindingSpec = FindingSpec {
    name: "certificate_weak_signature",
    help: "The certificate that is served, or an intermediate that is sent, is signed over a broken hash",
};

/// The sizes in bits below which a kind of key is critical, and a warning.
const SIZES: [(&str, u32, u32); 2] = [("RSA", 1024, 2048), ("ECDSA", 160, 224)];

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    assessed.find(verdict, &WEAK_KEY, |address| {
        worst(address, |facts| {
            let (kind, bits) = (&facts.key_algorithm, facts.key_size);
            let severity = weak_key(kind, bits)?;
            let size = match bits {
                0 => String::new(),
                bits => format!(" with {bits} bits"),
            };
            Some((severity, format!("has the key {kind}{size}")))
        })
    });
    assessed.find(verdict, &WEAK_SIGNATURE, |address| {
        worst(address, |facts| {
            let said = format!("is signed with {}", facts.signature_algorithm);
            is_signed_weakly(facts).then_some((Severity::Critical, said))
        })
    });
}

/// The worst of what `weak` says of what was sent but for roots, the leaf first.
fn worst(
    address: &Assessment<'_>,
    weak: impl Fn(&CertificateFacts) -> Option<(Severity, String)>,
) -> Option<(Severity, String)> {
    let leaf = address.facts.and_then(&weak);
    let leaf = leaf.map(|(severity, said)| (severity, format!("its certificate {said}")));
    let others = readable(address.seen.value.chain.certificates.iter().skip(1));
    let intermediates = others.filter(|(_, facts)| !facts.self_issued);
    let intermediates = intermediates.filter_map(|(_, facts)| {
        let (severity, said) = weak(facts)?;
        let said = format!("the intermediate \"{}\" {said}", facts.subject_common_name);
        Some(if address.known.goes_round(facts) {
            (
                Severity::Info,
                format!("{said}, but lies on no path that clients take"),
            )
        } else {
            (severity, said)
        })
    });
    let all = leaf.into_iter().chain(intermediates);
    all.reduce(|worst, next| if next.0 > worst.0 { next } else { worst })
}

/// A size of 0 is one that is not known.
fn weak_key(algorithm: &str, bits: u32) -> Option<Severity> {
    if algorithm == "DSA" {
        return Some(Severity::Warning);
    }
    let (_, broken, weak) = SIZES.iter().find(|(kind, ..)| *kind == algorithm)?;
    if bits == 0 || bits >= *weak {
        None
    } else if bits < *broken {
        Some(Severity::Critical)
    } else {
        Some(Severity::Warning)
    }
}

/// Whether somebody else signed the certificate, over a hash for which collisions can be made.
pub(super) fn is_signed_weakly(facts: &CertificateFacts) -> bool {
    const BROKEN_HASHES: [&str; 3] = ["SHA1", "MD5", "MD2"];
    let signature = &facts.signature_algorithm;
    !facts.self_issued && BROKEN_HASHES.iter().any(|hash| signature.contains(hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{
        Scene, ca_params, day, detail, findings, issued, params, pki, root, trusting,
    };

    /// The findings where the certificate at this place of the chain says so.
    fn found(
        place: usize,
        alter: impl Fn(&mut CertificateFacts),
    ) -> (Vec<(&'static str, Severity)>, String) {
        let pki = pki();
        let scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate, &pki.root]);
        let verdict = scene.reading(place, alter).judged(&trusting(&pki.root));
        let said = [WEAK_KEY.name, WEAK_SIGNATURE.name].map(|name| detail(&verdict, name));
        (findings(&verdict), said.concat())
    }

    fn of_key(place: usize, algorithm: &str, bits: u32) -> Option<Severity> {
        let (findings, _) = found(place, |facts| {
            facts.key_algorithm = algorithm.into();
            facts.key_size = bits;
        });
        assert!(findings.iter().all(|(name, _)| *name == WEAK_KEY.name));
        findings.first().map(|(_, severity)| *severity)
    }

    #[test]
    fn a_key_is_weak_below_its_size_and_broken_below_another() {
        use Severity::{Critical, Warning};
        let cases = [
            ("RSA", 2048, None),
            ("RSA", 2047, Some(Warning)),
            ("RSA", 1024, Some(Warning)),
            ("RSA", 1023, Some(Critical)),
            ("RSA", 0, None),
            ("ECDSA", 224, None),
            ("ECDSA", 223, Some(Warning)),
            ("ECDSA", 160, Some(Warning)),
            ("ECDSA", 159, Some(Critical)),
            ("ECDSA", 0, None),
            ("DSA", 3072, Some(Warning)),
            ("DSA", 0, Some(Warning)),
            ("Ed25519", 256, None),
            ("ML-DSA-65", 0, None),
        ];
        for (algorithm, bits, severity) in cases {
            assert_eq!(of_key(0, algorithm, bits), severity, "{algorithm} {bits}");
            assert_eq!(of_key(1, algorithm, bits), severity, "{algorithm} {bits}");
            assert_eq!(
                of_key(2, algorithm, bits),
                None,
                "a root: {algorithm} {bits}"
            );
        }
    }

    #[test]
    fn a_signature_over_a_broken_hash_is_found_but_on_a_root() {
        let signed = |place, with: &str| {
            let (findings, _) = found(place, |facts| facts.signature_algorithm = with.into());
            findings
        };
        let weak = [(WEAK_SIGNATURE.name, Severity::Critical)];
        for with in [
            "SHA1-RSA",
            "ECDSA-SHA1",
            "DSA-SHA1",
            "SHA1-RSAPSS",
            "MD5-RSA",
            "MD2-RSA",
        ] {
            assert_eq!(signed(0, with), weak, "{with}");
            assert_eq!(signed(1, with), weak, "{with}");
            assert_eq!(signed(2, with), [], "{with}");
        }
        for with in [
            "SHA256-RSA",
            "ECDSA-SHA512",
            "SHA384-RSAPSS",
            "Ed25519",
            "1.2.3",
        ] {
            assert_eq!(signed(0, with), [], "{with}");
        }
    }

    #[test]
    fn a_finding_says_which_certificate_and_what_is_weak() {
        let (_, said) = found(0, |facts| facts.key_size = 200);
        assert_eq!(said, "its certificate has the key ECDSA with 200 bits");
        let (_, said) = found(1, |facts| facts.signature_algorithm = "SHA1-RSA".into());
        assert_eq!(
            said,
            "the intermediate \"Intermediate\" is signed with SHA1-RSA"
        );
    }

    #[test]
    fn the_worst_key_of_the_chain_is_the_finding() {
        let (findings, said) = found(1, |facts| facts.key_size = 100);
        assert_eq!(findings, [(WEAK_KEY.name, Severity::Critical)]);
        assert!(said.contains("the intermediate"), "{said}");
    }

    #[test]
    fn what_is_sent_and_not_needed_is_for_information() {
        let (pki, other) = (pki(), root(ca_params("Other")));
        let crossed = issued(ca_params("Crossed"), &other);
        let weak = |facts: &mut CertificateFacts| {
            facts.signature_algorithm = "SHA1-RSA".into();
            (facts.key_algorithm, facts.key_size) = ("RSA".into(), 512);
        };
        let sent = [&pki.leaf, &pki.intermediate, &crossed];
        let judged = |place, policy| {
            let scene = Scene::new().showing(&sent).reading(place, weak);
            let verdict = scene.judged(policy);
            let said = detail(&verdict, WEAK_SIGNATURE.name).to_owned();
            (findings(&verdict), said)
        };
        let both = |severity| [(WEAK_KEY.name, severity), (WEAK_SIGNATURE.name, severity)];
        let trusted = trusting(&pki.root);
        let (found, said) = judged(2, &trusted);
        assert_eq!(found, both(Severity::Info));
        let expected = "the intermediate \"Crossed\" is signed with SHA1-RSA, but lies on no path that clients take";
        assert_eq!(said, expected);
        assert_eq!(judged(1, &trusted).0, both(Severity::Critical));
        // Where no path is known, any may be needed.
        let (found, _) = judged(2, &trusting(&root(ca_params("Elsewhere"))));
        assert!(found.ends_with(&both(Severity::Critical)), "{found:?}");
    }

    #[test]
    fn a_self_signed_certificate_is_judged_by_its_key_only() {
        let mine = root(params("mine", day(-1), day(80)));
        let scene = Scene::new().showing(&[&mine]).reading(0, |facts| {
            facts.key_size = 200;
            facts.signature_algorithm = "SHA1-RSA".into();
        });
        let found = findings(&scene.judged(&trusting(&mine)));
        assert_eq!(found, [(WEAK_KEY.name, Severity::Warning)]);
    }
}
