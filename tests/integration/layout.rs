//! The source keeps to its plan: what imports what, and how each file opens and how long it is.

use std::fs;
use std::path::{Path, PathBuf};

/// Longer than that, a file owns more than one thing.
const MOST_LINES: usize = 700;

/// A file below `src`.
struct Source {
    /// Its path below `src`.
    path: String,
    text: String,
}

impl Source {
    /// The module of `lib.rs` that it is, or is a part of.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.trim_end_matches(".rs")
    }

    /// The modules of `lib.rs` that it names, with the lines where it does; not in comments.
    fn imports(&self) -> Vec<(usize, &str)> {
        let numbered = self.text.lines().enumerate();
        let code = numbered.filter(|(_, line)| !line.trim_start().starts_with("//"));
        code.flat_map(|(number, line)| {
            let after = line.split("crate::").skip(1);
            after.flat_map(move |rest| named(rest).map(move |name| (number + 1, name)))
        })
        .collect()
    }
}

/// The modules that stand behind `crate::`: one, or those between braces. A name that is none
/// comes of braces within braces, or that go on in the next line.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let list = text.strip_prefix('{').unwrap_or_else(|| identifier(text));
    let list = list.split_once('}').map_or(list, |(list, _)| list);
    list.split(',').map(str::trim).map(identifier)
}

/// The identifier that `text` begins with.
fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    end.map_or(text, |end| text.split_at(end).0)
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    assert!(found.len() > 50, "only {} files below src", found.len());
    found
}

fn collect(root: &Path, folder: &Path, into: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(root, &path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root).unwrap().display().to_string();
            into.push(Source { path, text });
        }
    }
}

/// The modules in the order of `lib.rs`, which is the order of the stages.
fn order(sources: &[Source]) -> Vec<&str> {
    let lib = sources.iter().find(|source| source.path == "lib.rs");
    let lines = lib.unwrap().text.lines();
    lines
        .filter_map(|line| line.strip_prefix("pub mod "))
        .map(|rest| rest.trim_end_matches(';'))
        .collect()
}

#[test]
fn imports_point_to_the_left() {
    let sources = sources();
    let order = order(&sources);
    let place = |module: &str| order.iter().position(|other| *other == module);
    let mut wrong = Vec::new();
    for source in &sources {
        if ["lib.rs", "main.rs"].contains(&source.path.as_str()) {
            continue;
        }
        let own = place(source.module())
            .unwrap_or_else(|| panic!("src/{} is no module of lib.rs", source.path));
        for (line, import) in source.imports() {
            // What is no module of lib.rs is read as one that stands at the right of all.
            if place(import).is_none_or(|import| import > own) {
                wrong.push(format!("src/{}:{line}: imports {import:?}", source.path));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "a module imports only from those before it in lib.rs, {order:?}, none between nested \
         braces:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_file_says_first_what_it_owns() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path)
        .collect();
    assert_eq!(silent, [""; 0], "these do not begin with `//! `");
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert_eq!(long, [""; 0], "more than {MOST_LINES} lines");
}
