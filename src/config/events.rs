//! Events on the objects that declare targets.

use super::field::{Field, Section};
use super::value;

/// Events on the objects that declare targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Whether there are any.
    pub enabled: bool,
}

impl Section for Events {
    const FIELDS: &'static [Field<Self>] = &[Field {
        name: "enabled",
        kind: "`true` or `false`",
        default: "false",
        meaning: "Whether there is an Event when a finding appears or is gone, which `kubectl describe` shows with the object. It takes the \
                  right to `create` `events.events.k8s.io`.",
        read: |events, written| written.set(&mut events.enabled, value::flag),
        inside: None,
    }];
}
