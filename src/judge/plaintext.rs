//! What HTTP in clear does at a target's ports.
//!
//! An answer is *served* where a client gets, or is asked for, something in clear: content (2xx),
//! credentials (401, 407), an application's failure (5xx), a redirect that stays in clear (3xx to
//! `http:` or to a relative place). It is a *redirect* where a 301, 302, 303, 307 or 308 names an
//! absolute `https:` place, and *refused* where the server declines: any other 4xx, and 503, which
//! is what controllers say of a host without a backend. Bytes that are no HTTP, or none at all, say
//! *TLS only* of a port where TLS answers, and nothing anywhere else.
//!
//! Where a port is asked for several paths, the least favourable answer counts: controllers redirect
//! path by path, and nothing that one path does makes another safe. That a path is *refused* (404
//! where a back end does not know the prefix itself, 403) says nothing about what is below it: it
//! counts only where no path does anything else.
//!
//! Serving in clear is critical. Where the rule forbids any answer, a redirect or a refusal is
//! still an answer, to a request that may have carried a password: `plaintext_served` as a warning.
//! A refusal where a redirect is expected strands people, not data: for information, and only at
//! the plaintext port, as controllers with one port for both refuse in clear at the TLS port.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Check;
use super::assess::Assessed;
use crate::model::{
    Family, FindingSpec, Kind, PlainAnswer, PlaintextRule, RequestPath, Scope, Severity, Verdict,
};

pub(super) const CHECK: Check = Check {
    name: "plaintext",
    families: &[EXPOSED, INFO],
    findings: &[SERVED, NOT_REDIRECTED],
    judge,
};

const EXPOSED: Family = Family {
    name: "kube_https_plaintext_exposed",
    help: "Whether the port served HTTP in clear at the last periodic probe, absent if that could not be found out",
    labels: &["plaintext_port"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};
const INFO: Family = Family {
    name: "kube_https_plaintext_info",
    help: "What the port did with HTTP in clear at the last periodic probe, always 1",
    labels: &["plaintext_port", "state"],
    scope: Scope::Target,
    kind: Kind::Gauge,
};

const SERVED: FindingSpec = FindingSpec {
    name: "plaintext_served",
    help: "HTTP is served in clear, or answered in clear where nothing may answer",
};
const NOT_REDIRECTED: FindingSpec = FindingSpec {
    name: "plaintext_not_redirected",
    help: "HTTP in clear is refused rather than redirected to https",
};

/// What a port does, the least favourable last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Closed,
    TlsOnly,
    Filtered,
    Refused,
    Redirect,
    Other,
    Served,
}

impl State {
    const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::TlsOnly => "tls_only",
            Self::Filtered => "filtered",
            Self::Refused => "refused",
            Self::Redirect => "redirect",
            Self::Other => "other",
            Self::Served => "served",
        }
    }
}

/// One address's answer at one port.
struct Answer<'a> {
    ip: IpAddr,
    /// `None` where it could not be asked.
    state: Option<State>,
    /// Whether TLS answers at this address, at the TLS port.
    has_tls: bool,
    path: &'a RequestPath,
    seen: &'a PlainAnswer,
}

fn judge(assessed: &Assessed<'_>, verdict: &mut Verdict) {
    if assessed.case.target.expect.reach.is_some() {
        return;
    }
    let tls_port = assessed.case.target.tls.port;
    let mut worst: Option<(Severity, u16, &Answer<'_>)> = None;
    let mut refused: Option<(u16, &Answer<'_>)> = None;
    let ports = ports(assessed);
    for (&port, answers) in &ports {
        sample(port, answers, verdict);
        for answer in answers {
            if let Some(severity) = severity(answer.state, rule(assessed, answer.path))
                && worst.is_none_or(|(worst, ..)| severity > worst)
            {
                worst = Some((severity, port, answer));
            }
        }
        let Some(answer) = answers.iter().max_by_key(|answer| answer.state) else {
            continue;
        };
        let expected = rule(assessed, answer.path) != PlaintextRule::Declared;
        if answer.state == Some(State::Refused) && port != tls_port && expected {
            refused = Some((port, answer));
        }
    }
    let several = assessed.case.tls.addresses.len() > 1;
    if let Some((severity, port, answer)) = worst {
        verdict.find(&SERVED, severity, said(port, answer, several));
    } else if let Some((port, answer)) = refused.filter(|_| assessed.tls_matters()) {
        verdict.find(&NOT_REDIRECTED, Severity::Info, said(port, answer, several));
    }
}

/// What plaintext may do at a path: where the object asks for it there, it is declared.
fn rule(assessed: &Assessed<'_>, path: &RequestPath) -> PlaintextRule {
    let expect = &assessed.case.target.expect;
    if expect.in_clear.contains(path) {
        PlaintextRule::Declared
    } else {
        expect.plaintext
    }
}

/// Every answer, by port.
fn ports<'a>(assessed: &Assessed<'a>) -> BTreeMap<u16, Vec<Answer<'a>>> {
    let mut ports = BTreeMap::<u16, Vec<_>>::new();
    for (door, seen) in assessed.case.plain {
        let is_tls_port = door.port == assessed.case.target.tls.port;
        for address in &seen.addresses {
            let has_tls = assessed.tls_answers(address.ip);
            ports.entry(door.port).or_default().push(Answer {
                ip: address.ip,
                state: state(&address.answer, is_tls_port, has_tls),
                has_tls,
                path: &door.path,
                seen: &address.answer,
            });
        }
    }
    ports
}

