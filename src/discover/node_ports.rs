//! Services and nodes as one: what each Service comes to, its node ports at some of the nodes.
//!
//! Every node serves a node port alike, so a few stand for all: the first by a hash of the name,
//! which stay the same for as long as they are there and ready. A change of any other node costs
//! nothing, and one of theirs only what the Services with node ports cost.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use super::index::Index;
use super::node::NodeFacts;
use super::object::Object;
use super::service::{self, Exposed};
use super::{Declared, ObjectKey};

/// What is kept of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kept {
    Service(Exposed),
    Node(NodeFacts),
}

/// All Services, and the nodes that their node ports are looked at.
#[derive(Debug)]
pub(super) struct NodePorts {
    /// This program runs in the cluster.
    inside: bool,
    /// How many nodes stand for all.
    count: usize,
    /// The addresses of those that are ready and have any, in the order in which they are chosen.
    nodes: BTreeMap<(u64, Arc<str>), Vec<IpAddr>>,
    /// Those of the chosen.
    chosen: Vec<IpAddr>,
    services: HashMap<ObjectKey, Object<Kept>>,
    /// Those of `services` that have node ports.
    at_nodes: BTreeSet<ObjectKey>,
}

impl NodePorts {
    /// Of a cluster, seen from `inside` it or not, at `count` of its nodes.
    pub(super) fn new(inside: bool, count: usize) -> Self {
        Self {
            inside,
            count,
            nodes: BTreeMap::new(),
            chosen: Vec::new(),
            services: HashMap::new(),
            at_nodes: BTreeSet::new(),
        }
    }

    /// Takes a node's addresses, none where no node port is to be looked at there. Gives what that
    /// touches.
    fn set_node(&mut self, name: &Arc<str>, addresses: Vec<IpAddr>) -> Vec<ObjectKey> {
        let turn = (hash(name), Arc::clone(name));
        if addresses.is_empty() {
            self.nodes.remove(&turn);
        } else {
            self.nodes.insert(turn, addresses);
        }
        let chosen = self.nodes.values().take(self.count).flatten();
        let chosen: Vec<_> = chosen.copied().collect();
        if chosen == self.chosen {
            return Vec::new();
        }
        self.chosen = chosen;
        self.at_nodes.iter().cloned().collect()
    }

    fn set_service(&mut self, key: ObjectKey, object: Object<Kept>) -> Vec<ObjectKey> {
        let has_node_ports =
            matches!(&object.kept, Some(Kept::Service(exposed)) if exposed.has_node_ports());
        if has_node_ports {
            self.at_nodes.insert(key.clone());
        } else {
            self.at_nodes.remove(&key);
        }
        self.services.insert(key.clone(), object);
        vec![key]
    }
}

/// The same in every run of one build, so that a restart chooses alike.
fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl Index for NodePorts {
    type Kept = Kept;

    fn put(&mut self, object: Object<Kept>) -> Vec<ObjectKey> {
        let key = ObjectKey::from(&object.owner);
        match object.kept {
            Some(Kept::Node(node)) if node.ready => self.set_node(&key.name, node.addresses),
            Some(Kept::Node(_)) => self.set_node(&key.name, Vec::new()),
            None if key.kind == super::node::KIND.name => self.set_node(&key.name, Vec::new()),
            Some(Kept::Service(_)) | None => self.set_service(key, object),
        }
    }

    fn take(&mut self, key: &ObjectKey) -> Vec<ObjectKey> {
        if key.kind == super::node::KIND.name {
            return self.set_node(&key.name, Vec::new());
        }
        self.at_nodes.remove(key);
        self.services.remove(key);
        vec![key.clone()]
    }

    fn declared(&self, key: &ObjectKey) -> Option<Declared> {
        let object = self.services.get(key)?;
        let targets = match &object.kept {
            Some(Kept::Service(exposed)) => {
                let owner = &object.owner;
                Some(service::targets(owner, exposed, &self.chosen, self.inside))
            }
            Some(Kept::Node(_)) | None => None,
        };
        Some(Declared::from(Object {
            owner: object.owner.clone(),
            marks: Arc::clone(&object.marks),
            kept: targets,
        }))
    }
}

#[cfg(test)]
#[path = "node_ports_test.rs"]
mod tests;
