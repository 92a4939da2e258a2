//! Tests of what is said of stored certificates.

use super::*;
use crate::config::Config;
use crate::judge::Roots;
use crate::judge::fixtures::{DAY, NOW, ca_params, day, detail, findings, params, root, values};
use crate::model::{Certificate, Flaw, StoredPlace, Usage, Waiver};

/// Under `key`, one certificate that lives from and to these days.
fn stored(key: &str, usage: Usage, from: i64, to: i64) -> Stored {
    let mut wanted = ca_params("Some CA");
    let dates = params("", day(from), day(to));
    (wanted.not_before, wanted.not_after) = (dates.not_before, dates.not_after);
    Stored {
        key: key.into(),
        usage,
        certificates: vec![Certificate::read(&root(wanted).der)],
        renewal: None,
    }
}

fn judged_at(stored: Vec<Stored>, accept: Vec<Waiver>, now: UnixTime) -> Verdict {
    let object = StoredObject {
        place: StoredPlace {
            source: "file",
            namespace: "".into(),
            name: "ca.pem".into(),
        },
        stored,
        flaws: vec![],
        accept: accept.into(),
    };
    let policy = Policy::new(&Config::default(), Roots::empty());
    judge(&object, &policy, now)
}

fn judged(stored: Vec<Stored>) -> Verdict {
    judged_at(stored, vec![], NOW)
}

/// What is found this many seconds before the end of a lifetime of this many days.
fn found(usage: Usage, lifetime: i64, left: i64) -> Vec<(&'static str, Severity)> {
    let stored = stored("k", usage, 0, lifetime);
    let now = UnixTime::from_secs(day(lifetime).as_secs() - left);
    findings(&judged_at(vec![stored], vec![], now))
}

#[test]
fn authorities_warn_half_a_year_before_their_end_and_are_critical_in_the_last_month() {
    let warning = ("ca_bundle_expiring", Severity::Warning);
    let critical = ("ca_bundle_expiring", Severity::Critical);
    for usage in [Usage::ClusterCa, Usage::FrontProxyCa, Usage::CaBundle] {
        let found = |left| found(usage, 3_650, left);
        assert_eq!(found(180 * DAY), []);
        assert_eq!(found(180 * DAY - 1), [warning]);
        assert_eq!(found(30 * DAY), [warning]);
        assert_eq!(found(30 * DAY - 1), [critical]);
        assert_eq!(found(0), [critical]);
        assert_eq!(found(-1), [critical]);
    }
}

#[test]
fn an_authority_that_lives_for_months_is_not_expiring_all_its_life() {
    let found = |left| found(Usage::CaBundle, 80, left);
    assert_eq!(found(20 * DAY), []);
    assert_eq!(
        found(20 * DAY - 1),
        [("ca_bundle_expiring", Severity::Warning)]
    );
    assert_eq!(
        found(8 * DAY - 1),
        [("ca_bundle_expiring", Severity::Critical)]
    );
}

#[test]
fn leaves_are_judged_as_those_that_are_served() {
    for usage in [Usage::Client, Usage::Server] {
        let found = |left| found(usage, 365, left);
        assert_eq!(found(21 * DAY), []);
        assert_eq!(
            found(21 * DAY - 1),
            [("certificate_expiring", Severity::Warning)]
        );
        assert_eq!(
            found(7 * DAY - 1),
            [("certificate_expiring", Severity::Critical)]
        );
        assert_eq!(found(0), [("certificate_expiring", Severity::Critical)]);
        assert_eq!(found(-1), [("certificate_expired", Severity::Critical)]);
    }
}

