//! What rows and their owners are called where people read it.

use crate::model::Row;

/// The host, with the port where it is not 443; the address where there is no host.
#[must_use]
pub fn door(row: &Row) -> String {
    let name = if row.host.is_empty() {
        &row.address
    } else {
        &row.host
    };
    let name = if name.contains(':') {
        format!("[{name}]")
    } else {
        name.to_string()
    };
    if row.port == 443 {
        name
    } else {
        format!("{name}:{}", row.port)
    }
}

/// The owning object's name, after its namespace where it has one.
#[must_use]
pub fn object(row: &Row) -> String {
    named(&row.namespace, &row.name)
}

/// An object's name, after its namespace where it has one.
#[must_use]
pub fn named(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::RowParts;

    #[test]
    fn a_door_is_named_as_it_is_typed() {
        let row = |host: &str, port, address: &str| -> Row {
            RowParts {
                source: "ingress",
                namespace: Arc::default(),
                host: host.into(),
                port,
                address: address.into(),
                name: Arc::default(),
            }
            .into()
        };
        assert_eq!(door(&row("a.example", 443, "192.0.2.1")), "a.example");
        assert_eq!(door(&row("a.example", 8443, "192.0.2.1")), "a.example:8443");
        assert_eq!(door(&row("", 6443, "2001:db8::1")), "[2001:db8::1]:6443");
    }
}
