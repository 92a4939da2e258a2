//! Ingress controllers: what their annotations change about how an Ingress is served.
//!
//! To add a controller or an annotation: a row of [`CONTROLLERS`], and a fixture in
//! `tests/fixtures/ingress`. Only what an object says by itself is here: what a controller's own
//! configuration decides cannot be known, and the default stands.

use std::collections::BTreeMap;

use crate::model::PlaintextRule;

/// How a controller serves an Ingress.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Manner {
    /// TLS is on for every host, whatever `spec.tls` says.
    pub(super) tls: bool,
    /// What the object says of plaintext, if anything.
    pub(super) plaintext: Option<PlaintextRule>,
    /// Hosts that are served besides those of the rules.
    pub(super) aliases: Vec<String>,
    /// Each host is served with and without `www.`, one redirecting to the other.
    pub(super) www: bool,
    /// The ports that the object asks for, where it does.
    pub(super) listeners: Option<Listeners>,
    /// The name of an object beside it that says more, where there is one (Google's
    /// `FrontendConfig`).
    pub(super) frontend: Option<String>,
    /// The certificate comes from elsewhere than the Secrets of `spec.tls`: from the back end, or a
    /// cloud's own store.
    pub(super) certificate_elsewhere: bool,
}

/// The ports of a load balancer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Listeners {
    /// Where TLS is spoken.
    pub(super) https: Vec<u16>,
    /// Where plaintext is.
    pub(super) http: Vec<u16>,
}

/// A controller, and what it reads of an Ingress.
struct Controller {
    /// `IngressClass.spec.controller`, or what it begins with before a `/`; or the class itself,
    /// where the controller goes by that.
    names: &'static [&'static str],
    /// The prefixes of its annotations.
    prefixes: &'static [&'static str],
    switches: &'static [Switch],
}

/// An annotation that changes how the object is served. Of two that disagree about plaintext, the
/// first stands.
struct Switch {
    /// The annotation without its prefix.
    key: &'static str,
    when: When,
    means: Effect,
}

/// For which values an annotation counts.
enum When {
    True,
    False,
    /// For these, in lower case and without spaces.
    Is(&'static [&'static str]),
    Set,
}

enum Effect {
    /// TLS is on for every host.
    Tls,
    /// Likewise, with a certificate from elsewhere than the Secrets of `spec.tls`.
    TlsElsewhere,
    Plaintext(PlaintextRule),
    /// The value is a list of further hosts.
    Aliases,
    Www,
    /// The value is a list of ports (AWS).
    Listeners,
    /// The value names an object that says more (Google).
    Frontend,
    /// There is a certificate: TLS is on unless the ports say otherwise (AWS).
    Certificate,
}

/// The object asks not to be redirected, or for HTTP beside HTTPS.
const SERVED: Effect = Effect::Plaintext(PlaintextRule::Declared);
/// The object asks for the redirect that is expected anyway, whatever else it says.
const REDIRECTED: Effect = Effect::Plaintext(PlaintextRule::Redirect);

const fn switch(key: &'static str, when: When, means: Effect) -> Switch {
    Switch { key, when, means }
}

