//! Which controller serves an Ingress: what is known of Ingresses and `IngressClass`es together.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::api::networking::v1::IngressClass;

use super::controller::{Manner, goes_by, manner};
use super::index::Index;
use super::ingress::{Facts, targets};
use super::{Declared, Object, ObjectKey, backend, world};
use crate::model::{Target, UnixTime};

/// Marks the class of the Ingresses that name none (`IngressClass`).
const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

/// What is kept of either kind.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    Ingress(Facts),
    Class(Class),
}

/// What is kept of an `IngressClass`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Class {
    controller: Arc<str>,
    is_default: bool,
    /// More is said in an object of the controller's own (`spec.parameters`).
    has_parameters: bool,
    created: Option<UnixTime>,
}

impl Class {
    pub(super) fn of(created: Option<UnixTime>, class: &IngressClass) -> Self {
        let controller = class
            .spec
            .as_ref()
            .and_then(|spec| spec.controller.as_deref());
        let annotations = class.metadata.annotations.as_ref();
        Self {
            controller: controller.unwrap_or_default().into(),
            has_parameters: (class.spec.as_ref()).is_some_and(|spec| spec.parameters.is_some()),
            is_default: annotations
                .and_then(|annotations| annotations.get(DEFAULT))
                .is_some_and(|value| value == "true"),
            created,
        }
    }
}

impl Class {
    /// Adds to the targets of an Ingress of this class what it declares that is worth a finding.
    fn remark(&self, facts: &Facts, manner: &Manner, targets: &mut [Target]) {
        let annotations = &facts.annotations;
        let open = world::open_ingress(&self.controller, self.has_parameters, annotations);
        // Where the back end has the certificate, TLS does not end before it.
        let clear = backend::behind_ingress(&self.controller, annotations)
            .filter(|_| !manner.certificate_elsewhere);
        for target in targets {
            let clear = clear.iter().filter(|_| target.expect.tls);
            target.expect.remarks = open.iter().chain(clear).cloned().collect();
        }
    }
}

/// All Ingresses and their classes.
#[derive(Default)]
pub(super) struct Ingresses {
    objects: HashMap<ObjectKey, Object<Facts>>,
    /// The Ingresses that name each class, or none.
    members: HashMap<Option<Arc<str>>, BTreeSet<ObjectKey>>,
    classes: HashMap<Arc<str>, Class>,
}

impl Index for Ingresses {
    type Kept = Kept;

    fn put(&mut self, object: Object<Kept>) -> Vec<ObjectKey> {
        let key = ObjectKey::from(&object.owner);
        let facts = match object.kept {
            Some(Kept::Class(class)) => return self.set_class(&key.name, Some(class)),
            None if is_class(&key) => return self.set_class(&key.name, None),
            Some(Kept::Ingress(facts)) => Some(facts),
            None => None,
        };
        self.forget(&key);
        let class = facts.as_ref().and_then(|facts| facts.class.clone());
        self.members.entry(class).or_default().insert(key.clone());
        let ingress = Object {
            owner: object.owner,
            marks: object.marks,
            kept: facts,
        };
        self.objects.insert(key.clone(), ingress);
        vec![key]
    }

    fn take(&mut self, key: &ObjectKey) -> Vec<ObjectKey> {
        if is_class(key) {
            return self.set_class(&key.name, None);
        }
        self.forget(key);
        vec![key.clone()]
    }

    fn declared(&self, key: &ObjectKey) -> Option<Declared> {
        let ingress = self.objects.get(key)?;
        let targets = ingress.kept.as_ref().map(|facts| {
            let controller = self.controller(facts.class.as_ref());
            let manner = manner(controller, &facts.annotations);
            let mut found = targets(&ingress.owner, facts, &manner);
            if let Some(class) = self.class(facts.class.as_ref()) {
                class.remark(facts, &manner, &mut found.0);
            }
            found
        });
        let object = Object {
            owner: ingress.owner.clone(),
            marks: Arc::clone(&ingress.marks),
            kept: targets,
        };
        Some(object.into())
    }
}

fn is_class(key: &ObjectKey) -> bool {
    key.kind == "IngressClass"
}

impl Ingresses {
    fn forget(&mut self, key: &ObjectKey) {
        let Some(ingress) = self.objects.remove(key) else {
            return;
        };
        let class = ingress.kept.and_then(|facts| facts.class);
        if let Some(members) = self.members.get_mut(&class) {
            members.remove(key);
            if members.is_empty() {
                self.members.remove(&class);
            }
        }
    }

    /// Puts a class, or takes it away. Gives the Ingresses that this may concern.
    fn set_class(&mut self, name: &Arc<str>, class: Option<Class>) -> Vec<ObjectKey> {
        let before = match class.clone() {
            Some(class) => self.classes.insert(Arc::clone(name), class),
            None => self.classes.remove(name),
        };
        if before == class {
            return Vec::new();
        }
        let default = [before, class]
            .iter()
            .flatten()
            .any(|class| class.is_default);
        let mut concerned = vec![Some(Arc::clone(name))];
        concerned.extend(default.then_some(None));
        let members = concerned.iter().filter_map(|class| self.members.get(class));
        members.flatten().cloned().collect()
    }

    /// The controller of a class, or of the default one; `None` where that cannot be known.
    fn controller<'a>(&'a self, class: Option<&'a Arc<str>>) -> Option<&'a str> {
        match (self.class(class), class) {
            (Some(class), _) => Some(&class.controller),
            (None, Some(name)) => goes_by(name).then_some(&**name),
            (None, None) => None,
        }
    }

    /// A class, or the default one.
    fn class(&self, name: Option<&Arc<str>>) -> Option<&Class> {
        match name {
            Some(name) => self.classes.get(name),
            None => self.default_class(),
        }
    }

    /// Of several default classes the youngest, as the API server chooses (its admission plugin
    /// `DefaultIngressClass`), and of those the first by name.
    fn default_class(&self) -> Option<&Class> {
        let defaults = self.classes.iter().filter(|(_, class)| class.is_default);
        let youngest = defaults.max_by(|(name, class), (other_name, other)| {
            let by_age = class.created.cmp(&other.created);
            by_age.then_with(|| other_name.cmp(name))
        });
        youngest.map(|(_, class)| class)
    }
}

#[cfg(test)]
#[path = "ingress_class_test.rs"]
mod tests;
