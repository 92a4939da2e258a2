//! Joins the parts of one source (one watch for each namespace, say) into one stream of updates.

use std::collections::BTreeSet;

use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::{Health, ObjectKey, Update};

/// One stream that says what all the parts say.
///
/// A part's listing is complete for that part alone: it arrives as the changes and departures it
/// comes to. The source is well once every part is; a part's failure is passed on each time.
pub(super) fn join(mut parts: Vec<BoxStream<'static, Update>>) -> BoxStream<'static, Update> {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let mut states: Vec<Part> = parts.iter().map(|_| Part::default()).collect();
    let numbered = parts.into_iter().enumerate();
    stream::select_all(
        numbered.map(|(index, part)| part.map(move |update| (index, update)).boxed()),
    )
    .flat_map(move |(index, update)| {
        let mut updates = Vec::new();
        if let Some(part) = states.get_mut(index) {
            updates = part.take(update);
        }
        let well = states.iter().all(|part| part.well);
        updates.retain(|update| well || !is_well(update));
        stream::iter(updates)
    })
    .boxed()
}

/// What one part has said so far.
#[derive(Default)]
struct Part {
    known: BTreeSet<ObjectKey>,
    well: bool,
}

impl Part {
    fn take(&mut self, update: Update) -> Vec<Update> {
        match update {
            Update::Listed(listed) => {
                let now = listed
                    .iter()
                    .map(|declared| ObjectKey::from(&declared.object))
                    .collect();
                let before = std::mem::replace(&mut self.known, now);
                let gone = before.difference(&self.known).cloned().map(Update::Gone);
                gone.chain(listed.into_iter().map(Update::Changed))
                    .collect()
            }
            Update::Changed(declared) => {
                self.known.insert(ObjectKey::from(&declared.object));
                vec![Update::Changed(declared)]
            }
            Update::Gone(key) => {
                self.known.remove(&key);
                vec![Update::Gone(key)]
            }
            Update::Health(health) => {
                self.well = !matches!(health, Health::Failed { .. });
                vec![Update::Health(health)]
            }
        }
    }
}

fn is_well(update: &Update) -> bool {
    matches!(
        update,
        Update::Health(Health::Synced(_) | Health::Absent(_))
    )
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
        Declared {
            object,
            labels: Arc::default(),
            targets: Vec::new(),
            dropped: Vec::new(),
        }
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

    struct Parts {
        send: Vec<mpsc::UnboundedSender<Update>>,
        joined: BoxStream<'static, Update>,
    }

    impl Parts {
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
        let mut parts = Parts::new(2);
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
        let mut parts = Parts::new(2);
        assert_eq!(parts.say(0, synced(1)), [""; 0]);
        assert_eq!(parts.say(1, failed()), ["failed forbidden"]);
        assert_eq!(parts.say(0, synced(2)), [""; 0]);
        assert_eq!(parts.say(1, synced(3)), ["synced 3"]);
        assert_eq!(parts.say(0, synced(4)), ["synced 4"]);
    }

    #[test]
    fn a_part_that_ends_does_not_end_the_others() {
        let mut parts = Parts::new(2);
        parts.say(0, synced(1));
        let (closed, _) = mpsc::unbounded();
        parts.send[0] = closed;
        assert_eq!(parts.say(1, synced(2)), ["synced 2"]);
    }

    #[test]
    fn one_part_alone_passes_unchanged() {
        let mut parts = Parts::new(1);
        assert_eq!(
            parts.say(0, Update::Listed(vec![declared("x")])),
            ["listed 1"]
        );
        assert_eq!(parts.say(0, synced(1)), ["synced 1"]);
    }
}
