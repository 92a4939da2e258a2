//! Tests of the catalogue: what rows come of which objects.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::Dropped;
use super::*;
use crate::config::{Caps, RuleMatch};
use crate::model::{
    Address, Expectation, PlainDoor, Remark, RemarkKind, RequestPath, Requests, Row, RowParts,
    TlsDoor, UnixTime,
};

const NO_CAPS: Caps = Caps {
    total: usize::MAX,
    per_namespace: usize::MAX,
};

fn owner(name: &str, created: i64) -> Owner {
    let created = Some(UnixTime::from_secs(created));
    Owner {
        created,
        kind: "Ingress",
        namespace: "trade".into(),
        name: name.into(),
    }
}

fn target(owner: &Owner, host: &str, address: &str, tls: bool) -> Target {
    let (host, dialled) = (Arc::<str>::from(host), Address::parse(address));
    let door = |port| {
        let (address, host) = (dialled.clone(), Arc::clone(&host));
        Arc::new(PlainDoor {
            address,
            port,
            host,
            path: RequestPath::default(),
            guarded: true,
        })
    };
    Target {
        row: RowParts {
            source: "ingress",
            namespace: Arc::clone(&owner.namespace),
            host: Arc::clone(&host),
            port: 443,
            address: address.into(),
            name: Arc::clone(&owner.name),
        }
        .into(),
        tls: Arc::new(TlsDoor {
            address: dialled.clone(),
            port: 443,
            server_name: Some(Arc::clone(&host)),
            starttls: None,
            guarded: true,
            requests: Requests::Nothing,
        }),
        plaintext: vec![door(443), door(80)],
        expect: Expectation {
            tls,
            name: Some(host),
            roots: RootsRef::Public,
            plaintext: PlaintextRule::Redirect,
            ..Expectation::default()
        },
        owners: vec![owner.clone()],
    }
}

