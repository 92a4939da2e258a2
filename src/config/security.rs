//! Where the names and addresses that tenants write may lead.
//!
//! Whoever may create an Ingress chooses what this program dials. Without a limit it would be a
//! way to look at what only this program's network can reach: itself, its node, and the metadata
//! services that hand out a cloud machine's credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use super::field::{Field, Section};
use super::node::Value;
use super::value::{expected, text};

/// What is denied unless the configuration says otherwise, and what it is.
pub(super) const DENIED: &[(&str, &str)] = &[
    ("0.0.0.0/8", "this host (RFC 1122 section 3.2.1.3)"),
    ("127.0.0.0/8", "loopback"),
    (
        "169.254.0.0/16",
        "link-local, and the metadata services of most clouds",
    ),
    ("100.100.100.200/32", "metadata service of Alibaba Cloud"),
    ("168.63.129.16/32", "platform service of Azure"),
    ("192.0.0.192/32", "metadata service of Oracle Cloud"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("fe80::/10", "link-local"),
    ("fd00:ec2::254/128", "metadata service of AWS"),
    ("fd20:ce::254/128", "metadata service of Google Cloud"),
    ("fd00:42::42/128", "metadata service of Scaleway"),
    ("ff00::/8", "multicast"),
];

/// What stands before an IPv4 address that an IPv6-only host dials (RFC 6052 section 2.1).
const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);

/// The bits before the IPv4 address in an IPv4-mapped one (RFC 4291 section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// Where tenants' names and addresses may lead; checked on the address really dialled.
#[derive(Clone, Debug, PartialEq)]
pub struct Security {
    /// Never dialled for a tenant, unless allowed below.
    pub deny_networks: Vec<IpNet>,
    /// Exceptions.
    pub allow_networks: Vec<IpNet>,
}

impl Default for Security {
    fn default() -> Self {
        let networks = DENIED
            .iter()
            .filter_map(|(network, _)| network.parse().ok());
        Self {
            deny_networks: networks.collect(),
            allow_networks: Vec::new(),
        }
    }
}

impl Security {
    /// Whether `ip` may be dialled for a tenant. An IPv6 address that stands for an IPv4 one
    /// (IPv4-mapped, NAT64) is judged as that, too.
    #[must_use]
    pub fn permits(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let within = |networks: &[IpNet], ip| networks.iter().any(|network| network.contains(&ip));
        let permits = |ip| within(&self.allow_networks, ip) || !within(&self.deny_networks, ip);
        permits(ip) && translated(ip).is_none_or(permits)
    }
}

/// The IPv4 address that a NAT64 gateway dials for `ip`.
fn translated(ip: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = ip else { return None };
    let behind = v6.to_bits() ^ NAT64.to_bits();
    u32::try_from(behind)
        .ok()
        .map(|bits| Ipv4Addr::from_bits(bits).into())
}

impl Section for Security {
    const FIELDS: &'static [Field<Self>] = &[
        Field {
            name: "deny_networks",
            kind: "list of networks",
            default: "([see below](#networks-denied-by-default))",
            meaning: "Never dialled for a tenant. A list written here replaces the default one.",
            read: |security, written| {
                written.list(&mut security.deny_networks, |item| item.value(network));
            },
            inside: None,
        },
        Field {
            name: "allow_networks",
            kind: "list of networks",
            default: "[]",
            meaning: "Exceptions from `deny_networks`.",
            read: |security, written| {
                written.list(&mut security.allow_networks, |item| item.value(network));
            },
            inside: None,
        },
    ];
}

/// A network, or a single address; IPv4-mapped ones become IPv4, as the addresses do.
fn network(value: &Value) -> Result<IpNet, String> {
    const WHAT: &str = "a network such as `10.0.0.0/8`, or an IP address";
    let text = text(value, WHAT)?;
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    let network: IpNet = text
        .parse()
        .or_else(|_| single())
        .map_err(|_| expected(WHAT, value))?;
    Ok(unmapped(network.trunc()))
}

fn unmapped(network: IpNet) -> IpNet {
    let v4 = match network {
        IpNet::V6(v6) => v6
            .prefix_len()
            .checked_sub(MAPPED_BITS)
            .and_then(|prefix| Ipv4Net::new(v6.network().to_ipv4_mapped()?, prefix).ok()),
        IpNet::V4(_) => None,
    };
    v4.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(security: &Security, ip: &str) -> bool {
        security.permits(ip.parse().unwrap())
    }

    fn networks(texts: &[&str]) -> Vec<IpNet> {
        let read = |text: &&str| network(&Value::Text((*text).to_owned())).unwrap();
        texts.iter().map(read).collect()
    }

    #[test]
    fn every_default_network_is_well_formed() {
        assert_eq!(Security::default().deny_networks.len(), DENIED.len());
    }

    #[test]
    fn what_only_this_host_can_reach_is_denied_by_default() {
        let security = Security::default();
        for denied in [
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "0.0.0.0",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::7f00:1",
        ] {
            assert!(!permits(&security, denied), "{denied}");
        }
    }

    #[test]
    fn neighbours_of_what_is_denied_are_permitted() {
        let security = Security::default();
        for permitted in [
            "126.255.255.255",
            "128.0.0.0",
            "10.0.0.1",
            "192.168.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "223.255.255.255",
            "240.0.0.1",
            "::2",
            "fec0::1",
            "fd00::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "100.100.100.201",
        ] {
            assert!(permits(&security, permitted), "{permitted}");
        }
    }

    #[test]
    fn an_allowed_network_is_an_exception_also_in_its_mapped_form() {
        for allowed in [
            "127.0.0.1",
            "127.0.0.1/32",
            "::ffff:127.0.0.1",
            "::ffff:127.0.0.1/128",
        ] {
            let security = Security {
                allow_networks: networks(&[allowed]),
                ..Security::default()
            };
            assert!(permits(&security, "127.0.0.1"), "{allowed}");
            assert!(permits(&security, "::ffff:127.0.0.1"), "{allowed}");
            assert!(!permits(&security, "127.0.0.2"), "{allowed}");
        }
    }

    #[test]
    fn a_network_keeps_only_its_network_bits() {
        assert_eq!(networks(&["10.1.2.3/8"]), networks(&["10.0.0.0/8"]));
        assert_eq!(
            networks(&["::ffff:10.1.2.3/104"]),
            networks(&["10.0.0.0/8"])
        );
    }
}
