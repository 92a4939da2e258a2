//! What this program may read: asked of the API server itself, at the start and then again and
//! again, so that a role that is too narrow shows before anyone misses what it hides.
//!
//! A source that may not read is not stopped by this: its watch is refused, says so, and tries
//! again until it may (`watch`). The questions are those that the rules of [`super::rbac`] answer.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::rbac::{self, Grant};
use super::{Cluster, Context};

/// Between two rounds of questions.
const ASK_EVERY: Duration = Duration::from_mins(10);

/// Between a round that failed and the next: the API server may only be restarting.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// How long a round may take: every answer is in the API server's memory, and what still waits
/// after this long is better asked anew.
const ROUND_TIMEOUT: Duration = Duration::from_mins(5);

/// Questions under way at once. A configuration of a hundred namespaces has thousands: few enough
/// not to be throttled for (client-go sends five a second, and its bursts are of ten).
const IN_FLIGHT: usize = 4;

/// How [`Permission::scope`] spells the whole cluster; no namespace can be called that.
const EVERYWHERE: &str = "*";

/// One thing that a source that is on must be permitted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// API group; empty for the core group.
    pub group: String,
    /// Resource, plural.
    pub resource: String,
    /// RBAC's word for it.
    pub verb: String,
    /// The namespace that it is needed in; `*` where it is needed in all of them, or in none.
    pub scope: String,
}

/// What is permitted, and what is not.
pub type Permissions = BTreeMap<Permission, bool>;

/// What the API server says this program may do of what its sources need: a complete answer at
/// once, and every ten minutes. Nothing is said while the API server gives no answer. What is
/// refused is logged when it is heard of, and when it is permitted after all.
#[must_use]
pub fn permissions(context: &Context) -> BoxStream<'static, Permissions> {
    let Some(cluster) = context.cluster.clone() else {
        return stream::empty().boxed();
    };
    let questions = questions(context);
    stream::unfold((None, Duration::ZERO), move |(before, wait)| {
        let (cluster, questions) = (cluster.clone(), questions.clone());
        async move {
            sleep(wait).await;
            loop {
                match timeout(ROUND_TIMEOUT, ask(&cluster, questions.clone())).await {
                    Ok(Ok(answers)) => {
                        log(before.as_ref(), &answers);
                        return Some((answers.clone(), (Some(answers), ASK_EVERY)));
                    }
                    Ok(Err(error)) => debug!(%error, "what is permitted could not be asked"),
                    Err(_) => debug!("what is permitted could not be asked in time"),
                }
                sleep(ASK_AGAIN).await;
            }
        }
    })
    .boxed()
}

/// What is asked: each verb on each resource that a source that is on needs, where it needs it; and whether Events
/// may be written, where they are to be.
/// Where a source needs objects of certain names only, it may do so if it may for each of them.
fn questions(context: &Context) -> Vec<Question> {
    let events = context.config.events.enabled.then_some(&super::EVENTS);
    let access = context
        .sources()
        .flat_map(|source| source.access)
        .chain(events);
    let mut questions = Vec::new();
    for (grant, rules) in rbac::rules(access, &context.config.namespaces) {
        let scope = match grant {
            Grant::Cluster => EVERYWHERE.to_owned(),
            Grant::Namespace(namespace) => namespace,
        };
        for rule in rules {
            let names = rule.resource_names.unwrap_or_default();
            let names = match names.as_slice() {
                [] => vec![None],
                names => names.iter().cloned().map(Some).collect(),
            };
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    for verb in &rule.verbs {
                        let permission = Permission {
                            group: group.clone(),
                            resource: resource.clone(),
                            verb: verb.clone(),
                            scope: scope.clone(),
                        };
                        let asked = names.iter().map(|name| (permission.clone(), name.clone()));
                        questions.extend(asked);
                    }
                }
            }
        }
    }
    questions
}

/// One question; `name` where it is about objects of one name only.
type Question = (Permission, Option<String>);

async fn ask(cluster: &Cluster, questions: Vec<Question>) -> Result<Permissions, kube::Error> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let answers: Vec<_> = stream::iter(questions)
        .map(|question| answer(reviews.clone(), question))
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await?;
    let mut permissions = Permissions::new();
    for (permission, allowed) in answers {
        *permissions.entry(permission).or_insert(true) &= allowed;
    }
    Ok(permissions)
}

async fn answer(
    reviews: Api<SelfSubjectAccessReview>,
    (permission, name): Question,
) -> Result<(Permission, bool), kube::Error> {
    let review = review(&permission, name.as_deref());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    let allowed = answer.status.is_some_and(|status| status.allowed);
    Ok((permission, allowed))
}

/// The question as the API server takes it (`authorization.k8s.io/v1`): an absent namespace means
/// all of them.
fn review(permission: &Permission, name: Option<&str>) -> SelfSubjectAccessReview {
    let namespace = (permission.scope != EVERYWHERE).then(|| permission.scope.clone());
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(permission.group.clone()),
                resource: Some(permission.resource.clone()),
                verb: Some(permission.verb.clone()),
                namespace,
                name: name.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}

fn log(before: Option<&Permissions>, now: &Permissions) {
    for (permission, allowed) in changes(before, now) {
        let Permission {
            group,
            resource,
            verb,
            scope,
        } = permission;
        if allowed {
            info!(group, resource, verb, scope, "it is permitted to read now");
        } else {
            warn!(
                group,
                resource,
                verb,
                scope,
                "the API server's rules do not permit this reading: what needs it stays out until they do"
            );
        }
    }
}

/// What is refused and was not known to be, and what is permitted and was refused.
fn changes<'a>(
    before: Option<&'a Permissions>,
    now: &'a Permissions,
) -> impl Iterator<Item = (&'a Permission, bool)> {
    now.iter()
        .map(|(permission, allowed)| (permission, *allowed))
        .filter(move |(permission, allowed)| {
            let was = before.and_then(|before| before.get(permission)).copied();
            was.unwrap_or(true) != *allowed
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(verb: &str) -> Permission {
        Permission {
            group: String::new(),
            resource: "services".to_owned(),
            verb: verb.to_owned(),
            scope: EVERYWHERE.to_owned(),
        }
    }

    fn answers(list: bool, watch: bool) -> Permissions {
        [(permission("list"), list), (permission("watch"), watch)].into()
    }

    #[test]
    fn only_what_changes_is_logged_and_at_the_start_only_what_is_refused() {
        let said = |before: Option<&Permissions>, now: &Permissions| -> Vec<(String, bool)> {
            changes(before, now)
                .map(|(permission, allowed)| (permission.verb.clone(), allowed))
                .collect()
        };
        let (none, some) = (answers(true, true), answers(true, false));
        assert_eq!(said(None, &none), []);
        assert_eq!(said(None, &some), [("watch".to_owned(), false)]);
        assert_eq!(said(Some(&some), &some), []);
        assert_eq!(said(Some(&some), &none), [("watch".to_owned(), true)]);
        assert_eq!(said(Some(&none), &some), [("watch".to_owned(), false)]);
    }

    #[test]
    fn the_whole_cluster_is_asked_for_without_a_namespace() {
        let namespace = |scope: &str| {
            let asked = Permission {
                scope: scope.to_owned(),
                ..permission("list")
            };
            let attributes = review(&asked, Some("kubernetes")).spec.resource_attributes;
            let attributes = attributes.unwrap();
            assert_eq!(attributes.name.as_deref(), Some("kubernetes"));
            attributes.namespace
        };
        assert_eq!(namespace(EVERYWHERE), None);
        assert_eq!(namespace("shop"), Some("shop".to_owned()));
    }
}