/// An object created at `created` that declares (host, address, TLS).
fn object(name: &str, created: i64, targets: &[(&str, &str, bool)]) -> Declared {
    let object = owner(name, created);
    Declared {
        targets: targets
            .iter()
            .map(|(host, at, tls)| target(&object, host, at, *tls))
            .collect(),
        ..Declared::nothing(object, Arc::default())
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::from(&owner(name, 0))
}

/// A catalogue, and the rows as someone knows them who only hears of changes.
struct Known {
    catalog: Catalog,
    rows: BTreeMap<Place, Arc<Target>>,
}

impl Known {
    fn new(rules: Vec<Rule>, caps: Caps) -> Self {
        Self {
            catalog: Catalog::new(&Config {
                caps,
                rules,
                ..Config::default()
            }),
            rows: BTreeMap::new(),
        }
    }

    /// Gives the changes as `+ name host address` and `- name host address`.
    fn hear(&mut self, update: Update) -> Vec<String> {
        let changes = self.catalog.apply("ingress", update);
        let line = |sign, row: &Row| format!("{sign} {} {} {}", row.name, row.host, row.address);
        changes
            .into_iter()
            .map(|change| match change {
                Change::Target(target) => {
                    let text = line('+', &target.row);
                    self.rows.insert(target.row.place().clone(), target);
                    text
                }
                Change::Gone(place) => {
                    let gone = self.rows.remove(&place);
                    line('-', &gone.expect("a row goes once").row)
                }
                Change::Stored(object) => format!("+ stored {}", object.place.name),
                Change::StoredGone(place) => format!("- stored {}", place.name),
            })
            .collect()
    }

    fn dropped(&self, reason: DropReason) -> usize {
        let counts = self.catalog.dropped("ingress");
        counts.iter().find(|(r, _)| *r == reason).unwrap().1
    }

    fn row(&self, host: &str, address: &str) -> &Target {
        let found = |row: &&Place| &*row.host == host && &*row.address == address;
        &self.rows[self.rows.keys().find(found).unwrap()]
    }
}

const A: &str = "192.0.2.1";
const B: &str = "192.0.2.2";
const C: &str = "192.0.2.3";

#[test]
fn an_object_appears_changes_and_goes() {
    let mut known = Known::new(vec![], NO_CAPS);
    assert_eq!(
        known.hear(Update::Changed(object("shop", 1, &[("a", A, true)]))),
        ["+ shop a 192.0.2.1"]
    );
    assert_eq!(
        known.hear(Update::Changed(object("shop", 1, &[("a", A, true)]))),
        [""; 0]
    );
    assert_eq!(
        known.hear(Update::Changed(object("shop", 1, &[("b", A, true)]))),
        ["+ shop b 192.0.2.1", "- shop a 192.0.2.1"]
    );
    assert_eq!(
        known.hear(Update::Gone(key("shop"))),
        ["- shop b 192.0.2.1"]
    );
    assert_eq!(known.hear(Update::Gone(key("shop"))), [""; 0]);
}

#[test]
fn a_listing_voids_what_it_does_not_have() {
    let mut known = Known::new(vec![], NO_CAPS);
    known.hear(Update::Listed(vec![
        object("x", 1, &[("a", A, true)]),
        object("y", 1, &[("b", A, true)]),
    ]));
    assert_eq!(
        known.hear(Update::Listed(vec![object("y", 1, &[("b", A, true)])])),
        ["- x a 192.0.2.1"]
    );
}

#[test]
fn a_listing_leaves_other_sources_alone() {
    let mut known = Known::new(vec![], NO_CAPS);
    known.hear(Update::Listed(vec![object("x", 1, &[("a", A, true)])]));
    assert_eq!(known.catalog.apply("static", Update::Listed(vec![])), []);
    assert_eq!(known.rows.len(), 1);
}

#[test]
fn a_row_of_several_objects_is_named_by_the_oldest_and_lists_them_all() {
    let mut known = Known::new(vec![], NO_CAPS);
    known.hear(Update::Changed(object("young", 9, &[("a", A, true)])));
    assert_eq!(
        known.hear(Update::Changed(object("old", 1, &[("a", A, true)]))),
        ["+ old a 192.0.2.1"]
    );
    let owners: Vec<_> = known
        .row("a", A)
        .owners
        .iter()
        .map(|o| o.name.to_string())
        .collect();
    assert_eq!(owners, ["old", "young"]);
    assert_eq!(
        known.hear(Update::Gone(key("old"))),
        ["+ young a 192.0.2.1"]
    );
}

#[test]
fn all_addresses_of_a_host_have_one_name_and_one_declaration() {
    let mut known = Known::new(vec![], NO_CAPS);
    known.hear(Update::Changed(object("young", 9, &[("a", A, true)])));
    assert_eq!(
        known.hear(Update::Changed(object("old", 1, &[("a", B, false)]))),
        ["+ old a 192.0.2.1", "+ old a 192.0.2.2"]
    );
    assert!(known.row("a", B).expect.tls);
    assert_eq!(known.row("a", B).owners[0].name, "old".into());
    assert_eq!(known.row("a", A).owners[0].name, "young".into());
    known.hear(Update::Gone(key("young")));
    assert!(!known.row("a", B).expect.tls);
}

#[test]
fn rows_without_a_host_keep_their_own_names() {
    let mut known = Known::new(vec![], NO_CAPS);
    known.hear(Update::Changed(object("one", 1, &[("", A, true)])));
    assert_eq!(
        known.hear(Update::Changed(object("two", 2, &[("", B, false)]))),
        ["+ two  192.0.2.2"]
    );
}

#[test]
fn the_oldest_owner_that_declares_tls_decides() {
    let mut known = Known::new(vec![], NO_CAPS);
    let mut second = object("second", 2, &[("a", A, true)]);
    second.targets[0].expect.name = Some("stand-in".into());
    known.hear(Update::Listed(vec![
        object("first", 1, &[("a", A, false)]),
        second,
        object("third", 3, &[("a", A, true)]),
    ]));
    let target = known.row("a", A);
    assert_eq!(&*target.row.name, "first");
    assert_eq!(target.expect.name.as_deref(), Some("stand-in"));
    assert!(target.expect.tls);
}

/// The object with this remark on all of its targets.
fn remarking(kind: RemarkKind, mut object: Declared) -> Declared {
    let remark = Remark::new(kind, &*object.object.name);
    for target in &mut object.targets {
        target.expect.remarks = [remark.clone()].into();
    }
    object
}

#[test]
fn the_remarks_of_all_who_declare_a_row_count_but_for_those_who_ask_to_be_left_alone() {
    use RemarkKind::{BackendInClear, OpenToTheWorld};
    let mut known = Known::new(Vec::new(), NO_CAPS);
    let object = |name, created| object(name, created, &[("h", "192.0.2.1", true)]);
    let said = |known: &Known| -> Vec<_> {
        let remarks = known.row("h", "192.0.2.1").expect.remarks.iter();
        remarks.map(|r| (r.kind, r.detail.to_string())).collect()
    };
    known.hear(Update::Changed(object("plain", 1)));
    known.hear(Update::Changed(remarking(BackendInClear, object("b", 3))));
    known.hear(Update::Changed(remarking(BackendInClear, object("a", 2))));
    known.hear(Update::Changed(remarking(OpenToTheWorld, object("c", 4))));
    let (a, c) = ((BackendInClear, "a".into()), (OpenToTheWorld, "c".into()));
    assert_eq!(said(&known), [a.clone(), c]);
    let wishes = Wishes {
        probe: Some(false),
        ..Wishes::default()
    };
    let quiet = asking(wishes, remarking(OpenToTheWorld, object("c", 4)));
    known.hear(Update::Changed(quiet));
    assert_eq!(said(&known), [a]);
    known.hear(Update::Gone(key("a")));
    assert_eq!(said(&known), [(BackendInClear, "b".into())]);
}

#[test]
fn what_has_a_part_in_a_row_is_an_owner_after_those_that_declare_it_and_names_no_row() {
    let mut known = Known::new(vec![], NO_CAPS);
    let declared = |name: &str, created, part: &str| {
        let mut object = object(name, created, &[("a", A, true)]);
        object.targets[0].owners.push(owner(part, 1));
        object
    };
    known.hear(Update::Changed(declared("x", 3, "route")));
    known.hear(Update::Changed(declared("y", 2, "route")));
    known.hear(Update::Changed(declared("z", 4, "other")));
    let row = known.row("a", A);
    assert_eq!(&*row.row.name, "y");
    let owners: Vec<_> = row.owners.iter().map(|owner| &*owner.name).collect();
    assert_eq!(owners, ["y", "x", "z", "other", "route"]);
}

#[test]
fn a_row_lists_so_many_owners_and_no_more() {
    let mut known = Known::new(vec![], NO_CAPS);
    let objects = (0..=OWNERS).map(|n| object(&format!("o{n}"), 1, &[("a", A, true)]));
    known.hear(Update::Listed(objects.collect()));
    assert_eq!(known.row("a", A).owners.len(), OWNERS);
}

fn rule(matches: RuleMatch) -> Rule {
    Rule {
        matches,
        ca_file: None,
        plaintext: None,
        probe: None,
        accept: Arc::default(),
    }
}

/// An object whose annotations ask for something.
fn asking(wishes: Wishes, object: Declared) -> Declared {
    let marks = Marks {
        wishes,
        ..Marks::default()
    };
    Declared {
        marks: Arc::new(marks),
        ..object
    }
}

const NOT_PROBED: Wishes = Wishes {
    probe: Some(false),
    plaintext: None,
};

#[test]
fn an_object_that_asks_not_to_be_probed_is_not_unless_another_one_declares_the_row() {
    let mut known = Known::new(vec![], NO_CAPS);
    let quiet = asking(NOT_PROBED, object("x", 1, &[("a", A, true)]));
    known.hear(Update::Changed(quiet));
    assert_eq!(known.rows.len(), 0);
    assert_eq!(known.dropped(DropReason::Denied), 1);
    known.hear(Update::Changed(object("y", 2, &[("a", A, true)])));
    assert_eq!(known.rows.len(), 1);
    assert_eq!(known.dropped(DropReason::Denied), 0);
    known.hear(Update::Gone(key("y")));
    assert_eq!(known.rows.len(), 0);
}

#[test]
fn a_rule_outranks_what_an_object_asks_for() {
    let wishes = Wishes {
        probe: Some(false),
        plaintext: Some(PlaintextRule::Allowed),
    };
    let insisting = Rule {
        probe: Some(true),
        plaintext: Some(PlaintextRule::Forbidden),
        ..rule(RuleMatch::default())
    };
    let mut known = Known::new(vec![insisting], NO_CAPS);
    let asked = asking(wishes, object("x", 1, &[("a", A, true)]));
    known.hear(Update::Changed(asked));
    let target = known.row("a", A);
    assert_eq!(target.expect.plaintext, PlaintextRule::Forbidden);
    assert!(!target.plaintext.is_empty());
}

#[test]
fn an_object_says_what_plaintext_may_do_where_no_rule_does() {
    let plaintext = |annotations: bool| {
        let mut known = Known::new(vec![], NO_CAPS);
        known.catalog.annotations = annotations;
        let wishes = Wishes {
            probe: None,
            plaintext: Some(PlaintextRule::Allowed),
        };
        known.hear(Update::Changed(asking(
            wishes,
            object("x", 1, &[("a", A, true)]),
        )));
        known.row("a", A).plaintext.len()
    };
    assert_eq!(plaintext(true), 0);
    assert_ne!(
        plaintext(false),
        0,
        "the operator does not hear annotations"
    );
}

fn for_host(host: &str) -> RuleMatch {
    RuleMatch {
        host: Some(host.into()),
        ..RuleMatch::default()
    }
}

#[test]
fn a_rule_sets_roots_plaintext_and_what_is_accepted() {
    let waiver = crate::model::Waiver {
        finding: "unreachable".into(),
        until: "2027-03-01".into(),
        ends: UnixTime::from_secs(1_803_945_600),
        reason: "being moved".into(),
    };
    let file: Arc<Path> = Path::new("corp.pem").into();
    let rules = vec![
        Rule {
            ca_file: Some(Arc::clone(&file)),
            plaintext: Some(PlaintextRule::Forbidden),
            accept: Arc::new([waiver.clone()]),
            ..rule(for_host("a"))
        },
        Rule {
            plaintext: Some(PlaintextRule::Allowed),
            ..rule(for_host("b"))
        },
    ];
    let mut known = Known::new(rules, NO_CAPS);
    let mut own_roots = object("own", 1, &[("a", B, true)]);
    own_roots.targets[0].expect.roots = RootsRef::File(Path::new("own.pem").into());
    let mut given = object("given", 1, &[("a", C, true)]);
    given.targets[0].expect.roots = RootsRef::Given(Arc::new([]));
    known.hear(Update::Listed(vec![
        object("x", 1, &[("a", A, true), ("b", A, true), ("c", A, true)]),
        own_roots,
        given,
    ]));
    let own = RootsRef::Given(Arc::new([]));
    assert_eq!(known.row("a", C).expect.roots, own);

    assert_eq!(known.row("a", A).expect.roots, RootsRef::File(file));
    assert_eq!(known.row("a", A).expect.plaintext, PlaintextRule::Forbidden);
    assert_eq!(known.row("a", A).plaintext.len(), 2);
    assert_eq!(*known.row("a", A).expect.accept, [waiver]);
    assert_eq!(*known.row("c", A).expect.accept, []);
    assert_eq!(
        known.row("a", B).expect.roots,
        RootsRef::File(Path::new("own.pem").into())
    );
    assert_eq!(known.row("b", A).plaintext, []);
    assert_eq!(known.row("c", A).expect.roots, RootsRef::Public);
}

#[test]
fn a_rule_that_forbids_probing_leaves_only_a_count() {
    let labels = vec![("probe".to_owned(), "no".to_owned())];
    let by_label = RuleMatch {
        labels,
        ..RuleMatch::default()
    };
    let mut known = Known::new(
        vec![Rule {
            probe: Some(false),
            ..rule(by_label)
        }],
        NO_CAPS,
    );
    known.hear(Update::Changed(object(
        "x",
        1,
        &[("a", A, true), ("b", A, true)],
    )));
    let mut labelled = object("x", 1, &[("a", A, true), ("b", A, true)]);
    let labels = BTreeMap::from([("probe".to_owned(), "no".to_owned())]).into();
    labelled.marks = Arc::new(Marks {
        labels,
        ..Marks::default()
    });
    assert_eq!(
        known.hear(Update::Changed(labelled)),
        ["- x a 192.0.2.1", "- x b 192.0.2.1"]
    );
    assert_eq!(known.dropped(DropReason::Denied), 2);
    known.hear(Update::Gone(key("x")));
    assert_eq!(known.dropped(DropReason::Denied), 0);
}

#[test]
fn what_a_rule_denies_takes_no_place_under_the_caps() {
    let rules = vec![Rule {
        probe: Some(false),
        ..rule(for_host("a"))
    }];
    let mut known = Known::new(
        rules,
        Caps {
            total: 1,
            per_namespace: 1,
        },
    );
    known.hear(Update::Changed(object(
        "x",
        1,
        &[("a", A, true), ("b", A, true)],
    )));
    assert_eq!(known.rows.len(), 1);
    assert_eq!(
        (
            known.dropped(DropReason::Denied),
            known.dropped(DropReason::Cap)
        ),
        (1, 0)
    );
}

#[test]
fn the_next_row_comes_in_when_one_under_the_cap_goes() {
    let mut known = Known::new(
        vec![],
        Caps {
            total: 10,
            per_namespace: 2,
        },
    );
    for (name, created) in [("x", 1), ("y", 2), ("z", 3)] {
        known.hear(Update::Changed(object(name, created, &[(name, A, true)])));
    }
    assert_eq!(known.dropped(DropReason::Cap), 1);
    assert_eq!(
        known.hear(Update::Gone(key("x"))),
        ["+ z z 192.0.2.1", "- x x 192.0.2.1"]
    );
    assert_eq!(known.dropped(DropReason::Cap), 0);
}

#[test]
fn what_an_object_could_not_declare_is_counted_while_it_is_there() {
    let mut known = Known::new(vec![], NO_CAPS);
    let mut waiting = object("x", 1, &[]);
    let dropped = |reason| Dropped {
        host: "a".into(),
        reason,
    };
    waiting.dropped = vec![
        dropped(DropReason::NoAddress),
        dropped(DropReason::NoAddress),
        dropped(DropReason::Unsupported),
    ];
    known.hear(Update::Changed(waiting.clone()));
    known.hear(Update::Changed(waiting));
    let expected = [
        (DropReason::Denied, 0),
        (DropReason::Cap, 0),
        (DropReason::NoAddress, 2),
        (DropReason::Unsupported, 1),
    ];
    assert_eq!(known.catalog.dropped("ingress"), expected);
    known.hear(Update::Gone(key("x")));
    assert_eq!(known.dropped(DropReason::NoAddress), 0);
}

/// A sequence of small numbers that looks random and is always the same
/// (Knuth's MMIX linear congruential generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// Some object of a small world, so that they meet on rows often.
fn some_object(name: usize, numbers: &mut Numbers) -> Declared {
    let (hosts, addresses) = (["", "a", "b", "c", "denied"], [A, B, "lb.example.net"]);
    let targets: Vec<_> = (0..numbers.below(5))
        .map(|_| {
            let (host, at) = (numbers.below(5), numbers.below(3));
            (hosts[host], addresses[at], numbers.below(2) == 0)
        })
        .collect();
    let mut declared = object(
        &format!("o{name}"),
        i64::try_from(numbers.below(3)).unwrap(),
        &targets,
    );
    if numbers.below(3) == 0 {
        declared.dropped = vec![Dropped {
            host: "".into(),
            reason: DropReason::NoAddress,
        }];
    }
    declared
}

#[test]
fn what_is_known_depends_on_the_objects_and_not_on_the_way_to_them() {
    let rules = || {
        vec![Rule {
            probe: Some(false),
            ..rule(for_host("denied"))
        }]
    };
    for seed in 0..60_usize {
        let mut numbers = Numbers(seed as u64);
        let caps = Caps {
            total: 2 + seed % 5,
            per_namespace: 1 + seed % 7,
        };
        let mut known = Known::new(rules(), caps);
        let mut objects: BTreeMap<usize, Declared> = BTreeMap::new();
        for _ in 0..40 {
            let name = numbers.below(8);
            match numbers.below(10) {
                0 => {
                    objects.retain(|_, _| numbers.below(2) == 0);
                    known.hear(Update::Listed(objects.values().cloned().collect()));
                }
                1..=3 => {
                    objects.remove(&name);
                    known.hear(Update::Gone(key(&format!("o{name}"))));
                }
                _ => {
                    let declared = some_object(name, &mut numbers);
                    objects.insert(name, declared.clone());
                    known.hear(Update::Changed(declared));
                }
            }
            let mut fresh = Known::new(rules(), caps);
            fresh.hear(Update::Listed(objects.values().rev().cloned().collect()));
            assert_eq!(known.rows, fresh.rows, "seed {seed}");
            assert_eq!(
                known.catalog.dropped("ingress"),
                fresh.catalog.dropped("ingress"),
                "seed {seed}"
            );
        }
        known.hear(Update::Listed(vec![]));
        assert!(known.rows.is_empty() && known.catalog.rows.is_empty());
    }
}

#[test]
fn why_a_host_is_probed_or_not_is_said_of_every_object_that_declares_it() {
    let rules = vec![
        rule(for_host("else.test")),
        Rule {
            probe: Some(false),
            ..rule(for_host("denied.test"))
        },
    ];
    let caps = Caps {
        total: 2,
        ..NO_CAPS
    };
    let mut known = Known::new(rules, caps);
    let without_address = Declared {
        dropped: vec![Dropped {
            host: "*.test".into(),
            reason: DropReason::NoAddress,
        }],
        ..object("w", 1, &[])
    };
    known.hear(Update::Listed(vec![
        without_address,
        object("x", 2, &[("shop.test", A, true), ("denied.test", A, true)]),
        asking(NOT_PROBED, object("y", 3, &[("quiet.test", A, true)])),
        object("z", 4, &[("shop.test", A, false), ("more.test", A, true)]),
        object("late", 5, &[("last.test", A, true)]),
    ]));
    let said = |host: &str| -> Vec<String> {
        let why = known.catalog.why(host).into_iter();
        why.map(|declared| {
            let fate = match declared.fate {
                Fate::Probed(target) => format!("probed at {}", target.row.address),
                Fate::DeniedByRule(number) => format!("rule {number}"),
                Fate::DeniedByAnnotation => "annotation".to_owned(),
                Fate::Dropped(reason) => reason.label().to_owned(),
            };
            format!("{} {}: {fate}", declared.object.name, declared.host)
        })
        .collect()
    };
    let wildcard = "w *.test: no_address";
    let (x, z) = (
        "x shop.test: probed at 192.0.2.1",
        "z shop.test: probed at 192.0.2.1",
    );
    assert_eq!(said("Shop.Test."), [wildcard, x, z]);
    assert_eq!(said("denied.test"), [wildcard, "x denied.test: rule 1"]);
    assert_eq!(said("quiet.test"), [wildcard, "y quiet.test: annotation"]);
    assert_eq!(said("last.test"), [wildcard, "late last.test: cap"]);
    assert_eq!(said("elsewhere.example"), [""; 0]);
    assert_eq!(said(A).len(), 6);
}
