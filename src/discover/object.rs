//! Objects of the cluster, read down to what their source needs of them.

use std::sync::Arc;

use super::{Declared, DropReason, Dropped, Marks, ObjectKey, Update};
use crate::model::{Owner, Target};

/// An object, and what its source keeps of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Object<T> {
    /// Which it is.
    pub(super) owner: Owner,
    /// What its metadata say besides.
    pub(super) marks: Arc<Marks>,
    /// `None` where it does not have its kind's shape.
    pub(super) kept: Option<T>,
}

/// The targets that an object declares by itself, and what it declares that cannot be a target.
pub(super) type Targets = (Vec<Target>, Vec<Dropped>);

/// What a watch says, as its source's updates, where each object declares by itself.
pub(super) fn declared<T>(update: Update<Object<T>>) -> Update
where
    Declared: From<Object<T>>,
{
    match update {
        Update::Listed(objects) => {
            Update::Listed(objects.into_iter().map(Declared::from).collect())
        }
        Update::Changed(object) => Update::Changed(object.into()),
        Update::Gone(key) => Update::Gone(key),
        Update::Health(health) => Update::Health(health),
    }
}

impl From<Object<Targets>> for Declared {
    /// An object that could not be read declares one thing, which is dropped.
    fn from(object: Object<Targets>) -> Self {
        let unreadable = Dropped {
            host: Arc::default(),
            reason: DropReason::Unsupported,
        };
        let (targets, dropped) = object
            .kept
            .unwrap_or_else(|| (Vec::new(), vec![unreadable]));
        Self {
            targets,
            dropped,
            ..Self::nothing(object.owner, object.marks)
        }
    }
}

/// A list to be shared. One of nothing, as most targets have of most things, takes no memory.
pub(super) fn shared<T>(values: impl Iterator<Item = T>) -> Arc<[T]> {
    let mut values = values.peekable();
    if values.peek().is_none() {
        Arc::default()
    } else {
        values.collect()
    }
}

/// What belongs to one object.
pub(super) trait Keyed {
    /// The object's name within its source.
    fn key(&self) -> ObjectKey;
}

impl<T> Keyed for Object<T> {
    fn key(&self) -> ObjectKey {
        ObjectKey::from(&self.owner)
    }
}

impl Keyed for Declared {
    fn key(&self) -> ObjectKey {
        ObjectKey::from(&self.object)
    }
}