#[test]
fn the_worst_of_an_object_is_said_and_says_where() {
    let all = vec![
        stored("late", Usage::CaBundle, -3_000, 100),
        stored("early", Usage::CaBundle, -3_000, 20),
        stored("gone", Usage::CaBundle, -3_000, -3),
        stored("leaf", Usage::Client, -100, 3),
    ];
    let verdict = judged(all);
    let critical = |name| (name, Severity::Critical);
    assert_eq!(
        findings(&verdict),
        [
            critical("ca_bundle_expiring"),
            critical("certificate_expiring")
        ]
    );
    assert_eq!(
        detail(&verdict, "ca_bundle_expiring"),
        "\"Some CA\" in gone expired 3 days ago"
    );
    assert_eq!(
        detail(&verdict, "certificate_expiring"),
        "\"Some CA\" in leaf expires in 3 days"
    );
}

#[test]
fn every_key_has_its_dates_and_of_two_alike_the_first_to_expire_comes_first() {
    let verdict = judged(vec![
        stored("b", Usage::CaBundle, -1, 900),
        stored("a", Usage::CaBundle, -2, 800),
        stored("b", Usage::CaBundle, -3, 700),
    ]);
    let at = |key: &str, days| (format!("{key}/ca_bundle"), day(days).as_secs_f64());
    assert_eq!(
        values(&verdict, NOT_AFTER.name),
        [at("b", 700), at("a", 800), at("b", 900)]
    );
    assert_eq!(
        values(&verdict, NOT_BEFORE.name),
        [at("b", -3), at("a", -2), at("b", -1)]
    );
    assert_eq!(findings(&verdict), []);
}

#[test]
fn what_is_accepted_is_waived_until_the_waiver_ends() {
    let accept = || {
        vec![Waiver {
            finding: "ca_bundle_expiring".into(),
            until: "2026-01-10".into(),
            ends: day(10),
            reason: "a test".into(),
        }]
    };
    let at = |now| {
        judged_at(
            vec![stored("k", Usage::CaBundle, -3_000, 20)],
            accept(),
            now,
        )
    };
    let waived = at(day(9));
    assert_eq!((findings(&waived).len(), waived.waived.len()), (0, 1));
    let ended = at(day(10));
    assert_eq!((findings(&ended).len(), ended.waived.len()), (1, 0));
}

#[test]
fn what_an_object_says_against_itself_is_found() {
    let flaw = |kind, place: &str| Flaw {
        kind,
        place: place.into(),
    };
    let object = StoredObject {
        place: StoredPlace {
            source: "file",
            namespace: "".into(),
            name: "config".into(),
        },
        stored: vec![],
        flaws: vec![
            flaw(FlawKind::VerificationDisabled, "cluster a"),
            flaw(FlawKind::Plaintext, "cluster b"),
            flaw(FlawKind::VerificationDisabled, "cluster c"),
        ],
        accept: [].into(),
    };
    let policy = Policy::new(&Config::default(), Roots::empty());
    let verdict = judge(&object, &policy, NOW);
    assert_eq!(
        findings(&verdict),
        [
            ("kubeconfig_plaintext", Severity::Critical),
            ("verification_disabled", Severity::Warning)
        ]
    );
    assert_eq!(detail(&verdict, "verification_disabled"), "cluster a");
}

#[test]
fn a_date_that_cannot_be_read_is_found_and_shown_as_no_date() {
    for (usage, days) in [
        (Usage::Client, 300),
        (Usage::CaBundle, 300),
        (Usage::CaBundle, -3),
    ] {
        let mut odd = stored("k", usage, -3_000, days);
        let facts = odd.certificates[0].facts.as_mut().unwrap();
        facts.validity.not_before = None;
        let verdict = judged(vec![odd]);
        let found = [("certificate_date_unreadable", Severity::Critical)];
        assert_eq!(findings(&verdict), found);
        let said = "\"Some CA\" in k has a notBefore that cannot be read";
        assert_eq!(detail(&verdict, "certificate_date_unreadable"), said);
        assert_eq!(values(&verdict, NOT_BEFORE.name), []);
        assert_eq!(values(&verdict, NOT_AFTER.name).len(), 1);
    }
}
