//! The objects of Gateway API as they are written: of each only the fields that are read, alike in
//! all versions since v1beta1 (and v1alpha2 of the routes).
//!
//! What may be absent is; what an unknown version adds is passed over.

use serde::Deserialize;

/// A Gateway.
#[derive(Debug, Deserialize)]
pub(super) struct Gateway {
    pub(super) spec: GatewaySpec,
    #[serde(default)]
    pub(super) status: GatewayStatus,
}

#[derive(Debug, Deserialize)]
pub(super) struct GatewaySpec {
    #[serde(default)]
    pub(super) listeners: Vec<Listener>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GatewayStatus {
    pub(super) addresses: Vec<Address>,
    pub(super) listeners: Vec<ListenerStatus>,
}

/// `Gateway.status.addresses[]`, not `spec.addresses`, which is a wish.
#[derive(Debug, Deserialize)]
pub(super) struct Address {
    /// `IPAddress` where absent, or `Hostname`; others have a domain before them.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) value: String,
}

/// A `ListenerSet`, or an `XListenerSet`, which it was called before v1.5.
#[derive(Debug, Deserialize)]
pub(super) struct ListenerSet {
    pub(super) spec: ListenerSetSpec,
    #[serde(default)]
    pub(super) status: ListenerSetStatus,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListenerSetSpec {
    pub(super) parent_ref: ParentRef,
    #[serde(default)]
    pub(super) listeners: Vec<Listener>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListenerSetStatus {
    pub(super) conditions: Vec<Condition>,
    pub(super) listeners: Vec<ListenerStatus>,
}

/// `spec.listeners[]` of either.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listener {
    pub(super) name: String,
    pub(super) hostname: Option<String>,
    /// An `XListenerSet` may leave it to the controller.
    #[serde(default)]
    pub(super) port: u16,
    pub(super) protocol: String,
    pub(super) tls: Option<ListenerTls>,
    #[serde(default)]
    pub(super) allowed_routes: AllowedRoutes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListenerTls {
    /// `Terminate` where absent, or `Passthrough`.
    pub(super) mode: Option<String>,
    #[serde(default)]
    pub(super) certificate_refs: Vec<CertificateRef>,
}

/// `tls.certificateRefs[]`.
#[derive(Debug, Deserialize)]
pub(super) struct CertificateRef {
    /// The core group where absent.
    pub(super) group: Option<String>,
    /// `Secret` where absent.
    pub(super) kind: Option<String>,
    /// The object's own where absent.
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AllowedRoutes {
    pub(super) namespaces: RouteNamespaces,
    pub(super) kinds: Vec<RouteKind>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RouteNamespaces {
    /// `Same` where absent.
    pub(super) from: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RouteKind {
    pub(super) kind: String,
}

/// `status.listeners[]`.
#[derive(Debug, Deserialize)]
pub(super) struct ListenerStatus {
    pub(super) name: String,
    /// What the controller chose for an `XListenerSet`.
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// `True`, `False` or `Unknown`.
    pub(super) status: String,
}

/// An `HTTPRoute`, `GRPCRoute` or `TLSRoute`.
#[derive(Debug, Deserialize)]
pub(super) struct Route {
    pub(super) spec: RouteSpec,
    #[serde(default)]
    pub(super) status: RouteStatus,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RouteSpec {
    #[serde(default)]
    pub(super) parent_refs: Vec<ParentRef>,
    #[serde(default)]
    pub(super) hostnames: Vec<String>,
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
}

/// Where a route or a set of listeners is attached.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParentRef {
    /// That of Gateway API where absent.
    pub(super) group: Option<String>,
    /// `Gateway` where absent.
    pub(super) kind: Option<String>,
    /// The object's own where absent.
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    /// Only the listener of this name.
    pub(super) section_name: Option<String>,
    /// Only the listeners at this port.
    pub(super) port: Option<u16>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    /// All requests where empty.
    #[serde(default)]
    pub(super) matches: Vec<Match>,
    #[serde(default)]
    pub(super) filters: Vec<Filter>,
    #[serde(default, rename = "backendRefs")]
    pub(super) backends: Vec<BackendRef>,
}

/// `backendRefs[]`.
#[derive(Debug, Deserialize)]
pub(super) struct BackendRef {
    /// The core group where absent.
    pub(super) group: Option<String>,
    /// `Service` where absent.
    pub(super) kind: Option<String>,
    pub(super) name: String,
    /// The object's own where absent.
    pub(super) namespace: Option<String>,
    pub(super) port: Option<i32>,
    /// Its share of the requests: 1 where absent.
    pub(super) weight: Option<i32>,
}

/// A `BackendTLSPolicy`.
#[derive(Debug, Deserialize)]
pub(super) struct Policy {
    pub(super) spec: PolicySpec,
    #[serde(default)]
    pub(super) status: PolicyStatus,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicySpec {
    #[serde(default)]
    pub(super) target_refs: Vec<TargetRef>,
    /// Of v1alpha2.
    pub(super) target_ref: Option<TargetRef>,
}

/// What a policy is for, in its own namespace.
#[derive(Debug, Deserialize)]
pub(super) struct TargetRef {
    #[serde(default)]
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PolicyStatus {
    pub(super) ancestors: Vec<PolicyAncestorStatus>,
}

/// `status.ancestors[]`: what the controller of one Gateway says.
#[derive(Debug, Deserialize)]
pub(super) struct PolicyAncestorStatus {
    #[serde(default)]
    pub(super) conditions: Vec<Condition>,
}

/// `rules[].matches[]` of an `HTTPRoute`.
#[derive(Debug, Deserialize)]
pub(super) struct Match {
    /// The prefix `/` where absent.
    pub(super) path: Option<PathMatch>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PathMatch {
    /// `PathPrefix` where absent, `Exact` or `RegularExpression`.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// `/` where absent.
    pub(super) value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    pub(super) request_redirect: Option<Redirect>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Redirect {
    /// That of the request where absent.
    pub(super) scheme: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RouteStatus {
    pub(super) parents: Vec<RouteParentStatus>,
}

/// `status.parents[]`: what one controller says of one of the route's parents.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RouteParentStatus {
    pub(super) parent_ref: ParentRef,
    #[serde(default)]
    pub(super) conditions: Vec<Condition>,
}

/// Whether a condition has this status; one that is absent has none.
pub(super) fn is(conditions: &[Condition], kind: &str, status: &str) -> bool {
    conditions
        .iter()
        .any(|condition| condition.kind == kind && condition.status == status)
}
