//! The source `secret`: the certificates in Secrets that the configuration names, and in no others.
//!
//! Each is listed and watched by its name, which a rule with `resourceNames` permits; see
//! [`super::rbac::secrets`] for the rules. Of what comes back the certificates alone are read.

use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde::Deserialize;

use super::bundle::{BundleError, Bundles, from_pem};
use super::join::join;
use super::kind::Kind;
use super::object::declared;
use super::watch::Watch;
use super::{Cluster, Context, Source, Start, Update};
use crate::model::Usage;

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "The certificates in Secrets that the configuration names.",
    // By name alone: what the configuration says, and no table.
    access: &[],
    enabled: |config| !config.secrets.is_empty(),
    start: Start::Cluster(start),
};

pub(super) const NAME: &str = "secret";

const SECRETS: Kind = Kind::namespaced::<Secret>();

/// What is read of a Secret: not its private key.
#[derive(Deserialize)]
struct Certificates {
    data: Option<Data>,
}

/// See `kubernetes.io/tls`, `ca.crt` as cert-manager adds it.
#[derive(Default, Deserialize)]
struct Data {
    #[serde(rename = "tls.crt")]
    certificate: Option<ByteString>,
    #[serde(rename = "ca.crt")]
    authority: Option<ByteString>,
}

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    let watches = context.config.secrets.iter().map(|secret| {
        let namespace = Some(secret.namespace.as_str());
        Watch::new(
            cluster,
            SECRETS,
            namespace,
            |_, secret| bundles(secret),
            context.clock,
        )
        .named(&secret.name)
        .stream()
    });
    join(watches.collect()).map(declared).boxed()
}

fn bundles(secret: Certificates) -> Bundles {
    let data = secret.data.unwrap_or_default();
    let keys = [
        ("tls.crt", Usage::Server, data.certificate),
        ("ca.crt", Usage::CaBundle, data.authority),
    ];
    let read = keys.into_iter().filter_map(|(key, usage, pem)| {
        let ByteString(pem) = pem?;
        // cert-manager leaves it empty where it knows no authority.
        (!pem.is_empty()).then(|| from_pem(key, usage, &pem))
    });
    let read: Vec<_> = read.collect();
    if read.is_empty() {
        let key = "tls.crt".to_owned();
        return Bundles(vec![Err(BundleError::Empty { key })]);
    }
    Bundles(read)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const KINDS: &[u8] = include_bytes!("../../tests/certificates/kinds.pem");

    fn read(data: &Value) -> Vec<Result<(String, Usage), String>> {
        let secret = serde_json::from_value(json!({"type": "kubernetes.io/tls", "data": data}));
        let Bundles(read) = bundles(secret.unwrap());
        let said = read.into_iter().map(|one| match one {
            Ok(stored) => Ok((stored.key.to_string(), stored.usage)),
            Err(error) => Err(error.to_string()),
        });
        said.collect()
    }

    #[test]
    fn the_leaf_and_the_authority_are_read_and_the_key_is_not() {
        let pem = ByteString(KINDS.to_vec());
        let server = Ok(("tls.crt".to_owned(), Usage::Server));
        let authority = Ok(("ca.crt".to_owned(), Usage::CaBundle));
        let all = json!({"tls.crt": pem, "ca.crt": pem, "tls.key": "not even base64"});
        assert_eq!(read(&all), [server.clone(), authority]);
        let empty = json!({"tls.crt": pem, "ca.crt": ""});
        assert_eq!(read(&empty), [server]);
    }

    #[test]
    fn a_secret_without_a_certificate_is_said_to_have_none() {
        for data in [json!(null), json!({}), json!({"token": "aGk="})] {
            let read = read(&data);
            assert_eq!(read.len(), 1);
            let error = read[0].clone().unwrap_err();
            assert!(
                error.starts_with("\"tls.crt\" has no certificate"),
                "{error}"
            );
        }
    }
}