fn state(answer: &PlainAnswer, is_tls_port: bool, has_tls: bool) -> Option<State> {
    Some(match answer {
        PlainAnswer::Closed => State::Closed,
        PlainAnswer::Filtered => State::Filtered,
        PlainAnswer::Http {
            status: 400,
            names_https_port: true,
            ..
        } if is_tls_port => State::TlsOnly,
        PlainAnswer::Http {
            status, location, ..
        } => http_state(*status, location.as_deref()),
        PlainAnswer::Http2 | PlainAnswer::Document => State::Served,
        PlainAnswer::NoAnswer | PlainAnswer::Silent | PlainAnswer::NotHttp => {
            if is_tls_port && has_tls {
                State::TlsOnly
            } else {
                State::Other
            }
        }
        PlainAnswer::Unknown(_) => return None,
    })
}

fn http_state(status: u16, location: Option<&str>) -> State {
    match status {
        301 | 302 | 303 | 307 | 308 if location.is_some_and(is_https) => State::Redirect,
        401 | 407 => State::Served,
        400..=499 | 503 => State::Refused,
        200..=399 | 500..=599 => State::Served,
        _ => State::Other,
    }
}

/// The scheme is without regard to case (RFC 3986 section 3.1).
fn is_https(location: &str) -> bool {
    const SCHEME: &str = "https://";
    let start = location.get(..SCHEME.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

fn sample(port: u16, answers: &[Answer<'_>], verdict: &mut Verdict) {
    let port: Box<str> = port.to_string().into();
    if let Some(exposed) = exposed(answers) {
        let labels = [port.clone()];
        verdict.texts(&EXPOSED, labels.into(), f64::from(u8::from(exposed)));
    }
    if let Some(state) = answers.iter().filter_map(|answer| answer.state).max() {
        verdict.texts(&INFO, [port, state.label().into()].into(), 1.0);
    }
}

/// Whether any of these addresses serves in clear; `None` where none is seen to and one might.
fn exposed(answers: &[Answer<'_>]) -> Option<bool> {
    if answers
        .iter()
        .any(|answer| answer.state == Some(State::Served))
    {
        return Some(true);
    }
    let harmless = |answer: &Answer<'_>| match answer.state {
        Some(State::Closed | State::TlsOnly | State::Refused | State::Redirect) => true,
        // Elsewhere a filter may stand between this program and the port, but not the clients.
        Some(State::Filtered) => answer.has_tls,
        Some(State::Other | State::Served) | None => false,
    };
    answers.iter().all(harmless).then_some(false)
}

fn severity(state: Option<State>, rule: PlaintextRule) -> Option<Severity> {
    match (state?, rule) {
        // `declared.rs` says so of the object.
        (_, PlaintextRule::Declared) => None,
        (State::Served, _) => Some(Severity::Critical),
        (State::Redirect | State::Refused, PlaintextRule::Forbidden) => Some(Severity::Warning),
        _ => None,
    }
}

fn said(port: u16, answer: &Answer<'_>, several: bool) -> String {
    let what = match answer.seen {
        PlainAnswer::Http {
            status,
            location: Some(location),
            ..
        } => format!("answers {status} to {location}"),
        PlainAnswer::Http { status, .. } => format!("answers {status}"),
        PlainAnswer::Http2 => "speaks HTTP/2".to_owned(),
        _ => "sends a document".to_owned(),
    };
    let place = if several {
        format!("{}: ", answer.ip)
    } else {
        String::new()
    };
    let path = if answer.path.is_root() {
        String::new()
    } else {
        format!(" for {}", answer.path)
    };
    format!("{place}port {port} {what} in clear{path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::fixtures::{Scene, detail, failure, findings, pki, trusting, values};
    use crate::model::Reason;

    fn http(status: u16) -> PlainAnswer {
        PlainAnswer::Http {
            status,
            location: None,
            names_https_port: false,
        }
    }

    fn to(status: u16, location: &str) -> PlainAnswer {
        PlainAnswer::Http {
            status,
            location: Some(location.into()),
            names_https_port: false,
        }
    }

    const NAMES_HTTPS: PlainAnswer = PlainAnswer::Http {
        status: 400,
        location: None,
        names_https_port: true,
    };

    fn unknown() -> PlainAnswer {
        PlainAnswer::Unknown(failure(Reason::Denied))
    }

    /// What is said of one port of a host whose addresses all speak TLS: state, exposure, findings.
    fn judged(
        rule: PlaintextRule,
        port: u16,
        answers: &[PlainAnswer],
    ) -> (String, Option<f64>, Vec<(&'static str, Severity)>) {
        let pki = pki();
        let mut scene = Scene::new().plain(port, answers);
        scene.target.expect.plaintext = rule;
        for _ in answers {
            scene = scene.showing(&[&pki.leaf, &pki.intermediate]);
        }
        let verdict = scene.judged(&trusting(&pki.root));
        let one = |family: &Family| values(&verdict, family.name).pop();
        let state = one(&INFO).map_or_else(String::new, |(labels, _)| labels);
        let exposed = one(&EXPOSED).map(|(labels, value)| {
            assert_eq!(labels, port.to_string());
            value
        });
        (state, exposed, findings(&verdict))
    }

    fn state_of(port: u16, answer: &PlainAnswer) -> (String, Option<f64>) {
        let answers = std::slice::from_ref(answer);
        let (state, exposed, _) = judged(PlaintextRule::Redirect, port, answers);
        (state, exposed)
    }

    #[test]
    fn every_answer_has_its_state_at_the_plaintext_port() {
        let cases = [
            (PlainAnswer::Closed, "80/closed", Some(0.0)),
            (PlainAnswer::Filtered, "80/filtered", Some(0.0)),
            (http(200), "80/served", Some(1.0)),
            (http(204), "80/served", Some(1.0)),
            (http(401), "80/served", Some(1.0)),
            (http(407), "80/served", Some(1.0)),
            (http(500), "80/served", Some(1.0)),
            (http(502), "80/served", Some(1.0)),
            (http(503), "80/refused", Some(0.0)),
            (http(504), "80/served", Some(1.0)),
            (http(400), "80/refused", Some(0.0)),
            (NAMES_HTTPS, "80/refused", Some(0.0)),
            (http(403), "80/refused", Some(0.0)),
            (http(404), "80/refused", Some(0.0)),
            (http(421), "80/refused", Some(0.0)),
            (http(426), "80/refused", Some(0.0)),
            (http(304), "80/served", Some(1.0)),
            (http(301), "80/served", Some(1.0)),
            (to(301, "https://a.example/"), "80/redirect", Some(0.0)),
            (to(302, "HTTPS://a.example/"), "80/redirect", Some(0.0)),
            (to(303, "https://b.example/"), "80/redirect", Some(0.0)),
            (to(307, "https://a.example:8443"), "80/redirect", Some(0.0)),
            (to(308, "https://a.example/"), "80/redirect", Some(0.0)),
            (to(300, "https://a.example/"), "80/served", Some(1.0)),
            (to(304, "https://a.example/"), "80/served", Some(1.0)),
            (to(200, "https://a.example/"), "80/served", Some(1.0)),
            (to(301, "http://a.example/"), "80/served", Some(1.0)),
            (to(301, "/login"), "80/served", Some(1.0)),
            (to(301, "//a.example/"), "80/served", Some(1.0)),
            (to(301, "https:"), "80/served", Some(1.0)),
            (to(301, "ëhttps://"), "80/served", Some(1.0)),
            (PlainAnswer::Http2, "80/served", Some(1.0)),
            (PlainAnswer::Document, "80/served", Some(1.0)),
            (http(101), "80/other", None),
            (http(999), "80/other", None),
            (PlainAnswer::NoAnswer, "80/other", None),
            (PlainAnswer::Silent, "80/other", None),
            (PlainAnswer::NotHttp, "80/other", None),
            (unknown(), "", None),
        ];
        for (answer, state, exposed) in cases {
            assert_eq!(
                state_of(80, &answer),
                (state.to_owned(), exposed),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn at_the_tls_port_what_is_not_http_is_tls_only() {
        for answer in [
            NAMES_HTTPS,
            PlainAnswer::NoAnswer,
            PlainAnswer::Silent,
            PlainAnswer::NotHttp,
        ] {
            assert_eq!(
                state_of(443, &answer),
                ("443/tls_only".to_owned(), Some(0.0))
            );
        }
        assert_eq!(
            state_of(443, &http(200)),
            ("443/served".to_owned(), Some(1.0))
        );
        assert_eq!(
            state_of(443, &http(404)),
            ("443/refused".to_owned(), Some(0.0))
        );
        let redirect = to(301, "https://a.example/");
        assert_eq!(
            state_of(443, &redirect),
            ("443/redirect".to_owned(), Some(0.0))
        );
    }

    #[test]
    fn where_no_tls_answers_a_filter_and_silence_say_nothing() {
        let policy = trusting(&pki().root);
        let scene = Scene::new().failing(Reason::Timeout);
        let verdict = scene.plain(80, &[PlainAnswer::Filtered]).judged(&policy);
        assert_eq!(
            values(&verdict, INFO.name),
            [("80/filtered".to_owned(), 1.0)]
        );
        assert_eq!(values(&verdict, EXPOSED.name), []);
        let scene = Scene::new().failing(Reason::Timeout);
        let verdict = scene.plain(443, &[PlainAnswer::Silent]).judged(&policy);
        assert_eq!(values(&verdict, INFO.name), [("443/other".to_owned(), 1.0)]);
        assert_eq!(values(&verdict, EXPOSED.name), []);
    }

    #[test]
    fn of_several_addresses_the_least_favourable_counts() {
        let exposed = |answers: &[PlainAnswer]| {
            let (state, exposed, _) = judged(PlaintextRule::Redirect, 80, answers);
            (state, exposed)
        };
        let (closed, served) = (PlainAnswer::Closed, http(200));
        let one_serves = exposed(&[closed.clone(), served, unknown()]);
        assert_eq!(one_serves, ("80/served".to_owned(), Some(1.0)));
        let one_unknown = exposed(&[closed.clone(), unknown()]);
        assert_eq!(one_unknown, ("80/closed".to_owned(), None));
        let redirect = to(301, "https://a.example/");
        assert_eq!(
            exposed(&[redirect, closed]),
            ("80/redirect".to_owned(), Some(0.0))
        );
    }

    #[test]
    fn the_rule_decides_what_an_answer_means() {
        use PlaintextRule::{Declared, Forbidden, Redirect};
        let redirect = to(301, "https://a.example/");
        let found =
            |rule, port, answer: &PlainAnswer| judged(rule, port, std::slice::from_ref(answer)).2;
        let served = |severity| vec![("plaintext_served", severity)];
        let not_redirected = vec![("plaintext_not_redirected", Severity::Info)];
        assert_eq!(found(Redirect, 80, &http(200)), served(Severity::Critical));
        assert_eq!(found(Forbidden, 80, &http(200)), served(Severity::Critical));
        assert_eq!(found(Redirect, 80, &redirect), []);
        assert_eq!(found(Forbidden, 80, &redirect), served(Severity::Warning));
        assert_eq!(found(Redirect, 80, &http(404)), not_redirected);
        assert_eq!(found(Redirect, 443, &http(404)), []);
        assert_eq!(found(Forbidden, 80, &http(404)), served(Severity::Warning));
        let declared = [("plaintext_declared", Severity::Warning)];
        for answer in [http(200), redirect.clone(), http(404), PlainAnswer::Closed] {
            assert_eq!(found(Declared, 80, &answer), declared);
        }
        for rule in [Redirect, Forbidden] {
            assert_eq!(found(rule, 443, &NAMES_HTTPS), []);
            assert_eq!(found(rule, 80, &PlainAnswer::Closed), []);
            assert_eq!(found(rule, 80, &PlainAnswer::Filtered), []);
        }
    }

    #[test]
    fn a_finding_says_which_port_and_what_it_did() {
        let pki = pki();
        let scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        let scene = scene
            .plain(443, &[NAMES_HTTPS])
            .plain(80, &[to(302, "/login")]);
        let verdict = scene.judged(&trusting(&pki.root));
        let said = "port 80 answers 302 to /login in clear";
        assert_eq!(detail(&verdict, "plaintext_served"), said);
        assert_eq!(values(&verdict, EXPOSED.name).len(), 2);
    }

    #[test]
    fn a_host_without_any_tls_that_serves_in_clear_is_exposed() {
        let mut scene = Scene::new()
            .failing(Reason::Refused)
            .plain(80, &[http(200)]);
        scene.target.expect.tls = false;
        let expected = [
            ("plaintext_declared", Severity::Warning),
            ("plaintext_served", Severity::Critical),
        ];
        let policy = trusting(&pki().root);
        assert_eq!(findings(&scene.judged(&policy)), expected);
        let mut refusing = Scene::new()
            .failing(Reason::Refused)
            .plain(80, &[http(404)]);
        refusing.target.expect.tls = false;
        assert_eq!(findings(&refusing.judged(&policy)), expected[..1]);
    }

    /// A host whose port 80 answers so at these paths, with plaintext declared at some.
    fn at_paths(paths: &[(&str, &PlainAnswer)], in_clear: &[&str]) -> Verdict {
        let pki = pki();
        let mut scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        let in_clear = in_clear.iter().filter_map(|path| RequestPath::parse(path));
        scene.target.expect.in_clear = in_clear.collect();
        for (path, answer) in paths {
            scene = scene.plain_at(80, path, std::slice::from_ref(answer));
        }
        scene.judged(&trusting(&pki.root))
    }

    #[test]
    fn of_several_paths_the_least_favourable_counts_and_is_named() {
        let redirect = to(301, "https://a.example/");
        let verdict = at_paths(&[("/", &redirect), ("/api", &http(200))], &[]);
        assert_eq!(
            findings(&verdict),
            [("plaintext_served", Severity::Critical)]
        );
        let said = "port 80 answers 200 in clear for /api";
        assert_eq!(detail(&verdict, "plaintext_served"), said);
        assert_eq!(values(&verdict, EXPOSED.name), [("80".to_owned(), 1.0)]);
        assert_eq!(values(&verdict, INFO.name), [("80/served".to_owned(), 1.0)]);
    }

    #[test]
    fn a_path_that_is_refused_counts_only_where_all_are() {
        let (redirect, refused) = (to(301, "https://a.example/"), http(404));
        let verdict = at_paths(&[("/", &refused), ("/api", &redirect)], &[]);
        assert_eq!(findings(&verdict), []);
        assert_eq!(
            values(&verdict, INFO.name),
            [("80/redirect".to_owned(), 1.0)]
        );
        let verdict = at_paths(&[("/", &refused), ("/api", &refused)], &[]);
        assert_eq!(
            findings(&verdict),
            [("plaintext_not_redirected", Severity::Info)]
        );
    }

    #[test]
    fn a_path_where_plaintext_is_declared_excuses_no_other() {
        let (redirect, served) = (to(301, "https://a.example/"), http(200));
        let declared = ("plaintext_declared", Severity::Warning);
        let verdict = at_paths(&[("/", &redirect), ("/open", &served)], &["/open"]);
        assert_eq!(findings(&verdict), [declared]);
        assert_eq!(values(&verdict, EXPOSED.name), [("80".to_owned(), 1.0)]);
        let verdict = at_paths(&[("/", &served), ("/open", &served)], &["/open"]);
        let critical = ("plaintext_served", Severity::Critical);
        assert_eq!(findings(&verdict), [declared, critical]);
        let said = "port 80 answers 200 in clear";
        assert_eq!(detail(&verdict, "plaintext_served"), said);
    }

    #[test]
    fn of_two_ports_the_worse_is_the_finding() {
        let pki = pki();
        let redirect = to(301, "https://a.example/");
        let mut scene = Scene::new().showing(&[&pki.leaf, &pki.intermediate]);
        scene.target.expect.plaintext = PlaintextRule::Forbidden;
        let scene = scene.plain(80, &[redirect]).plain(443, &[http(200)]);
        let verdict = scene.judged(&trusting(&pki.root));
        assert_eq!(
            findings(&verdict),
            [("plaintext_served", Severity::Critical)]
        );
        let said = "port 443 answers 200 in clear";
        assert_eq!(detail(&verdict, "plaintext_served"), said);
    }
}
