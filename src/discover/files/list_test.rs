//! Tests of lists of targets: every `.targets` file of `tests/fixtures/file`.

use std::fmt::Write as _;
use std::fs;

use super::*;
use crate::model::Address;

fn rendered(declared: &Declared) -> String {
    let labels = declared.marks.labels.iter();
    let labels: Vec<_> = labels
        .map(|(name, value)| format!(" {name}={value}"))
        .collect();
    let labels = labels.concat();
    let owner = &declared.object;
    let mut text = format!("{} {}{labels}\n", owner.kind, owner.name);
    for target in &declared.targets {
        let row = &target.row;
        assert_eq!((row.source, &row.name), ("file", &owner.name));
        assert_eq!(target.owners, std::slice::from_ref(owner));
        assert!(target.tls.guarded && target.expect.tls);
        assert_eq!(target.tls.address, Address::parse(&row.address));
        let host = if row.host.is_empty() {
            "(no host)"
        } else {
            &row.host
        };
        writeln!(text, "  {host} port {} at {}", row.port, row.address).unwrap();
    }
    for dropped in &declared.dropped {
        let reason = dropped.reason.label();
        writeln!(text, "  dropped ({reason}) {}", dropped.host).unwrap();
    }
    text
}

#[test]
fn every_list_declares_exactly_what_is_written_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/file");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let lists = files.filter(|path| path.to_str().unwrap().contains(".targets."));
    let mut count = 0;
    for path in lists {
        let found = read(Path::new("LIST"), &fs::read(&path).unwrap(), true).unwrap();
        let text: String = found.declared.iter().map(rendered).collect();
        let beside = path.with_extension("").with_extension("expect.txt");
        assert_eq!(
            text,
            fs::read_to_string(beside).unwrap(),
            "{}",
            path.display()
        );
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn what_is_no_list_is_refused_without_quoting_it() {
    let refused = |text: &str| read(Path::new("LIST"), text.as_bytes(), true).unwrap_err();
    let yaml = refused("- targets: [a.example]\n- hunter2\n");
    assert_eq!(
        yaml,
        "not a list of groups with `targets` and `labels`, at line 2, column 3"
    );
    assert!(refused("[{\"targets\": \"a\"}]").contains("expected a sequence"));
    assert!(refused("targets: [a]").starts_with("not a list of groups"));
}
