//! The source `access_review`: what everybody may do, who has an account and who has none.
//!
//! Every request is of the group `system:unauthenticated` or of `system:authenticated`, whoever sends
//! it (`k8s.io/apiserver/pkg/authentication/user`): what these two are granted, the whole network is, or
//! every pod and every employee. By a `SubjectAccessReview` the API server itself says so, whatever its
//! authorizers are, and nothing is tried. Off unless the configuration asks for it, as nothing else
//! takes a right to create anything; a review is answered and not kept.
//!
//! A few questions, of what gives the cluster away: what lets somebody read every Secret, run
//! anything on a node, or become somebody else. What an API server grants these groups as it comes
//! (`system:discovery`, `system:public-info-viewer`, `system:basic-user`) is none of it.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

use super::poll::{Refused, poll};
use super::{Access, Cluster, Context, Declared, Source, Start, Update};
use crate::model::{Flaw, FlawKind, Owner};

pub(super) const SOURCE: Source = Source {
    name: NAME,
    help: "What the API server permits everybody (SubjectAccessReviews for `system:unauthenticated` and `system:authenticated`); off by default.",
    access: &[REVIEWS],
    // A review is in no namespace: Roles in some cannot permit it.
    enabled: |config| config.discovery.has(NAME) && config.namespaces.is_empty(),
    start: Start::Cluster(start),
};

const NAME: &str = "access_review";

const RESOURCE: &str = "subjectaccessreviews";

const REVIEWS: Access = Access {
    group: "authorization.k8s.io",
    resource: RESOURCE,
    verbs: &["create"],
    cluster_scoped: true,
    namespace: None,
    names: &[],
};

/// A group, a user of it if it takes one, and what it is when the group is permitted something.
type Group = (&'static str, Option<&'static str>, FlawKind);

/// The one has a user of its own, to whom roles may be bound as well.
const GROUPS: [Group; 2] = [
    (
        "system:unauthenticated",
        Some("system:anonymous"),
        FlawKind::PermittedToStrangers,
    ),
    ("system:authenticated", None, FlawKind::PermittedToEverybody),
];

/// Verb, API group, resource and subresource, in every namespace. Whoever may do everything may do
/// each of them, and is asked about that first.
const QUESTIONS: [(&str, &str, &str, &str); 12] = [
    ("*", "*", "*", ""),
    ("get", "", "secrets", ""),
    ("list", "", "secrets", ""),
    ("list", "", "pods", ""),
    ("create", "", "pods", ""),
    ("create", "", "pods", "exec"),
    ("get", "", "nodes", "proxy"),
    ("create", "", "serviceaccounts", "token"),
    ("create", "apps", "daemonsets", ""),
    ("impersonate", "", "users", ""),
    (
        "create",
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        "",
    ),
    ("escalate", "rbac.authorization.k8s.io", "clusterroles", ""),
];

fn start(context: &Context, cluster: &Cluster) -> BoxStream<'static, Update> {
    poll(context, cluster, read)
}

fn read(cluster: Cluster, _: Context) -> BoxFuture<'static, Result<Vec<Declared>, Refused>> {
    async move {
        let reviews: Api<SubjectAccessReview> = Api::all(cluster.client.clone());
        let mut objects = Vec::new();
        for group in GROUPS {
            let mut permitted = Vec::new();
            for question in QUESTIONS {
                let review = review(group, question);
                let answer = reviews.create(&PostParams::default(), &review).await;
                let answer = answer.map_err(|error| ("create", RESOURCE, error))?;
                if answer.status.is_some_and(|status| status.allowed) {
                    permitted.push(words(question));
                }
                // Whatever else there is to ask, the answer is yes.
                if question == QUESTIONS[0] && !permitted.is_empty() {
                    break;
                }
            }
            objects.push(declared(group, &permitted));
        }
        Ok(objects)
    }
    .boxed()
}

fn review((group, user, _): Group, question: (&str, &str, &str, &str)) -> SubjectAccessReview {
    let (verb, api_group, resource, subresource) = question;
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: user.map(str::to_owned),
            groups: Some(vec![group.to_owned()]),
            resource_attributes: Some(ResourceAttributes {
                group: Some(api_group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: Some(subresource.to_owned()).filter(|it| !it.is_empty()),
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    }
}

/// As `kubectl auth can-i` has it.
fn words((verb, _, resource, subresource): (&str, &str, &str, &str)) -> String {
    match subresource {
        "" => format!("{verb} {resource}"),
        _ => format!("{verb} {resource}/{subresource}"),
    }
}

fn declared((group, _, kind): Group, permitted: &[String]) -> Declared {
    let owner = Owner {
        created: None,
        kind: "Group",
        namespace: Arc::default(),
        name: group.into(),
    };
    let mut declared = Declared::nothing(owner, Arc::default());
    if !permitted.is_empty() {
        let place = format!("{group} may {}", permitted.join(", ")).into();
        declared.flaws.push(Flaw { kind, place });
    }
    declared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_permitted_is_said_as_kubectl_says_it() {
        let [strangers, everybody] = GROUPS;
        assert_eq!(declared(strangers, &[]).flaws, []);
        let permitted = [words(QUESTIONS[1]), words(QUESTIONS[5])];
        let said = declared(everybody, &permitted).flaws;
        assert_eq!(
            &*said[0].place,
            "system:authenticated may get secrets, create pods/exec"
        );
        assert_eq!(said[0].kind, FlawKind::PermittedToEverybody);
    }

    #[test]
    fn a_stranger_is_asked_about_by_user_and_group() {
        let spec = review(GROUPS[0], QUESTIONS[6]).spec;
        assert_eq!(spec.user.as_deref(), Some("system:anonymous"));
        assert_eq!(spec.groups, Some(vec!["system:unauthenticated".to_owned()]));
        let attributes = spec.resource_attributes.unwrap();
        assert_eq!(attributes.subresource.as_deref(), Some("proxy"));
        assert_eq!(attributes.namespace, None);
    }
}