/// Every controller whose annotations are known.
const CONTROLLERS: &[Controller] = &[
    // The community's ingress-nginx; Traefik's provider for its annotations has the same name.
    Controller {
        names: &["k8s.io/ingress-nginx"],
        prefixes: &["nginx.ingress.kubernetes.io/"],
        switches: &[
            switch("force-ssl-redirect", When::True, REDIRECTED),
            switch("ssl-redirect", When::False, SERVED),
            // The back end shows its own certificate.
            switch("ssl-passthrough", When::True, Effect::TlsElsewhere),
            switch("server-alias", When::Set, Effect::Aliases),
            switch("from-to-www-redirect", When::True, Effect::Www),
        ],
    },
    // F5's.
    Controller {
        names: &["nginx.org/ingress-controller"],
        prefixes: &["nginx.org/", "ingress.kubernetes.io/"],
        switches: &[
            switch("redirect-to-https", When::True, REDIRECTED),
            switch("ssl-redirect", When::False, SERVED),
        ],
    },
    // `spec.tls` loads certificates; the annotation turns TLS on, as an entry point may.
    Controller {
        names: &["traefik.io/ingress-controller"],
        prefixes: &["traefik.ingress.kubernetes.io/"],
        switches: &[switch("router.tls", When::True, Effect::Tls)],
    },
    // The community's HAProxy Ingress.
    Controller {
        names: &["haproxy-ingress.github.io/controller"],
        prefixes: &["haproxy-ingress.github.io/", "ingress.kubernetes.io/"],
        switches: &[
            switch("ssl-redirect", When::False, SERVED),
            switch("ssl-passthrough", When::True, Effect::TlsElsewhere),
            // With the controller's default certificate.
            switch("ssl-always-add-https", When::True, Effect::Tls),
        ],
    },
    // HAProxy Technologies'.
    Controller {
        names: &["haproxy.org/ingress-controller"],
        prefixes: &["haproxy.org/", "haproxy.com/"],
        switches: &[
            switch("ssl-redirect", When::False, SERVED),
            switch("ssl-passthrough", When::True, Effect::TlsElsewhere),
        ],
    },
    // AWS's. Whether HTTP redirects may be another object's to say (`ssl-redirect` holds for all of a
    // group), so that the expectation stays.
    Controller {
        names: ALB,
        prefixes: &["alb.ingress.kubernetes.io/"],
        switches: &[
            switch("listen-ports", When::Set, Effect::Listeners),
            switch("certificate-arn", When::Set, Effect::Certificate),
        ],
    },
    // Google's, which goes by the class alone.
    Controller {
        names: &["gce", "gce-internal", "gce-regional-external"],
        prefixes: &[
            "kubernetes.io/ingress.",
            "ingress.gcp.kubernetes.io/",
            "networking.gke.io/",
        ],
        switches: &[
            switch(
                "allow-http",
                When::False,
                Effect::Plaintext(PlaintextRule::Forbidden),
            ),
            switch("pre-shared-cert", When::Set, Effect::TlsElsewhere),
            switch("managed-certificates", When::Set, Effect::TlsElsewhere),
            switch("v1beta1.FrontendConfig", When::Set, Effect::Frontend),
        ],
    },
    // Without a route for HTTP (`allow-http`), the shared port answers 404: as good as a redirect.
    Controller {
        names: &["projectcontour.io"],
        prefixes: &["ingress.kubernetes.io/"],
        switches: &[switch("force-ssl-redirect", When::True, REDIRECTED)],
    },
    Controller {
        names: &["ingress-controllers.konghq.com"],
        prefixes: &["konghq.com/"],
        switches: &[
            switch("protocols", When::Is(&["https"]), Effect::Tls),
            switch("protocols", When::Is(&["http,https", "https,http"]), SERVED),
        ],
    },
    Controller {
        names: &["cilium.io"],
        prefixes: &["ingress.cilium.io/"],
        switches: &[
            switch("force-https", When::Is(&["disabled", "false"]), SERVED),
            switch(
                "tls-passthrough",
                When::Is(&["enabled", "true"]),
                Effect::TlsElsewhere,
            ),
        ],
    },
];

/// The AWS Load Balancer Controller, and that of EKS Auto Mode. They never take a certificate from a
/// Secret: their load balancers have those of AWS's certificate manager.
const ALB: &[&str] = &["ingress.k8s.aws/alb", "eks.amazonaws.com/alb"];

/// Whether it is one of AWS's.
pub(super) fn is_alb(controller: &str) -> bool {
    ALB.contains(&controller)
}

/// Whether any controller that goes by `class` alone is known.
pub(super) fn goes_by(class: &str) -> bool {
    let mut controllers = CONTROLLERS.iter();
    controllers.any(|controller| controller.names.contains(&class))
}

/// Whether some controller reads this annotation, so that it is worth keeping.
pub(super) fn reads(annotation: &str) -> bool {
    let mut controllers = CONTROLLERS.iter();
    controllers.any(|controller| {
        let mut switches = controller.switches.iter();
        switches.any(|switch| controller.has(switch, annotation))
    })
}

/// How `controller` serves an object with these annotations. Where it is not known which one does,
/// each annotation counts: whose it is, its prefix says.
pub(super) fn manner(controller: Option<&str>, annotations: &BTreeMap<String, String>) -> Manner {
    let mut manner = Manner::default();
    let mut certificate = false;
    let read = CONTROLLERS
        .iter()
        .filter(|candidate| controller.is_none_or(|name| candidate.is(name)));
    for (switch, value) in read.flat_map(|controller| controller.set(annotations)) {
        match &switch.means {
            Effect::Tls => manner.tls = true,
            Effect::TlsElsewhere => (manner.tls, manner.certificate_elsewhere) = (true, true),
            Effect::Plaintext(rule) => _ = manner.plaintext.get_or_insert(*rule),
            Effect::Aliases => manner.aliases.extend(list(value)),
            Effect::Www => manner.www = true,
            Effect::Listeners => manner.listeners = Listeners::parse(value),
            Effect::Frontend => manner.frontend = Some(value.trim().to_owned()),
            Effect::Certificate => certificate = true,
        }
    }
    manner.certificate_elsewhere |= certificate || controller.is_some_and(is_alb);
    manner.tls |= match &manner.listeners {
        Some(listeners) => !listeners.https.is_empty(),
        None => certificate,
    };
    manner
}

impl Controller {
    fn is(&self, name: &str) -> bool {
        let mut names = self.names.iter();
        names.any(|known| match name.strip_prefix(known) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        })
    }

    fn has(&self, switch: &Switch, annotation: &str) -> bool {
        let mut prefixes = self.prefixes.iter();
        prefixes.any(|prefix| annotation.strip_prefix(prefix) == Some(switch.key))
    }

    /// The switches that these annotations set, with their values.
    fn set<'a>(
        &'static self,
        annotations: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = (&'static Switch, &'a str)> {
        self.switches.iter().filter_map(move |switch| {
            let mut annotations = annotations.iter();
            let (_, value) = annotations
                .find(|(key, value)| self.has(switch, key) && switch.when.holds(value))?;
            Some((switch, value.as_str()))
        })
    }
}

