//! What no single value shows: values that are right by themselves but not together.
//!
//! Runs on a configuration whose every value is right. Each problem is told at the value that is
//! written; a default gives way to it.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use super::field::Written;
use super::value::spelt;
use super::{Config, StaticTarget};

/// Fits the defaults to what is written, and reports every contradiction to `root`, which
/// `config` was read from.
pub(super) fn check(config: &mut Config, root: &Written<'_>) {
    if root.find("timeout").is_none() {
        config.timeout = config.timeout.min(config.interval);
    }
    timeout(config, root);
    expiry(config, root);
    namespaces(config, root);
    for (index, target) in config.targets.iter().enumerate() {
        http_port(index, target, root);
    }
    repeated_targets(config, root);
}

/// Reports at the first of `paths` that is written.
fn report(root: &Written<'_>, paths: &[&str], what: String) {
    if let Some(written) = paths.iter().find_map(|path| root.find(path)) {
        written.report(what);
    }
}

/// A probe has to end before the next of the same door is due.
fn timeout(config: &Config, root: &Written<'_>) {
    let interval = spelt(config.interval);
    if config.timeout > config.interval {
        let what = format!(
            "the timeout ({}) is longer than the interval ({interval}); \
             write a `timeout` of at most {interval}",
            spelt(config.timeout),
        );
        report(root, &["timeout"], what);
    }
}

fn expiry(config: &Config, root: &Written<'_>) {
    let (warning, critical) = (config.expiry.warning, config.expiry.critical);
    if critical.share > warning.share {
        let what = above("share", critical.share, warning.share);
        report(
            root,
            &["expiry.critical.share", "expiry.warning.share"],
            what,
        );
    }
    if critical.cap > warning.cap {
        let (critical, warning) = (spelt(critical.cap), spelt(warning.cap));
        let what = above("cap", critical, warning);
        report(root, &["expiry.critical.cap", "expiry.warning.cap"], what);
    }
}

fn above(what: &str, critical: impl Display, warning: impl Display) -> String {
    format!(
        "the critical {what} ({critical}) is above the warning's ({warning}); \
         write an `expiry.critical.{what}` of at most {warning}"
    )
}

fn namespaces(config: &Config, root: &Written<'_>) {
    let paths = |index| format!("namespaces[{index}]");
    repeated(&config.namespaces, |name| name, paths, root);
}

fn http_port(index: usize, target: &StaticTarget, root: &Written<'_>) {
    let Some(port) = target.http_port else { return };
    let what = if target.starttls.is_some() {
        "HTTP in clear is not looked for beside `starttls`; remove one of the two"
    } else if port == target.port {
        "the port of `url`, where plaintext is looked for anyway; remove it"
    } else {
        return;
    };
    report(
        root,
        &[&format!("targets[{index}].http_port")],
        what.to_owned(),
    );
}

/// Two targets with one name, or at one place, would be one row of the metrics.
fn repeated_targets(config: &Config, root: &Written<'_>) {
    let names = |index| format!("targets[{index}].name");
    repeated(&config.targets, |target| &target.name, names, root);
    let names = |index| format!("expectations[{index}].name");
    repeated(&config.expectations, |one| &one.name, names, root);
}

/// Reports every item whose key an earlier one has.
fn repeated<'a, T, K: Eq + Hash>(
    items: &'a [T],
    key: impl Fn(&'a T) -> K,
    path: impl Fn(usize) -> String,
    root: &Written<'_>,
) {
    let mut first = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let earlier = *first.entry(key(item)).or_insert(index);
        if earlier != index {
            let what = format!("the same as {}; keep one of the two", path(earlier));
            report(root, &[&path(index)], what);
        }
    }
}
