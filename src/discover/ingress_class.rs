//! Which controller serves an Ingress, and what it is told of it: what is known of Ingresses, of
//! `IngressClass`es and of what these name together.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{IngressClass, IngressClassParametersReference};

use super::class_params::{self, Annotations};
use super::controller::{Manner, goes_by, manner};
use super::frontend_config;
use super::index::Index;
use super::ingress::{Facts, targets};
use super::object::shared;
use super::{Declared, Object, ObjectKey, backend, world};
use crate::model::{PlaintextRule, Target, UnixTime};

/// The kind that has targets.
const INGRESS: &str = "Ingress";

/// Marks the class of the Ingresses that name none (`IngressClass`).
const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

/// What is kept of an object.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    Ingress(Facts),
    Class(Class),
    /// Of `IngressClassParams`: the annotations that they stand before.
    Params(Annotations),
    /// Of a `FrontendConfig`: what it says of plaintext.
    Frontend(Option<PlaintextRule>),
}

/// What is kept of an `IngressClass`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Class {
    controller: Arc<str>,
    is_default: bool,
    parameters: Parameters,
    created: Option<UnixTime>,
}

/// Where a class says more (`spec.parameters`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Parameters {
    Nowhere,
    /// In the `IngressClassParams` of this name, of the kind that [`class_params::KINDS`] has by
    /// this one.
    Aws(&'static str, Arc<str>),
    /// In an object of another controller's own.
    Elsewhere,
}

impl Class {
    pub(super) fn of(created: Option<UnixTime>, class: &IngressClass) -> Self {
        let spec = class.spec.as_ref();
        let controller = spec.and_then(|spec| spec.controller.as_deref());
        let parameters = spec.and_then(|spec| spec.parameters.as_ref());
        let annotations = class.metadata.annotations.as_ref();
        Self {
            controller: controller.unwrap_or_default().into(),
            parameters: parameters.map_or(Parameters::Nowhere, Parameters::of),
            is_default: annotations
                .and_then(|annotations| annotations.get(DEFAULT))
                .is_some_and(|value| value == "true"),
            created,
        }
    }

    /// Adds to the targets of an Ingress of this class what it declares that is worth a finding.
    fn remark(&self, told: &Told<'_>, manner: &Manner, targets: &mut [Target]) {
        let annotations = &told.annotations;
        let open = world::open_ingress(&self.controller, told.unknown_parameters, annotations);
        // Where the back end has the certificate, TLS does not end before it.
        let clear = backend::behind_ingress(&self.controller, annotations)
            .filter(|_| !manner.certificate_elsewhere);
        for target in targets {
            let clear = clear.iter().filter(|_| target.expect.tls);
            target.expect.remarks = shared(open.iter().chain(clear).cloned());
        }
    }
}

impl Parameters {
    fn of(written: &IngressClassParametersReference) -> Self {
        match class_params::meant(written.api_group.as_deref(), &written.kind) {
            Some(kind) => Self::Aws(kind.name, written.name.as_str().into()),
            None => Self::Elsewhere,
        }
    }
}

/// What the controller is told of an Ingress: its annotations, but for those that the parameters of
/// its class stand before.
struct Told<'a> {
    annotations: Cow<'a, Annotations>,
    /// The class has parameters of which nothing is known.
    unknown_parameters: bool,
}

/// What Ingresses name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Named {
    /// A class, or none.
    Class(Option<Arc<str>>),
    /// A `FrontendConfig`, by its namespace and name.
    Frontend(Arc<str>, Arc<str>),
}

impl Named {
    /// All that an Ingress names.
    fn by(key: &ObjectKey, facts: Option<&Facts>) -> Vec<Self> {
        let class = facts.and_then(|facts| facts.class.clone());
        let frontend = facts.and_then(|facts| facts.annotations.get(frontend_config::ANNOTATION));
        let frontend =
            frontend.map(|name| Self::Frontend(Arc::clone(&key.namespace), name.trim().into()));
        std::iter::once(Self::Class(class))
            .chain(frontend)
            .collect()
    }
}

/// All Ingresses, their classes, and what these and they name.
#[derive(Default)]
pub(super) struct Ingresses {
    /// Boxed: a large table is half empty.
    objects: HashMap<ObjectKey, Box<Object<Facts>>>,
    /// The Ingresses that name it.
    members: HashMap<Named, BTreeSet<ObjectKey>>,
    classes: HashMap<Arc<str>, Class>,
    params: HashMap<Parameters, Annotations>,
    /// What each says of plaintext.
    frontends: HashMap<Named, PlaintextRule>,
}

impl Index for Ingresses {
    type Kept = Kept;

    fn put(&mut self, object: Object<Kept>) -> Vec<ObjectKey> {
        let key = ObjectKey::from(&object.owner);
        let facts = match object.kept {
            Some(Kept::Class(class)) => return self.set_class(&key.name, Some(class)),
            Some(Kept::Params(params)) => return self.set_params(&key, Some(&params)),
            Some(Kept::Frontend(plaintext)) => return self.set_frontend(&key, plaintext),
            // What cannot be read counts for nothing.
            None if key.kind != INGRESS => return self.take(&key),
            Some(Kept::Ingress(facts)) => Some(facts),
            None => None,
        };
        self.forget(&key);
        for named in Named::by(&key, facts.as_ref()) {
            self.members.entry(named).or_default().insert(key.clone());
        }
        let ingress = Object {
            owner: object.owner,
            marks: object.marks,
            kept: facts,
        };
        self.objects.insert(key.clone(), Box::new(ingress));
        vec![key]
    }

