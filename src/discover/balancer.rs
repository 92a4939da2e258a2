//! What a controller publishes in `status.loadBalancer`: where its objects are served.

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::api::networking::v1::IngressLoadBalancerIngress;

use super::DropReason;
use super::host::dialled;
use super::published::Front;
use crate::model::Address;

/// The port of TLS where nothing names one (`IngressTLS`: "443").
pub(super) const HTTPS: u16 = 443;

/// The port of plaintext where nothing names one.
pub(super) const HTTP: u16 = 80;

/// Every address that the status publishes, once, with the TCP ports that it lists; or why there
/// is none to dial.
pub(super) fn addresses(
    published: &[IngressLoadBalancerIngress],
) -> Result<Vec<(Address, Vec<u16>)>, DropReason> {
    let mut addresses: Vec<(Address, Vec<u16>)> = Vec::new();
    let mut index = HashMap::new();
    for entry in published {
        let Some(address) = address(entry) else {
            continue;
        };
        let at = *index.entry(address.clone()).or_insert(addresses.len());
        match addresses.get_mut(at) {
            Some((_, ports)) => ports.extend(tcp_ports(entry)),
            None => addresses.push((address, tcp_ports(entry))),
        }
    }
    addresses.retain(|(_, ports)| !ports.is_empty());
    // Thousands of objects keep theirs, of mostly one.
    addresses.shrink_to_fit();
    match (addresses.is_empty(), published.is_empty()) {
        (false, _) => Ok(addresses),
        (true, true) => Err(DropReason::NoAddress),
        (true, false) => Err(DropReason::Unsupported),
    }
}

/// Every place where the status says that the object is served; or why there is none.
pub(super) fn fronts(published: &[IngressLoadBalancerIngress]) -> Result<Vec<Front>, DropReason> {
    let addresses = addresses(published)?;
    let fronts = addresses
        .iter()
        .flat_map(|(at, ports)| fronts_at(at, ports));
    Ok(fronts.collect())
}

/// One front for each TLS port of an address.
///
/// `IngressPortStatus` does not say what a port speaks. By custom the plaintext ports end in 80
/// (80, 8080, 30080); the others are taken for TLS, or all of them where none is left.
pub(super) fn fronts_at(address: &Address, ports: &[u16]) -> Vec<Front> {
    let each: BTreeSet<u16> = ports.iter().copied().collect();
    let (mut plaintext, mut tls): (Vec<_>, Vec<_>) = each.into_iter().partition(|p| p % 100 == 80);
    if tls.is_empty() {
        tls = std::mem::take(&mut plaintext);
    }
    let front = |port| Front {
        address: address.clone(),
        port,
        plaintext: plaintext.clone(),
    };
    tls.into_iter().map(front).collect()
}

/// The entry's IP address, else its host name; `None` where neither can be dialled.
fn address(entry: &IngressLoadBalancerIngress) -> Option<Address> {
    [&entry.ip, &entry.hostname]
        .into_iter()
        .find_map(|field| field.as_deref().filter(|text| !text.is_empty()))
        .and_then(dialled)
}

/// The TCP ports that an entry lists (UDP and SCTP are passed over): 443 and 80 where it lists
/// none at all.
fn tcp_ports(entry: &IngressLoadBalancerIngress) -> Vec<u16> {
    let listed = entry.ports.as_deref().unwrap_or_default();
    if listed.is_empty() {
        return vec![HTTPS, HTTP];
    }
    listed
        .iter()
        .filter(|status| matches!(status.protocol.as_str(), "" | "TCP"))
        .filter_map(|status| u16::try_from(status.port).ok())
        .filter(|port| *port != 0)
        .collect()
}
