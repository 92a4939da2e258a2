//! Whether an object lets the whole Internet in, as far as the object itself is clear about it.
//!
//! Nothing is remarked where anything else than the object could say otherwise: security groups,
//! parameters of a class, a group of Ingresses that share a load balancer.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Service;

use super::controller::is_alb;
use crate::model::{Address, Remark, RemarkKind};

/// The networks of a load balancer's clients where `spec.loadBalancerSourceRanges` names none: the
/// annotation that came before it (`AnnotationLoadBalancerSourceRangesKey`), and Azure's.
const SOURCE_RANGES: [&str; 2] = [
    "service.beta.kubernetes.io/load-balancer-source-ranges",
    "service.beta.kubernetes.io/azure-allowed-ip-ranges",
];

/// Annotations by which something of the cloud's limits the clients.
const LIMITED_ELSEWHERE: [&str; 4] = [
    "service.beta.kubernetes.io/aws-load-balancer-security-groups",
    "service.beta.kubernetes.io/aws-load-balancer-security-group-prefix-lists",
    "service.beta.kubernetes.io/azure-allowed-service-tags",
    "service.beta.kubernetes.io/azure-deny-all-except-load-balancer-source-ranges",
];

/// Says of a load balancer that is known by its host name alone whether it is a public one.
const SCHEME: &str = "service.beta.kubernetes.io/aws-load-balancer-scheme";

/// The value of a scheme that makes a load balancer of AWS a public one.
const PUBLIC: &str = "internet-facing";

/// The prefix of the annotations that AWS's controllers of Ingresses read.
pub(super) const ALB_PREFIX: &str = "alb.ingress.kubernetes.io/";

const ALB_SCHEME: &str = "scheme";
const ALB_CLIENTS: &str = "inbound-cidrs";

/// What may limit the clients of an Ingress's load balancer besides, or have another object do so.
const ALB_ELSEWHERE: [&str; 3] = [
    "security-groups",
    "security-group-prefix-lists",
    "group.name",
];

/// Networks that are not routed on the Internet (IANA's registry of special-purpose addresses).
/// Those of IPv6 are inside [`GLOBAL_V6`].
const SPECIAL_V4: [(Ipv4Addr, u8); 14] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, and what is reserved.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];
const SPECIAL_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The addresses of IPv6 that are given out for the Internet.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// To whom a Service's load balancer is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Nothing limits who may connect.
    unlimited: bool,
    /// It is said to be a public one.
    said_public: bool,
}

impl Reach {
    /// That of a Service of type `LoadBalancer`.
    pub(super) fn of(service: &Service) -> Self {
        let annotation = |name: &str| {
            let annotations = service.metadata.annotations.as_ref();
            annotations
                .and_then(|all| all.get(name))
                .map(String::as_str)
        };
        let spec = service.spec.as_ref();
        let ranges = spec.and_then(|spec| spec.load_balancer_source_ranges.as_deref());
        let ranges = ranges.unwrap_or_default();
        let listed = ranges.is_empty() || ranges.iter().any(|range| is_everybody(range));
        let annotated = |name: &&str| annotation(name).is_none_or(has_everybody);
        let elsewhere = LIMITED_ELSEWHERE
            .iter()
            .any(|name| annotation(name).is_some());
        Self {
            unlimited: listed
                // The field outranks the annotations.
                && (!ranges.is_empty() || SOURCE_RANGES.iter().all(annotated))
                && !elsewhere,
            said_public: annotation(SCHEME) == Some(PUBLIC),
        }
    }

    /// Whether its load balancer at `address` lets the whole Internet in.
    pub(super) fn has_everybody(self, address: &Address) -> bool {
        let public = match address {
            Address::Ip(ip) => is_global(*ip),
            Address::Name(_) => self.said_public,
        };
        self.unlimited && public
    }
}

/// What is to be said of an address of a Service that lets everybody in.
pub(super) fn open_service() -> Remark {
    let said = "the Service has a public load balancer, and does not limit who may connect to it";
    Remark::new(RemarkKind::OpenToTheWorld, said)
}

/// What there is to say of an Ingress with these annotations, whose `controller` is known, and
/// whose class has parameters that are not known, or none such.
pub(super) fn open_ingress(
    controller: &str,
    unknown_parameters: bool,
    annotations: &BTreeMap<String, String>,
) -> Option<Remark> {
    let annotation = |key: &str| annotations.get(&format!("{ALB_PREFIX}{key}"));
    let open = is_alb(controller)
        && !unknown_parameters
        && annotation(ALB_SCHEME).is_some_and(|scheme| scheme == PUBLIC)
        && annotation(ALB_CLIENTS).is_none_or(|ranges| has_everybody(ranges))
        && ALB_ELSEWHERE.iter().all(|key| annotation(key).is_none());
    let said = "the Ingress has an internet-facing load balancer, and does not limit who may connect to it";
    open.then(|| Remark::new(RemarkKind::OpenToTheWorld, said))
}

/// Whether [`open_ingress`] reads this annotation.
pub(super) fn reads(annotation: &str) -> bool {
    let key = annotation.strip_prefix(ALB_PREFIX);
    key.is_some_and(|key| key == ALB_SCHEME || key == ALB_CLIENTS || ALB_ELSEWHERE.contains(&key))
}

/// Whether a list of networks, with commas between them, has the whole Internet in it.
fn has_everybody(ranges: &str) -> bool {
    ranges.split(',').any(is_everybody)
}