    fn take(&mut self, key: &ObjectKey) -> Vec<ObjectKey> {
        match key.kind {
            INGRESS => {
                self.forget(key);
                vec![key.clone()]
            }
            kind if class_params::are(kind) => self.set_params(key, None),
            kind if kind == frontend_config::KIND.name => self.set_frontend(key, None),
            _ => self.set_class(&key.name, None),
        }
    }

    fn declared(&self, key: &ObjectKey) -> Option<Declared> {
        let ingress = self.objects.get(key)?;
        let targets = ingress.kept.as_ref().map(|facts| {
            let controller = self.controller(facts.class.as_ref());
            let class = self.class(facts.class.as_ref());
            let told = self.told(facts, class);
            let mut manner = manner(controller, &told.annotations);
            if let Some(name) = &manner.frontend {
                let named = Named::Frontend(Arc::clone(&key.namespace), name.as_str().into());
                let frontend = self.frontends.get(&named).copied();
                manner.plaintext = manner.plaintext.or(frontend);
            }
            let mut found = targets(&ingress.owner, facts, &manner);
            if let Some(class) = class {
                class.remark(&told, &manner, &mut found.0);
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

impl Ingresses {
    fn forget(&mut self, key: &ObjectKey) {
        let Some(ingress) = self.objects.remove(key) else {
            return;
        };
        for named in Named::by(key, ingress.kept.as_ref()) {
            if let Some(members) = self.members.get_mut(&named) {
                members.remove(key);
                if members.is_empty() {
                    self.members.remove(&named);
                }
            }
        }
    }

    /// The Ingresses that name one of these.
    fn members(&self, named: impl IntoIterator<Item = Named>) -> Vec<ObjectKey> {
        let named = named.into_iter();
        let members = named.filter_map(|named| self.members.get(&named));
        members.flatten().cloned().collect()
    }

    /// Puts a class, or takes it away. Gives the Ingresses that this may concern.
    fn set_class(&mut self, name: &Arc<str>, class: Option<Class>) -> Vec<ObjectKey> {
        let before = self.classes.get(name).cloned();
        if !set(&mut self.classes, Arc::clone(name), class.as_ref()) {
            return Vec::new();
        }
        let default = [before, class]
            .iter()
            .flatten()
            .any(|class| class.is_default);
        let mut concerned = vec![Some(Arc::clone(name))];
        concerned.extend(default.then_some(None));
        self.members(concerned.into_iter().map(Named::Class))
    }

    /// Puts the parameters of classes, or takes them away. Gives the Ingresses that this may concern.
    fn set_params(&mut self, key: &ObjectKey, params: Option<&Annotations>) -> Vec<ObjectKey> {
        let theirs = Parameters::Aws(key.kind, Arc::clone(&key.name));
        if !set(&mut self.params, theirs.clone(), params) {
            return Vec::new();
        }
        let classes = (self.classes.iter()).filter(|(_, class)| class.parameters == theirs);
        let concerned = classes.flat_map(|(name, class)| {
            let without = class.is_default.then_some(None);
            [Some(Arc::clone(name))].into_iter().chain(without)
        });
        self.members(concerned.map(Named::Class))
    }

    /// Puts what a `FrontendConfig` says, or takes it away. Gives the Ingresses that this may concern.
    fn set_frontend(
        &mut self,
        key: &ObjectKey,
        plaintext: Option<PlaintextRule>,
    ) -> Vec<ObjectKey> {
        let named = Named::Frontend(Arc::clone(&key.namespace), Arc::clone(&key.name));
        if !set(&mut self.frontends, named.clone(), plaintext.as_ref()) {
            return Vec::new();
        }
        self.members([named])
    }

    /// What the controller is told of an Ingress of this class.
    fn told<'a>(&self, facts: &'a Facts, class: Option<&Class>) -> Told<'a> {
        let own = Cow::Borrowed(&facts.annotations);
        let parameters = class.map_or(&Parameters::Nowhere, |class| &class.parameters);
        let params = self.params.get(parameters);
        Told {
            unknown_parameters: *parameters != Parameters::Nowhere && params.is_none(),
            annotations: match params {
                Some(params) => {
                    let mut told = own.into_owned();
                    told.extend(params.clone());
                    Cow::Owned(told)
                }
                None => own,
            },
        }
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

/// Puts a value, or takes it away. Says whether that changes anything.
fn set<K: Eq + Hash, V: Clone + PartialEq>(
    map: &mut HashMap<K, V>,
    key: K,
    value: Option<&V>,
) -> bool {
    let before = match value {
        Some(value) => map.insert(key, value.clone()),
        None => map.remove(&key),
    };
    before.as_ref() != value
}

#[cfg(test)]
#[path = "ingress_class_test.rs"]
mod tests;
