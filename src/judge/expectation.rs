//! Whether what is expected to be reachable from here is, and the rest is not.
//!
//! A connection proves that a port is reachable. That none comes about proves that it is not only
//! where this instance reaches anything at all: a network policy on its own pod shuts everything
//! off. Therefore each expectation has a control, which can be reached for certain.

use super::Check;
use super::assess::Assessed;
use crate::model::{
    Family, FindingSpec, Kind, PlainAnswer, PlainSeen, Reach, Scope, Severity, Verdict,
};

pub(super) const CHECK: Check = Check {
    name: "expectation",
    families: &[MET],
    findings: &[REACHABLE_UNEXPECTEDLY],
    judge,
};

const MET: Family = Family {
    name: "kube_https_expectation_met",
    help: "Whether the port was reachable or unreachable at the last periodic probe, as the configuration expects, absent if that could not be found out",
    labels: &["expect"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

const REACHABLE_UNEXPECTEDLY: FindingSpec = FindingSpec {
    name: "reachable_unexpectedly",
    help: "A port can be reached from here that the configuration expects to be shut off",
};

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    let case = assessed.case;
    let (Some(expected), [(_, seen), (_, control)]) = (case.target.expect.reach, case.plain) else {
        return;
    };
    let observed = match (connects(seen), connects(control)) {
        (Some(true), _) => Reach::Reachable,
        (Some(false), Some(true)) => Reach::Unreachable,
        _ => return,
    };
    let met = observed == expected;
    verdict.summary.met = Some(met);
    verdict.word(&MET, expected.label(), f64::from(u8::from(met)));
    if !met && observed == Reach::Reachable {
        let detail = format!("a connection to port {} came about", case.target.row.port);
        verdict.find(&REACHABLE_UNEXPECTEDLY, Severity::Critical, detail);
    }
}

/// Whether a connection came about at any address; `None` where that could not be tried.
fn connects(seen: &PlainSeen) -> Option<bool> {
    if seen.failure.is_some() {
        return None;
    }
    let tried = seen
        .addresses
        .iter()
        .filter_map(|address| match address.answer {
            PlainAnswer::Closed | PlainAnswer::Filtered => Some(false),
            PlainAnswer::Unknown(_) => None,
            _ => Some(true),
        });
    tried.reduce(|any, one| any || one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, failure, findings, pki, trusting, values};
    use crate::model::{Clients, Reason};

    /// What is said where the port and the control answer so.
    fn judged(expected: Reach, seen: &PlainAnswer, control: &PlainAnswer) -> Verdict {
        let mut scene = Scene::new().failing(Reason::NotTls);
        let expect = &mut scene.target.expect;
        (expect.tls, expect.clients) = (false, Clients::Nobody);
        expect.reach = Some(expected);
        scene.target.row.edit(|row| row.source = "expectation");
        let scene = scene.plain(443, std::slice::from_ref(seen));
        let scene = scene.plain(8443, std::slice::from_ref(control));
        scene.judged(&trusting(&pki().root))
    }

    fn met(expected: Reach, seen: &PlainAnswer, control: &PlainAnswer) -> Option<f64> {
        let verdict = judged(expected, seen, control);
        let of_others = verdict.samples.iter().find(|sample| sample.family != &MET);
        assert_eq!(of_others, None);
        let met = values(&verdict, MET.name).pop().map(|(expect, met)| {
            assert_eq!(expect, expected.label());
            met
        });
        let summed = verdict.summary.met;
        assert_eq!(summed.map(|met| f64::from(u8::from(met))), met);
        met
    }

    #[test]
    fn a_connection_proves_that_a_port_is_reachable_whatever_the_control() {
        use PlainAnswer::{Closed, NoAnswer, NotHttp, Silent};
        for control in [Silent, Closed] {
            for seen in [Silent, NoAnswer, NotHttp] {
                assert_eq!(met(Reach::Reachable, &seen, &control), Some(1.0));
                assert_eq!(met(Reach::Unreachable, &seen, &control), Some(0.0));
            }
        }
    }

    #[test]
    fn no_connection_proves_it_only_where_the_control_is_reached() {
        use PlainAnswer::{Closed, Filtered, NoAnswer};
        for seen in [Closed, Filtered] {
            assert_eq!(met(Reach::Unreachable, &seen, &NoAnswer), Some(1.0));
            assert_eq!(met(Reach::Reachable, &seen, &NoAnswer), Some(0.0));
            for control in [Closed, Filtered, PlainAnswer::Unknown(failure(Reason::Dns))] {
                assert_eq!(met(Reach::Unreachable, &seen, &control), None);
                assert_eq!(met(Reach::Reachable, &seen, &control), None);
            }
        }
        let unknown = PlainAnswer::Unknown(failure(Reason::Other));
        assert_eq!(met(Reach::Unreachable, &unknown, &NoAnswer), None);
    }

    #[test]
    fn only_what_is_reachable_and_should_not_be_is_a_finding() {
        use PlainAnswer::{Closed, NoAnswer};
        let found = |expected, seen| findings(&judged(expected, &seen, &NoAnswer));
        let critical = [(REACHABLE_UNEXPECTEDLY.name, Severity::Critical)];
        assert_eq!(found(Reach::Unreachable, NoAnswer), critical);
        assert_eq!(found(Reach::Unreachable, Closed), []);
        assert_eq!(found(Reach::Reachable, NoAnswer), []);
        assert_eq!(found(Reach::Reachable, Closed), []);
    }
}
