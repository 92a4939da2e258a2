//! Whether an object has the last hop, from where TLS ends to the back end, go in clear.

use std::collections::BTreeMap;

use crate::model::{Remark, RemarkKind};

/// The community's ingress-nginx.
const NGINX: &str = "k8s.io/ingress-nginx";

/// What ingress-nginx speaks to the back end: `HTTP` where it is absent. The others are HTTPS, GRPCS,
/// and some of which nothing is known here.
const PROTOCOL: &str = "nginx.ingress.kubernetes.io/backend-protocol";

/// What is to be said where TLS ends at the edge: `why` the last hop is in clear.
pub(super) fn in_clear(why: &str) -> Remark {
    let said = format!("TLS ends at the edge, and the last hop is in clear: {why}");
    Remark::new(RemarkKind::BackendInClear, said)
}

/// What there is to say of an Ingress with these annotations, whose `controller` is known, where it
/// terminates TLS.
pub(super) fn behind_ingress(
    controller: &str,
    annotations: &BTreeMap<String, String>,
) -> Option<Remark> {
    let http = |protocol: &String| protocol.trim().eq_ignore_ascii_case("HTTP");
    let clear = controller == NGINX && annotations.get(PROTOCOL).is_none_or(http);
    clear.then(|| in_clear("backend-protocol is HTTP"))
}

/// Whether [`behind_ingress`] reads this annotation.
pub(super) fn reads(annotation: &str) -> bool {
    annotation == PROTOCOL
}
