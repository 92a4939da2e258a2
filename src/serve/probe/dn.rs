//! Names as Go writes them, which the series of its exporters carry.

use x509_parser::prelude::{AttributeTypeAndValue, X509Name};

/// The attributes that Go knows (crypto/x509/pkix, `attributeTypeNames`), in the order in which its text has
/// them: reversed, what is most particular comes first.
const KNOWN: [(&str, &str); 9] = [
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.3", "CN"),
    ("2.5.4.17", "POSTALCODE"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.8", "ST"),
    ("2.5.4.7", "L"),
    ("2.5.4.11", "OU"),
    ("2.5.4.10", "O"),
    ("2.5.4.6", "C"),
];

/// A distinguished name as `pkix.Name.String` has it. Attributes that it does not know are left out.
pub(super) fn text(name: &X509Name<'_>) -> String {
    let parts = KNOWN.iter().filter_map(|(oid, label)| {
        let values: Vec<String> = values(name, oid)
            .map(|value| format!("{label}={}", escaped(&value)))
            .collect();
        (!values.is_empty()).then(|| values.join("+"))
    });
    parts.collect::<Vec<_>>().join(",")
}

/// The values of one attribute.
pub(super) fn values<'a>(
    name: &'a X509Name<'_>,
    oid: &'a str,
) -> impl Iterator<Item = String> + 'a {
    let attributes = name.iter_attributes();
    attributes
        .filter(move |attribute| attribute.attr_type().to_id_string() == oid)
        .filter_map(|attribute: &AttributeTypeAndValue<'_>| {
            Some(attribute.as_str().ok()?.to_owned())
        })
}

/// RFC 2253 section 2.4.
fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, c) in value.chars().enumerate() {
        let escape = match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => at == 0 || at == last,
            '#' => at == 0,
            _ => false,
        };
        if escape {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};
    use x509_parser::prelude::{FromDer as _, X509Certificate};

    use super::*;

    #[test]
    fn a_name_is_written_as_go_writes_it() {
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        name.push(DnType::CountryName, "DE");
        name.push(DnType::OrganizationName, "Shop, Inc.");
        name.push(DnType::CommonName, " #1 \"shop\"");
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let (_, read) = X509Certificate::from_der(certificate.der()).unwrap();
        assert_eq!(
            text(read.subject()),
            r#"CN=\ #1 \"shop\",O=Shop\, Inc.,C=DE"#
        );
        assert_eq!(
            values(read.subject(), "2.5.4.6").collect::<Vec<_>>(),
            ["DE"]
        );
    }
}
