//! What `check --why HOST` prints: the way from each object that declares a host to the verdict, or
//! to the reason why there is none.

use std::collections::BTreeSet;

use crate::discover::{Declaration, DropReason, Fate};
use crate::model::{Address, Owner, PlaintextRule, Reason, RootsRef, Target, clean};
use crate::record::{Posture, RowRecord};

/// The answer about `host`, of what was `declared` about it, the `rows` that came of it, and the
/// sources that were read and that failed.
pub(super) fn render(
    host: &str,
    declared: &[Declaration],
    rows: &[RowRecord],
    read: &[&str],
    failed: &BTreeSet<&str>,
) -> String {
    let mut lines = Vec::new();
    for of_object in declared.chunk_by(|a, b| a.object == b.object) {
        let by = of_object
            .first()
            .map(|declaration| (&declaration.object, declaration.source));
        lines.extend(by.map(|(object, source)| format!("{} (source {source})", name(object))));
        lines.extend(
            of_object
                .iter()
                .flat_map(|declaration| fate(declaration, rows)),
        );
    }
    if declared.is_empty() {
        lines.push(format!("Nothing that was read declares {}.", clean(host)));
    }
    lines.push(String::new());
    lines.push(format!("Sources read: {}", list(read)));
    if !failed.is_empty() {
        lines.push(format!(
            "Not read, as the log says: {}",
            list(&failed.iter().collect::<Vec<_>>())
        ));
    }
    lines.join("\n") + "\n"
}

fn fate(declaration: &Declaration, rows: &[RowRecord]) -> Vec<String> {
    let host = match &*declaration.host {
        "" => "what it declares",
        host => host,
    };
    let why_not = match &declaration.fate {
        Fate::Probed(target) => {
            let at = at(&target.tls.address, target.row.port);
            let inner = expected(target).into_iter().chain(seen(target, rows));
            return std::iter::once(format!("  {host} is probed at {at}"))
                .chain(inner.map(|line| format!("    {line}")))
                .collect();
        }
        Fate::DeniedByRule(number) => format!("rules[{number}] of the configuration says so"),
        Fate::DeniedByAnnotation => {
            "its annotation kube-https-exporter/probe asks for that".to_owned()
        }
        Fate::Dropped(reason) => because(*reason).to_owned(),
    };
    vec![format!("  {host} is not probed: {why_not}")]
}

const fn because(reason: DropReason) -> &'static str {
    match reason {
        DropReason::Denied => "the configuration says so",
        DropReason::Cap => "more hosts than `caps` allows are older",
        DropReason::NoAddress => "its object has no address to dial (yet)",
        DropReason::Unsupported => "what its object declares cannot be dialled or asked for",
    }
}

/// What the target is judged by.
fn expected(target: &Target) -> Vec<String> {
    let expect = &target.expect;
    let declared = if expect.tls {
        "TLS is declared"
    } else {
        "no TLS is declared"
    };
    let sni = target.tls.server_name.as_deref();
    let asked = sni.map_or_else(
        || "no name (SNI) is sent".to_owned(),
        |name| format!("{name} is asked for (SNI)"),
    );
    let named = expect.name.as_deref();
    let named = named.map_or_else(
        || "any name will do".to_owned(),
        |name| format!("the certificate must name {name}"),
    );
    vec![
        format!("{declared}; {asked}"),
        format!("{named}, and lead to {}", roots(&expect.roots)),
        plaintext(target),
    ]
}

fn roots(roots: &RootsRef) -> String {
    match roots {
        RootsRef::Public => "the system's roots".to_owned(),
        RootsRef::Cluster => "the cluster's certificate authority".to_owned(),
        RootsRef::PublicOrCluster => {
            "the system's roots or the cluster's certificate authority".to_owned()
        }
        RootsRef::Any => "any root".to_owned(),
        RootsRef::File(path) => format!("the roots in {}", path.display()),
        RootsRef::Given(_) => "the roots that its object gives".to_owned(),
    }
}

fn plaintext(target: &Target) -> String {
    let doors: Vec<_> = (target.plaintext.iter())
        .map(|door| at(&door.address, door.port))
        .collect();
    if doors.is_empty() {
        return "plaintext is not looked for".to_owned();
    }
    let may = match target.expect.plaintext {
        PlaintextRule::Forbidden => "nothing may answer",
        PlaintextRule::Redirect => "only a redirect to https may answer",
        PlaintextRule::Declared => "its object asks for it to be served",
        PlaintextRule::Allowed => "anything may answer",
    };
    format!(
        "in clear, {} asked: {may}",
        list(&doors) + if doors.len() == 1 { " is" } else { " are" }
    )
}