impl When {
    /// Controllers written in Go read booleans in all these spellings (`strconv.ParseBool`).
    fn holds(&self, value: &str) -> bool {
        let value: String = value.split_whitespace().collect();
        let value = value.to_ascii_lowercase();
        match self {
            Self::True => ["true", "t", "1"].contains(&value.as_str()),
            Self::False => ["false", "f", "0"].contains(&value.as_str()),
            Self::Is(values) => values.contains(&value.as_str()),
            Self::Set => !value.is_empty(),
        }
    }
}

impl Listeners {
    /// Reads `[{"HTTP": 80}, {"HTTPS": 443}]`; `None` for what the controller would not accept.
    fn parse(text: &str) -> Option<Self> {
        let written: Vec<BTreeMap<String, u16>> = serde_json::from_str(text).ok()?;
        let mut listeners = Self::default();
        for (protocol, port) in written.into_iter().flatten() {
            match (protocol.as_str(), port) {
                (_, 0) => return None,
                ("HTTPS", port) => listeners.https.push(port),
                ("HTTP", port) => listeners.http.push(port),
                _ => return None,
            }
        }
        Some(listeners)
    }
}

fn list(value: &str) -> impl Iterator<Item = String> {
    let entries = value.split(',').map(str::trim);
    entries.filter(|entry| !entry.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(controller: Option<&str>, annotations: &[(&str, &str)]) -> Manner {
        let annotations = annotations.iter();
        let owned = annotations.map(|&(key, value)| (key.to_owned(), value.to_owned()));
        manner(controller, &owned.collect())
    }

    const NGINX: &str = "nginx.ingress.kubernetes.io/ssl-redirect";

    #[test]
    fn an_annotation_is_its_own_controllers_alone_where_that_is_known() {
        let served = Manner {
            plaintext: Some(PlaintextRule::Declared),
            ..Manner::default()
        };
        let annotations = [(NGINX, "false")];
        assert_eq!(says(Some("k8s.io/ingress-nginx"), &annotations), served);
        assert_eq!(says(None, &annotations), served);
        for other in [
            "traefik.io/ingress-controller",
            "getambassador.io/ingress-controller",
            "k8s.io/ingress-nginx-of-another",
        ] {
            assert_eq!(says(Some(other), &annotations), Manner::default());
        }
        let haproxy = [("haproxy.com/ssl-redirect", "false")];
        assert_eq!(
            says(Some("haproxy.org/ingress-controller/x"), &haproxy),
            served
        );
    }

    #[test]
    fn booleans_are_read_in_every_spelling_and_nothing_else_is_one() {
        for (value, rule) in [
            ("false", Some(PlaintextRule::Declared)),
            (" False ", Some(PlaintextRule::Declared)),
            ("0", Some(PlaintextRule::Declared)),
            ("true", None),
            ("no", None),
            ("", None),
        ] {
            assert_eq!(says(None, &[(NGINX, value)]).plaintext, rule, "{value:?}");
        }
    }

    #[test]
    fn forcing_a_redirect_stands_before_asking_for_none() {
        let forced = "nginx.ingress.kubernetes.io/force-ssl-redirect";
        let both = says(None, &[(NGINX, "false"), (forced, "true")]);
        assert_eq!(both.plaintext, Some(PlaintextRule::Redirect));
    }

    #[test]
    fn the_ports_of_a_load_balancer_say_whether_it_has_tls() {
        let (ports, arn) = (
            "alb.ingress.kubernetes.io/listen-ports",
            "alb.ingress.kubernetes.io/certificate-arn",
        );
        let listeners = |https: &[u16], http: &[u16]| {
            Some(Listeners {
                https: https.to_vec(),
                http: http.to_vec(),
            })
        };
        for (annotations, tls, expected) in [
            (
                &[(ports, r#"[{"HTTP": 80}, {"HTTPS": 443}, {"HTTPS": 8443}]"#)][..],
                true,
                listeners(&[443, 8443], &[80]),
            ),
            (
                &[(ports, r#"[{"HTTP":8080}]"#)],
                false,
                listeners(&[], &[8080]),
            ),
            (
                &[(ports, r#"[{"HTTP":80}]"#), (arn, "a")],
                false,
                listeners(&[], &[80]),
            ),
            (&[(arn, "a")], true, None),
            (&[(ports, r#"[{"HTTPS":0}]"#)], false, None),
            (&[(ports, r#"[{"QUIC":443}]"#)], false, None),
            (&[(ports, "443")], false, None),
        ] {
            let manner = says(Some("ingress.k8s.aws/alb"), annotations);
            assert_eq!(
                (manner.tls, manner.listeners),
                (tls, expected),
                "{annotations:?}"
            );
        }
    }

    #[test]
    fn only_annotations_that_someone_reads_are_worth_keeping() {
        assert!(reads(NGINX) && reads("kubernetes.io/ingress.allow-http"));
        assert!(!reads("kubernetes.io/ingress.class"));
        assert!(!reads("nginx.org/server-alias"));
    }
}
