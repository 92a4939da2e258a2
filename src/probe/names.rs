//! What the numbers on the wire are called: the spellings that labels and messages carry.

use rustls::CipherSuite;

/// A cipher suite as IANA's registry and Go spell it; `0x1234` where it is not known.
#[must_use]
pub fn cipher_name(number: u16) -> String {
    match CipherSuite::from(number).as_str() {
        // rustls marks what belongs to TLS 1.3; the registry does not.
        Some(name) => name.replacen("TLS13_", "TLS_", 1),
        None => hex(number),
    }
}

/// A key-exchange group as IANA's registry spells it, but `X25519` and `X448` with the capital
/// that RFC 7748 and Go give them; `0x1234` where it is not known.
#[must_use]
pub fn group_name(number: u16) -> String {
    GROUPS
        .iter()
        .find(|(known, _)| *known == number)
        .map_or_else(|| hex(number), |(_, name)| (*name).to_owned())
}

/// An alert's description with its number, such as `handshake_failure (40)`.
#[must_use]
pub fn alert_name(number: u8) -> String {
    ALERTS
        .iter()
        .find(|(known, _)| *known == number)
        .map_or_else(
            || number.to_string(),
            |(_, name)| format!("{name} ({number})"),
        )
}

fn hex(number: u16) -> String {
    format!("{number:#06x}")
}

/// IANA, TLS Supported Groups.
const GROUPS: &[(u16, &str)] = &[
    (1, "sect163k1"),
    (2, "sect163r1"),
    (3, "sect163r2"),
    (4, "sect193r1"),
    (5, "sect193r2"),
    (6, "sect233k1"),
    (7, "sect233r1"),
    (8, "sect239k1"),
    (9, "sect283k1"),
    (10, "sect283r1"),
    (11, "sect409k1"),
    (12, "sect409r1"),
    (13, "sect571k1"),
    (14, "sect571r1"),
    (15, "secp160k1"),
    (16, "secp160r1"),
    (17, "secp160r2"),
    (18, "secp192k1"),
    (19, "secp192r1"),
    (20, "secp224k1"),
    (21, "secp224r1"),
    (22, "secp256k1"),
    (23, "secp256r1"),
    (24, "secp384r1"),
    (25, "secp521r1"),
    (26, "brainpoolP256r1"),
    (27, "brainpoolP384r1"),
    (28, "brainpoolP512r1"),
    (29, "X25519"),
    (30, "X448"),
    (31, "brainpoolP256r1tls13"),
    (32, "brainpoolP384r1tls13"),
    (33, "brainpoolP512r1tls13"),
    (41, "curveSM2"),
    (0x0100, "ffdhe2048"),
    (0x0101, "ffdhe3072"),
    (0x0102, "ffdhe4096"),
    (0x0103, "ffdhe6144"),
    (0x0104, "ffdhe8192"),
    (0x0200, "MLKEM512"),
    (0x0201, "MLKEM768"),
    (0x0202, "MLKEM1024"),
    (0x11eb, "SecP256r1MLKEM768"),
    (0x11ec, "X25519MLKEM768"),
    (0x11ed, "SecP384r1MLKEM1024"),
];

/// RFC 9846 section 6, with those of its predecessors.
const ALERTS: &[(u8, &str)] = &[
    (0, "close_notify"),
    (10, "unexpected_message"),
    (20, "bad_record_mac"),
    (21, "decryption_failed"),
    (22, "record_overflow"),
    (30, "decompression_failure"),
    (40, "handshake_failure"),
    (41, "no_certificate"),
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (44, "certificate_revoked"),
    (45, "certificate_expired"),
    (46, "certificate_unknown"),
    (47, "illegal_parameter"),
    (48, "unknown_ca"),
    (49, "access_denied"),
    (50, "decode_error"),
    (51, "decrypt_error"),
    (60, "export_restriction"),
    (70, "protocol_version"),
    (71, "insufficient_security"),
    (80, "internal_error"),
    (86, "inappropriate_fallback"),
    (90, "user_canceled"),
    (100, "no_renegotiation"),
    (109, "missing_extension"),
    (110, "unsupported_extension"),
    (111, "certificate_unobtainable"),
    (112, "unrecognized_name"),
    (113, "bad_certificate_status_response"),
    (114, "bad_certificate_hash_value"),
    (115, "unknown_psk_identity"),
    (116, "certificate_required"),
    (117, "general_error"),
    (120, "no_application_protocol"),
    (121, "ech_required"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cipher_suite_is_spelled_as_the_registry_does() {
        assert_eq!(cipher_name(0x1301), "TLS_AES_128_GCM_SHA256");
        assert_eq!(
            cipher_name(0xcca8),
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
        );
        assert_eq!(cipher_name(0x000a), "TLS_RSA_WITH_3DES_EDE_CBC_SHA");
    }

    #[test]
    fn every_suite_that_the_tls_library_can_agree_on_has_a_name() {
        for suite in rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES {
            let name = cipher_name(suite.suite().into());
            assert!(name.starts_with("TLS_"), "{name}");
        }
    }

    #[test]
    fn every_group_that_the_tls_library_can_agree_on_has_a_name() {
        for group in rustls::crypto::aws_lc_rs::ALL_KX_GROUPS {
            let name = group_name(group.name().into());
            assert!(!name.starts_with("0x"), "{name}");
        }
        assert_eq!(group_name(0x11ec), "X25519MLKEM768");
        assert_eq!(group_name(23), "secp256r1");
    }

    #[test]
    fn an_unknown_number_stands_for_itself() {
        assert_eq!(cipher_name(0x0a0a), "0x0a0a");
        assert_eq!(group_name(0x6399), "0x6399");
        assert_eq!(alert_name(255), "255");
    }

    #[test]
    fn an_alert_carries_its_number() {
        assert_eq!(alert_name(70), "protocol_version (70)");
    }
}
