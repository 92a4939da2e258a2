//! Lists of targets in Prometheus's `file_sd` format: groups of targets with labels, in YAML or
//! JSON. The labels are those that the configuration's rules match; they are no labels of metrics.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use tracing::warn;

use super::follow::Found;
use super::{NAME, owner};
use crate::config::{StaticTarget, host_port};
use crate::discover::{Declared, DropReason, Dropped, Marks, fixed, yaml};
use crate::model::{Owner, Target, clean};

/// A group of targets (Prometheus, `discovery/targetgroup`).
#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Reads a list.
pub(super) fn read(path: &Path, bytes: &[u8], _named: bool) -> Result<Found, String> {
    let text = str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let groups = parse(text)?;
    let declared = groups.into_iter().zip(1..).map(|(group, number)| {
        let mut owner = owner("TargetList", path);
        if number > 1 {
            owner.name = format!("{}#{number}", owner.name).into();
        }
        declared(owner, group)
    });
    Ok(Found {
        declared: declared.collect(),
        beside: Vec::new(),
    })
}

fn parse(text: &str) -> Result<Vec<Group>, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| clean(&error.to_string()));
    }
    yaml::read(text).map_err(|error| match error.location() {
        Some(at) => format!(
            "not a list of groups with `targets` and `labels`, at line {}, column {}",
            at.line(),
            at.column()
        ),
        None => "not a list of groups with `targets` and `labels`".to_owned(),
    })
}

fn declared(owner: Owner, group: Group) -> Declared {
    let mut labels = group.labels;
    let given = labels.len();
    labels.retain(|name, _| !name.starts_with("__"));
    if labels.len() < given {
        let list = &owner.name;
        warn!(%list, "labels that begin with __ are for Prometheus alone and are left out");
    }
    let marks = Marks {
        labels: labels.into(),
        ..Marks::default()
    };
    let mut declared = Declared::nothing(owner, Arc::new(marks));
    for written in &group.targets {
        match target(&declared.object, written) {
            Ok(target) => declared.targets.push(target),
            Err(what) => {
                let (list, target) = (&declared.object.name, clean(written));
                warn!(%list, target, what, "a target is left out");
                declared.dropped.push(Dropped {
                    host: target.into(),
                    reason: DropReason::Unsupported,
                });
            }
        }
    }
    declared
}

/// `HOST:PORT`, `HOST`, or a URL, whose path is not asked for.
fn target(owner: &Owner, written: &str) -> Result<Target, String> {
    let authority = match written.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => {
            rest.split(['/', '?', '#']).next().unwrap_or_default()
        }
        Some(_) => return Err("only https is looked at".to_owned()),
        None => written,
    };
    let (host, port) = host_port(authority)?;
    let mut target = fixed::target(&StaticTarget {
        name: Arc::clone(&owner.name),
        host: host.into(),
        port,
        address: None,
        ca_file: None,
        http_port: None,
        starttls: None,
    });
    target.row.edit(|row| row.source = NAME);
    target.owners = vec![owner.clone()];
    Ok(target)
}

#[cfg(test)]
#[path = "list_test.rs"]
mod tests;
