//! Tests of following files, in a folder of their own, one look at a time.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use super::*;
use crate::discover::files::owner;
use crate::model::UnixTime;

/// A folder that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("follow-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Declares an object that is called by the file's text; `bad…` is refused, and `with X` also
/// reads the file X.
fn by_text(path: &Path, bytes: &[u8], named: bool) -> Result<Found, String> {
    let text = String::from_utf8_lossy(bytes);
    if text.starts_with("bad") {
        return Err("is bad".to_owned());
    }
    let beside = text.strip_prefix("with ").map(PathBuf::from);
    let also = beside
        .iter()
        .map(|path| fs::read_to_string(path).unwrap_or_default());
    let mut owner = owner("File", path);
    let also: String = also.collect();
    owner.name = format!("{text}{also}{}", if named { " (named)" } else { "" }).into();
    Ok(Found {
        declared: vec![Declared::nothing(owner, Arc::default())],
        beside: beside.into_iter().collect(),
    })
}

/// Files that are followed, and whether all was well at the last look.
struct Looking(Vec<Followed>, Option<bool>);

impl Looking {
    fn at(patterns: &[String]) -> Self {
        Self(vec![Followed::new(patterns, by_text)], None)
    }

    /// One look, in words.
    fn look(&mut self) -> Vec<String> {
        let look = Look::at(&mut self.0);
        let (said, well) = updates(&self.0, look, self.1, UnixTime::from_secs(1));
        self.1 = Some(well);
        let words = said.into_iter().map(|update| match update {
            Update::Listed(all) => {
                let names = all.iter().map(|declared| &*declared.object.name);
                format!("listed {}", names.collect::<Vec<_>>().join(", "))
            }
            Update::Health(Health::Synced(_)) => "synced".to_owned(),
            Update::Health(Health::Failed { reason, detail }) => {
                let file = detail.rsplit('/').next().unwrap();
                format!("{reason}: {file}")
            }
            other => panic!("{other:?}"),
        });
        words.collect()
    }
}

#[test]
fn a_file_is_read_when_it_changes_and_only_then() {
    let folder = Folder::new("changes");
    folder.write("a", "one");
    let mut looking = Looking::at(&[folder.path("a")]);
    assert_eq!(looking.look(), ["listed one (named)", "synced"]);
    assert_eq!(looking.look(), [""; 0]);
    folder.write("a", "other");
    assert_eq!(looking.look(), ["listed other (named)", "synced"]);
    fs::remove_file(folder.path("a")).unwrap();
    assert_eq!(
        looking.look(),
        ["listed ", "other: a: there is no such file"]
    );
    folder.write("a", "back");
    assert_eq!(looking.look(), ["listed back (named)", "synced"]);
}

#[test]
fn a_file_that_is_not_what_it_should_be_keeps_what_it_said_and_is_reported_once() {
    let folder = Folder::new("bad");
    folder.write("a", "good");
    let mut looking = Looking::at(&[folder.path("a")]);
    looking.look();
    folder.write("a", "bad now");
    assert_eq!(looking.look(), ["malformed: a: is bad", "synced"]);
    assert_eq!(looking.look(), [""; 0]);
    folder.write("b", "new");
    looking.0[0].patterns.push(folder.path("b"));
    assert_eq!(
        looking.look(),
        ["listed good (named), new (named)", "synced"]
    );
}

#[test]
fn folders_have_their_own_files_and_patterns_what_matches() {
    let folder = Folder::new("folders");
    for name in ["a.pem", "b.txt", ".hidden", "below/c.pem"] {
        folder.write(name, name);
    }
    let look = |patterns: &[&str]| {
        let paths: Vec<_> = patterns.iter().map(|name| folder.path(name)).collect();
        Looking::at(&paths).look().remove(0)
    };
    assert_eq!(look(&[""]), "listed a.pem, b.txt");
    assert_eq!(look(&["*.pem"]), "listed a.pem");
    assert_eq!(look(&["**/*.pem"]), "listed a.pem, below/c.pem");
    assert_eq!(look(&["b.*", "a.pem"]), "listed a.pem (named), b.txt");
    assert_eq!(look(&["none*"]), "listed ");
}

#[test]
fn a_mounted_secret_is_read_anew_when_its_links_are_swapped() {
    let folder = Folder::new("links");
    folder.write("..1/tls.crt", "old");
    folder.write("..2/tls.crt", "new");
    symlink("..1", folder.path("..data")).unwrap();
    symlink("..data/tls.crt", folder.path("tls.crt")).unwrap();
    let mut looking = Looking::at(&[folder.path("")]);
    assert_eq!(looking.look()[0], "listed old");
    symlink("..2", folder.path("..tmp")).unwrap();
    fs::rename(folder.path("..tmp"), folder.path("..data")).unwrap();
    assert_eq!(looking.look()[0], "listed new");
}

#[test]
fn a_file_is_read_anew_when_one_that_it_names_changes() {
    let folder = Folder::new("beside");
    folder.write("ca", "1");
    let named = folder.path("ca");
    folder.write("config", &format!("with {named}"));
    let mut looking = Looking::at(&[folder.path("config")]);
    assert_eq!(looking.look()[0], format!("listed with {named}1 (named)"));
    folder.write("ca", "22");
    assert_eq!(looking.look()[0], format!("listed with {named}22 (named)"));
    assert_eq!(looking.look(), [""; 0]);
}

#[test]
fn what_is_too_long_or_no_file_is_not_read() {
    let folder = Folder::new("long");
    let path = folder.path("long");
    File::create(&path).unwrap().set_len(FILE_BYTES).unwrap();
    assert!(contents(Path::new(&path)).is_ok());
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(FILE_BYTES + 1)
        .unwrap();
    let refused = contents(Path::new(&path)).unwrap_err();
    assert_eq!(refused.to_string(), "longer than 16 MiB");
    let device = contents(Path::new("/dev/zero")).unwrap_err();
    assert_eq!(device.to_string(), "not a regular file");
}