fn is_everybody(range: &str) -> bool {
    ["0.0.0.0/0", "::/0"].contains(&range.trim())
}

/// Whether an address is routed on the Internet.
fn is_global(ip: IpAddr) -> bool {
    let has = |(network, bits): (IpAddr, u8)| {
        IpNet::new(network, bits).is_ok_and(|network| network.contains(&ip))
    };
    match ip {
        IpAddr::V4(_) => !SPECIAL_V4
            .iter()
            .any(|&(net, bits)| has((net.into(), bits))),
        IpAddr::V6(_) => {
            let (net, bits) = GLOBAL_V6;
            let special = |&(net, bits): &(Ipv6Addr, u8)| has((net.into(), bits));
            has((net.into(), bits)) && !SPECIAL_V6.iter().any(special)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_address_is_global_unless_it_is_set_aside() {
        for (text, global) in [
            ("8.8.8.8", true),
            ("100.63.255.255", true),
            ("100.64.0.0", false),
            ("100.127.255.255", false),
            ("100.128.0.0", true),
            ("172.15.255.255", true),
            ("172.31.255.255", false),
            ("192.0.2.1", false),
            ("192.168.1.1", false),
            ("223.255.255.255", true),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2606:4700::1111", true),
            ("2001:1ff:ffff::1", false),
            ("2001:200::1", true),
            ("2001:db8::1", false),
            ("3fff:0fff::1", false),
            ("3fff:1000::1", true),
            ("fd00::1", false),
            ("fe80::1", false),
            ("::1", false),
            ("::ffff:8.8.8.8", false),
        ] {
            assert_eq!(is_global(text.parse().unwrap()), global, "{text}");
        }
    }

    fn lets_everybody_in(ranges: &[&str], annotations: &Value, address: &str) -> bool {
        let service: Service = serde_json::from_value(json!({
            "metadata": {"annotations": annotations},
            "spec": {"type": "LoadBalancer", "loadBalancerSourceRanges": ranges},
        }))
        .unwrap();
        Reach::of(&service).has_everybody(&Address::parse(address))
    }

    #[test]
    fn a_service_is_open_at_a_public_address_unless_it_lists_its_clients() {
        let old = "service.beta.kubernetes.io/load-balancer-source-ranges";
        let azure = "service.beta.kubernetes.io/azure-allowed-ip-ranges";
        let groups = "service.beta.kubernetes.io/aws-load-balancer-security-groups";
        let none = || json!({});
        for (ranges, annotations, open) in [
            (&[][..], none(), true),
            (&["0.0.0.0/0"], none(), true),
            (&["192.0.2.0/24", "::/0"], none(), true),
            (&["192.0.2.0/24"], none(), false),
            (&["0.0.0.0/1", "128.0.0.0/1"], none(), false),
            (&[], json!({old: "192.0.2.0/24"}), false),
            (&[], json!({old: "192.0.2.0/24, 0.0.0.0/0"}), true),
            (&["0.0.0.0/0"], json!({old: "192.0.2.0/24"}), true),
            (&[], json!({azure: "192.0.2.0/24"}), false),
            (&[], json!({azure: "0.0.0.0/0"}), true),
            (&["0.0.0.0/0"], json!({groups: "sg-1"}), false),
        ] {
            let said = format!("{ranges:?} {annotations}");
            assert_eq!(
                lets_everybody_in(ranges, &annotations, "8.8.8.8"),
                open,
                "{said}"
            );
        }
        assert!(!lets_everybody_in(&[], &none(), "10.0.0.1"));
    }

    #[test]
    fn a_load_balancer_with_a_name_alone_is_public_where_its_scheme_says_so() {
        let scheme = "service.beta.kubernetes.io/aws-load-balancer-scheme";
        for (annotations, open) in [
            (json!({}), false),
            (json!({scheme: "internal"}), false),
            (json!({scheme: "internet-facing"}), true),
        ] {
            assert_eq!(lets_everybody_in(&[], &annotations, "lb.example.net"), open);
        }
        let public = json!({scheme: "internet-facing"});
        assert!(!lets_everybody_in(
            &["192.0.2.0/24"],
            &public,
            "lb.example.net"
        ));
    }

    #[test]
    fn an_ingress_is_open_where_nothing_else_could_limit_it() {
        let public = ("scheme", "internet-facing");
        for (annotations, open) in [
            (&[public][..], true),
            (&[], false),
            (&[("scheme", "internal")], false),
            (&[public, ("inbound-cidrs", "192.0.2.0/24")], false),
            (&[public, ("inbound-cidrs", "192.0.2.0/24,0.0.0.0/0")], true),
            (&[public, ("security-groups", "sg-1")], false),
            (&[public, ("security-group-prefix-lists", "pl-1")], false),
            (&[public, ("group.name", "shared")], false),
        ] {
            let named = |key: &str| format!("alb.ingress.kubernetes.io/{key}");
            assert!(annotations.iter().all(|(key, _)| reads(&named(key))));
            let owned = annotations
                .iter()
                .map(|(key, value)| (named(key), (*value).to_owned()));
            let owned = owned.collect();
            let said =
                |controller, parameters| open_ingress(controller, parameters, &owned).is_some();
            for alb in ["ingress.k8s.aws/alb", "eks.amazonaws.com/alb"] {
                assert_eq!(said(alb, false), open, "{annotations:?}");
            }
            assert!(!said("ingress.k8s.aws/alb", true) && !said("k8s.io/ingress-nginx", false));
        }
        assert!(!reads("alb.ingress.kubernetes.io/tags"));
    }
}
