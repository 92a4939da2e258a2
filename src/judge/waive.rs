//! Waivers: what the operator accepts is taken out of the findings and shown apart, so that it is
//! never silent. One that has ended waives nothing.

use crate::model::{Finding, UnixTime, Verdict, Waived, Waiver};

/// Takes what is accepted at `now` out of the verdict's findings.
pub(super) fn apply(accept: &[Waiver], now: UnixTime, verdict: &mut Verdict) {
    if accept.is_empty() {
        return;
    }
    for finding in std::mem::take(&mut verdict.findings) {
        match waiver(accept, &finding, now) {
            Some(waiver) => verdict.waived.push(Waived {
                finding,
                waiver: waiver.clone(),
            }),
            None => verdict.findings.push(finding),
        }
    }
}

fn waiver<'a>(accept: &'a [Waiver], finding: &Finding, now: UnixTime) -> Option<&'a Waiver> {
    let mut waivers = accept.iter();
    waivers.find(|waiver| *waiver.finding == *finding.spec.name && now < waiver.ends)
}

#[cfg(test)]
mod tests {
    use crate::judge::fixtures::{
        Scene, ca_params, day, findings, issued, params, root, trusting, value,
    };
    use crate::model::{Severity, UnixTime, Waiver};

    fn waiver(finding: &str, ends: UnixTime) -> Waiver {
        Waiver {
            finding: finding.into(),
            until: "2026-01-04".into(),
            ends,
            reason: "a test".into(),
        }
    }

    /// Findings and waived findings of an expired certificate that does not name the host.
    fn judged(accept: Vec<Waiver>, now: UnixTime) -> (Vec<&'static str>, Vec<&'static str>) {
        let anchor = root(ca_params("Root"));
        let leaf = issued(params("leaf", day(-80), day(-1)), &anchor);
        let mut scene = Scene::new().showing(&[&leaf]);
        scene.target.expect.name = Some("b.example".into());
        scene.target.expect.accept = accept.into();
        let verdict = scene.judged_at(&trusting(&anchor), now);
        assert_eq!(value(&verdict, "kube_https_certificate_valid"), Some(0.0));
        let left = findings(&verdict);
        assert!(
            left.iter()
                .all(|(_, severity)| *severity == Severity::Critical)
        );
        let waived = verdict.waived.iter().map(|waived| waived.finding.spec.name);
        (
            left.into_iter().map(|(name, _)| name).collect(),
            waived.collect(),
        )
    }

    const EXPIRED: &str = "certificate_expired";
    const MISMATCH: &str = "certificate_name_mismatch";

    #[test]
    fn what_is_accepted_is_waived_and_nothing_else() {
        let accept = vec![waiver(EXPIRED, day(4)), waiver("hsts_missing", day(4))];
        assert_eq!(judged(accept, day(0)), (vec![MISMATCH], vec![EXPIRED]));
        assert_eq!(judged(vec![], day(0)), (vec![EXPIRED, MISMATCH], vec![]));
    }

    #[test]
    fn a_waiver_holds_until_the_end_of_its_last_day() {
        let last = UnixTime::from_secs(day(4).as_secs() - 1);
        let accept = || vec![waiver(EXPIRED, day(4))];
        assert_eq!(judged(accept(), last).1, [EXPIRED]);
        assert_eq!(judged(accept(), day(4)).0, [EXPIRED, MISMATCH]);
    }

    #[test]
    fn of_two_waivers_one_that_has_not_ended_holds() {
        let accept = vec![waiver(EXPIRED, day(0)), waiver(EXPIRED, day(4))];
        assert_eq!(judged(accept, day(1)).1, [EXPIRED]);
    }
}