fn at(address: &Address, port: u16) -> String {
    match address {
        Address::Ip(ip) => std::net::SocketAddr::new(*ip, port).to_string(),
        Address::Name(name) => format!("{name}:{port}"),
    }
}

/// What came of it.
fn seen(target: &Target, rows: &[RowRecord]) -> Vec<String> {
    let place = target.row.place();
    let Some(row) = rows.iter().find(|row| row.target.row.place() == place) else {
        return vec!["it has not been probed yet".to_owned()];
    };
    let verdict = match row.posture {
        Posture::HttpsOnly => "https only: all is well",
        Posture::Exposed => "exposed in clear",
        Posture::Broken => "something is wrong",
        Posture::Closed => "closed, as it should be",
        Posture::Unknown => "not known",
    };
    let found = row.findings.iter().map(|finding| {
        let (severity, name) = (finding.severity.label(), finding.spec.name);
        let detail = if finding.detail.is_empty() {
            String::new()
        } else {
            format!(": {}", finding.detail)
        };
        format!("{severity} {name}{detail}")
    });
    let waived = row.waived.iter().map(|waived| {
        format!(
            "accepted until {} {}: {}",
            waived.waiver.until, waived.finding.spec.name, waived.waiver.reason
        )
    });
    let failed = row.summary.failure.map(|reason| match reason {
        Reason::Denied => "the last probe failed: `security` denies the address".to_owned(),
        reason => format!("the last probe failed: {}", reason.label()),
    });
    std::iter::once(format!("verdict: {verdict}"))
        .chain(failed)
        .chain(found)
        .chain(waived)
        .collect()
}

/// `Ingress shop/web`.
fn name(owner: &Owner) -> String {
    if owner.namespace.is_empty() {
        format!("{} {}", owner.kind, owner.name)
    } else {
        format!("{} {}/{}", owner.kind, owner.namespace, owner.name)
    }
}

fn list<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn declaration(name: &str, host: &str, fate: Fate) -> Declaration {
        Declaration {
            source: "ingress",
            object: Owner {
                created: None,
                kind: "Ingress",
                namespace: "shop".into(),
                name: name.into(),
            },
            host: host.into(),
            fate,
        }
    }

    #[test]
    fn every_object_is_named_once_with_why_its_hosts_are_not_probed() {
        let declared = [
            declaration("a", "shop.test", Fate::DeniedByRule(2)),
            declaration("a", "*.test", Fate::Dropped(DropReason::Cap)),
            declaration("b", "", Fate::Dropped(DropReason::NoAddress)),
            declaration("c", "shop.test", Fate::DeniedByAnnotation),
        ];
        let text = render(
            "shop.test",
            &declared,
            &[],
            &["ingress"],
            &["gateway"].into(),
        );
        assert_eq!(
            text,
            "\
Ingress shop/a (source ingress)
  shop.test is not probed: rules[2] of the configuration says so
  *.test is not probed: more hosts than `caps` allows are older
Ingress shop/b (source ingress)
  what it declares is not probed: its object has no address to dial (yet)
Ingress shop/c (source ingress)
  shop.test is not probed: its annotation kube-https-exporter/probe asks for that

Sources read: ingress
Not read, as the log says: gateway
"
        );
    }

    #[test]
    fn a_host_that_nothing_declares_is_said_to_be_that() {
        let text = render(
            "shop.test",
            &[],
            &[],
            &["ingress", "node"],
            &BTreeSet::new(),
        );
        assert_eq!(
            text,
            "Nothing that was read declares shop.test.\n\nSources read: ingress, node\n"
        );
    }

    #[test]
    fn addresses_of_both_families_are_written_with_their_ports() {
        assert_eq!(at(&Address::parse("192.0.2.1"), 80), "192.0.2.1:80");
        assert_eq!(at(&Address::parse("2001:db8::1"), 80), "[2001:db8::1]:80");
        let name = Address::Name(Arc::from("lb.example"));
        assert_eq!(at(&name, 443), "lb.example:443");
    }
}
