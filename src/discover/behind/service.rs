//! Where the API server dials a Service.

use k8s_openapi::api::core::v1::Service;

use super::super::DropReason;
use super::super::host::dns_name;
use crate::model::Address;

/// Where a Service is dialled.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Front {
    /// At its cluster IP address, at these ports.
    ClusterIp(Address, Box<[u16]>),
    /// At a name outside the cluster (`ExternalName`), at any port.
    Outside(Address),
    /// Nowhere: it is headless, or names nothing that can be dialled. (An API server with
    /// `--enable-aggregator-routing` dials the endpoints of a headless one; which it was started
    /// with cannot be asked.)
    Nowhere,
}

impl Front {
    /// Reads `spec.type`, `spec.clusterIP`, `spec.externalName` and `spec.ports`.
    pub(super) fn of(service: &Service) -> Self {
        let Some(spec) = &service.spec else {
            return Self::Nowhere;
        };
        if spec.type_.as_deref() == Some("ExternalName") {
            let name = spec.external_name.as_deref().unwrap_or_default();
            return dns_name(name).map_or(Self::Nowhere, |name| Self::Outside(Address::Name(name)));
        }
        let ip = spec.cluster_ip.as_deref().unwrap_or_default().parse();
        let ports = spec.ports.iter().flatten();
        ip.map_or(Self::Nowhere, |ip| {
            let numbers = ports.filter_map(|port| u16::try_from(port.port).ok());
            Self::ClusterIp(Address::Ip(ip), numbers.collect())
        })
    }

    /// Where `port` of it is dialled, and whether that is a cluster IP address.
    pub(super) fn at(&self, port: u16) -> Result<(&Address, bool), DropReason> {
        match self {
            Self::ClusterIp(ip, ports) if ports.contains(&port) => Ok((ip, true)),
            Self::ClusterIp(..) => Err(DropReason::NoAddress),
            Self::Outside(name) => Ok((name, false)),
            Self::Nowhere => Err(DropReason::Unsupported),
        }
    }
}
