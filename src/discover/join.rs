//! Joins the parts of one source (one watch for each kind and namespace, say) into one stream.

use std::collections::BTreeSet;

use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::object::Keyed;
use super::{Health, MALFORMED, ObjectKey, Update};

/// One stream that says what all the parts say.
///
/// A part's listing is complete for that part alone: it arrives as the changes and departures it
/// comes to. The source is well once every part is; a part's failure is passed on each time.
pub(super) fn join<T: Keyed + Send + 'static>(
    mut parts: Vec<BoxStream<'static, Update<T>>>,
) -> BoxStream<'static, Update<T>> {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let mut states = Parts::new(parts.len());
    numbered(parts)
        .flat_map(move |(part, update)| stream::iter(states.take(part, update)))
        .boxed()
}

/// What all the parts say, each with its part's number.
pub(super) fn numbered<T: Send + 'static>(
    parts: Vec<BoxStream<'static, Update<T>>>,
) -> BoxStream<'static, (usize, Update<T>)> {
    let numbered = parts.into_iter().enumerate();
    stream::select_all(
        numbered.map(|(number, part)| part.map(move |update| (number, update)).boxed()),
    )
    .boxed()
}

/// What the parts of a source have said so far.
pub(super) struct Parts(Vec<Part>);

/// What one part has said so far.
#[derive(Default)]
struct Part {
    known: BTreeSet<ObjectKey>,
    /// `None` before it has said either that it has listed or that it cannot.
    health: Option<Health>,
    listed: bool,
}

impl Parts {
    pub(super) fn new(count: usize) -> Self {
        Self((0..count).map(|_| Part::default()).collect())
    }

    /// What an update of this part comes to for the source: never a listing.
    pub(super) fn take<T: Keyed>(&mut self, part: usize, update: Update<T>) -> Vec<Update<T>> {
        let Some(part) = self.0.get_mut(part) else {
            return Vec::new();
        };
        match update {
            Update::Listed(listed) => part.list(listed),
            Update::Changed(object) => {
                part.known.insert(object.key());
                vec![Update::Changed(object)]
            }
            Update::Gone(key) => {
                part.known.remove(&key);
                vec![Update::Gone(key)]
            }
            Update::Health(health) => {
                part.health = Some(health.clone());
                self.merged(health)
                    .map(Update::Health)
                    .into_iter()
                    .collect()
            }
        }
    }

    /// Whether each part has listed what it has, or said that it cannot.
    pub(super) fn all_heard(&self) -> bool {
        let failed = |part: &Part| match &part.health {
            Some(Health::Failed { reason, .. }) => *reason != MALFORMED,
            Some(Health::Synced(_) | Health::Absent(_)) => true,
            None => false,
        };
        self.0.iter().all(|part| part.listed || failed(part))
    }

    /// What one part's health comes to for the source. It has what any of its parts has.
    fn merged(&self, health: Health) -> Option<Health> {
        let at = match health {
            Health::Failed { .. } => return Some(health),
            Health::Synced(at) | Health::Absent(at) => at,
        };
        let (mut well, mut any_synced) = (true, false);
        for part in &self.0 {
            well &= matches!(part.health, Some(Health::Synced(_) | Health::Absent(_)));
            any_synced |= matches!(part.health, Some(Health::Synced(_)));
        }
        let merged = if any_synced {
            Health::Synced(at)
        } else {
            health
        };
        well.then_some(merged)
    }
}

