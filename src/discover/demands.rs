//! What a server has to ask of its clients, as far as its port says what it is.

use crate::model::ClientAuth;

/// The ports of etcd, for its clients and for its members (IANA, "etcd-client", "etcd-server").
const ETCD: [u16; 2] = [2379, 2380];

/// The least that a server on this port has to ask of its clients.
pub(super) fn demanded_at(port: u16) -> ClientAuth {
    if ETCD.contains(&port) {
        ClientAuth::Required
    } else {
        ClientAuth::NotRequested
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etcd_has_to_refuse_strangers_and_others_may_serve_them() {
        assert_eq!(demanded_at(2379), ClientAuth::Required);
        assert_eq!(demanded_at(2380), ClientAuth::Required);
        for port in [443, 2378, 2381, 6443, 10250] {
            assert_eq!(demanded_at(port), ClientAuth::NotRequested, "{port}");
        }
    }
}