impl Part {
    fn list<T: Keyed>(&mut self, listed: Vec<T>) -> Vec<Update<T>> {
        self.listed = true;
        let now = listed.iter().map(Keyed::key).collect();
        let before = std::mem::replace(&mut self.known, now);
        let gone = before.difference(&self.known).cloned().map(Update::Gone);
        gone.chain(listed.into_iter().map(Update::Changed))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::channel::mpsc;

    use super::super::Declared;
    use super::*;
    use crate::model::{Owner, UnixTime};

    fn declared(name: &str) -> Declared {
        let object = Owner {
            created: None,
            kind: "Ingress",
            namespace: "a".into(),
            name: name.into(),
        };
        Declared::nothing(object, Arc::default())
    }

    fn said(update: &Update) -> String {
        match update {
            Update::Listed(list) => format!("listed {}", list.len()),
            Update::Changed(declared) => format!("changed {}", declared.object.name),
            Update::Gone(key) => format!("gone {}", key.name),
            Update::Health(Health::Synced(at)) => format!("synced {}", at.as_secs()),
            Update::Health(Health::Absent(_)) => "absent".into(),
            Update::Health(Health::Failed { reason, .. }) => format!("failed {reason}"),
        }
    }

    fn synced(at: i64) -> Update {
        Update::Health(Health::Synced(UnixTime::from_secs(at)))
    }

    fn failed() -> Update {
        Update::Health(Health::Failed {
            reason: "forbidden",
            detail: String::new(),
        })
    }

    struct Said {
        send: Vec<mpsc::UnboundedSender<Update>>,
        joined: BoxStream<'static, Update>,
    }

    impl Said {
        fn new(count: usize) -> Self {
            let (send, receive): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::unbounded()).unzip();
            Self {
                send,
                joined: join(receive.into_iter().map(StreamExt::boxed).collect()),
            }
        }

        fn say(&mut self, part: usize, update: Update) -> Vec<String> {
            self.send[part].unbounded_send(update).unwrap();
            let mut heard = Vec::new();
            while let Some(Some(update)) = futures::FutureExt::now_or_never(self.joined.next()) {
                heard.push(said(&update));
            }
            heard
        }
    }

    #[test]
    fn a_parts_listing_leaves_the_other_parts_objects_alone() {
        let mut parts = Said::new(2);
        assert_eq!(
            parts.say(0, Update::Listed(vec![declared("x"), declared("y")])),
            ["changed x", "changed y"]
        );
        assert_eq!(
            parts.say(1, Update::Listed(vec![declared("z")])),
            ["changed z"]
        );
        assert_eq!(parts.say(0, Update::Changed(declared("w"))), ["changed w"]);
        assert_eq!(
            parts.say(0, Update::Listed(vec![declared("y")])),
            ["gone w", "gone x", "changed y"]
        );
        assert_eq!(parts.say(1, Update::Listed(vec![])), ["gone z"]);
    }

    #[test]
    fn a_source_is_synced_when_its_last_part_is() {
        let mut parts = Said::new(2);
        assert_eq!(parts.say(0, synced(1)), [""; 0]);
        assert_eq!(parts.say(1, failed()), ["failed forbidden"]);
        assert_eq!(parts.say(0, synced(2)), [""; 0]);
        assert_eq!(parts.say(1, synced(3)), ["synced 3"]);
        assert_eq!(parts.say(0, synced(4)), ["synced 4"]);
    }

    #[test]
    fn a_source_has_its_kind_if_any_of_its_parts_has() {
        let absent = || Update::Health(Health::Absent(UnixTime::from_secs(9)));
        let mut parts = Said::new(2);
        assert_eq!(parts.say(0, absent()), [""; 0]);
        assert_eq!(parts.say(1, absent()), ["absent"]);
        assert_eq!(parts.say(1, synced(2)), ["synced 2"]);
        assert_eq!(parts.say(0, absent()), ["synced 9"]);
    }

    #[test]
    fn a_part_that_ends_does_not_end_the_others() {
        let mut parts = Said::new(2);
        parts.say(0, synced(1));
        let (closed, _) = mpsc::unbounded();
        parts.send[0] = closed;
        assert_eq!(parts.say(1, synced(2)), ["synced 2"]);
    }

    #[test]
    fn one_part_alone_passes_unchanged() {
        let mut parts = Said::new(1);
        assert_eq!(
            parts.say(0, Update::Listed(vec![declared("x")])),
            ["listed 1"]
        );
        assert_eq!(parts.say(0, synced(1)), ["synced 1"]);
    }
}
