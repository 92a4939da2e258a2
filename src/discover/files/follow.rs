//! Follows files: looks again and again, and reads those anew that have changed.
//!
//! Looking works on every file system, and on the links that Kubernetes swaps when it renews what it
//! mounts, where notifications do not. A file that cannot be read, or is not what it should be,
//! keeps what it last said; one that is gone takes it along.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::time::sleep;

use crate::discover::{Declared, Health, MALFORMED, Update};
use crate::model::{UnixTime, clean};

/// Between two looks. Kubernetes takes up to two minutes to renew what it mounts.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The most that is read of a file, in bytes: a list of 100,000 targets comes to about 5 MB.
const FILE_BYTES: u64 = 16 << 20;

/// The most files that are followed by one list of patterns.
const FILES: usize = 10_000;

/// What a file comes to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) declared: Vec<Declared>,
    /// The other files that it names and that were read with it.
    pub(super) beside: Vec<PathBuf>,
}

/// Reads a file, given its path, its bytes, and whether the configuration names this very file.
/// The error says what is wrong with its contents.
pub(super) type Read = fn(&Path, &[u8], bool) -> Result<Found, String>;

/// Files that are read alike.
#[derive(Debug)]
pub(super) struct Followed {
    patterns: Vec<String>,
    read: Read,
    known: BTreeMap<PathBuf, Known>,
}

/// A file as it was last read, and what it last said.
#[derive(Debug)]
struct Known {
    stamp: Stamp,
    beside: Vec<(PathBuf, Stamp)>,
    declared: Vec<Declared>,
}

/// What changes when a file does; all `None` where it is not there.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: Option<u64>,
    inode: Option<(u64, u64)>,
}

/// Why a file says nothing new.
#[derive(Debug, PartialEq, Eq)]
struct Trouble {
    reason: &'static str,
    detail: String,
}

/// What one look at all files came to.
#[derive(Debug, Default)]
struct Look {
    changed: bool,
    troubles: Vec<Trouble>,
}

/// Everything that the files say as they change, endlessly.
pub(super) fn follow(
    followed: Vec<Followed>,
    clock: fn() -> UnixTime,
) -> BoxStream<'static, Update> {
    let first = (followed, None);
    let looks = stream::unfold(first, move |(mut followed, well)| async move {
        if well.is_some() {
            sleep(LOOK_EVERY).await;
        }
        // A panic in it was reported there; nothing is followed any more.
        let (followed, look) = tokio::task::spawn_blocking(move || {
            let look = Look::at(&mut followed);
            (followed, look)
        })
        .await
        .ok()?;
        let (said, well) = updates(&followed, look, well, clock());
        Some((stream::iter(said), (followed, Some(well))))
    });
    looks.flatten().boxed()
}

/// What is said of a look, and whether every file could be read. `well` is that of the look
/// before, `None` at the first.
fn updates(
    followed: &[Followed],
    look: Look,
    well: Option<bool>,
    now: UnixTime,
) -> (Vec<Update>, bool) {
    let is_well = look.troubles.iter().all(|one| one.reason == MALFORMED);
    let worth_saying = look.changed || !look.troubles.is_empty() || well != Some(true);
    let mut said = Vec::new();
    if look.changed || well.is_none() {
        let files = followed.iter().flat_map(|followed| followed.known.values());
        let all = files.flat_map(|known| known.declared.iter().cloned());
        said.push(Update::Listed(all.collect()));
    }
    let failed = look.troubles.into_iter().map(|trouble| Health::Failed {
        reason: trouble.reason,
        detail: trouble.detail,
    });
    said.extend(failed.map(Update::Health));
    if is_well && worth_saying {
        said.push(Update::Health(Health::Synced(now)));
    }
    (said, is_well)
}

impl Look {
    fn at(followed: &mut [Followed]) -> Self {
        let mut look = Self::default();
        for followed in followed {
            followed.look(&mut look);
        }
        look
    }
}

impl Followed {
    /// Files that are read by `read`: of each pattern the files that match, and those in the
    /// folders that match.
    pub(super) fn new(patterns: &[String], read: Read) -> Self {
        Self {
            patterns: patterns.to_vec(),
            read,
            known: BTreeMap::new(),
        }
    }

    fn look(&mut self, look: &mut Look) {
        let (paths, missing) = self.paths();
        look.troubles.extend(missing);
        let before = self.known.len();
        self.known.retain(|path, _| paths.contains_key(path));
        look.changed |= self.known.len() < before;
        for (path, named) in paths {
            match self.look_at(&path, named) {
                Ok(changed) => look.changed |= changed,
                Err(trouble) => look.troubles.push(trouble),
            }
        }
    }

    /// Every file there is, and whether it is named by itself; and what should be there and is not.
    fn paths(&self) -> (BTreeMap<PathBuf, bool>, Vec<Trouble>) {
        let (mut paths, mut troubles) = (BTreeMap::new(), Vec::new());
        for pattern in &self.patterns {
            let found = matching(pattern);
            let plain = glob::Pattern::escape(pattern) == *pattern;
            if plain && found.is_empty() {
                troubles.push(Trouble::new("other", pattern, "there is no such file"));
            }
            for path in found {
                if path.is_dir() {
                    paths.extend(inside(&path).into_iter().map(|file| (file, false)));
                } else {
                    paths.insert(path, plain);
                }
            }
        }
        if paths.len() > FILES {
            let detail = format!("{} files match; the first {FILES} are read", paths.len());
            troubles.push(Trouble::new("other", &self.patterns.join(", "), &detail));
            paths = paths.into_iter().take(FILES).collect();
        }
        (paths, troubles)
    }

    /// Reads a file if it has changed. Says whether there is something new.
    fn look_at(&mut self, path: &Path, named: bool) -> Result<bool, Trouble> {
        // Taken before the file is read: a change in between is seen at the next look.
        let stamp = Stamp::of(path);
        let known = self.known.get_mut(path);
        if known.as_ref().is_some_and(|known| known.is_current(&stamp)) {
            return Ok(false);
        }
        let bytes = contents(path).map_err(|error| Trouble::unread(path, &error))?;
        match (self.read)(path, &bytes, named) {
            Ok(found) => {
                let beside = found.beside.into_iter();
                let beside = beside.map(|path| (path.clone(), Stamp::of(&path)));
                let known = Known {
                    stamp,
                    beside: beside.collect(),
                    declared: found.declared,
                };
                self.known.insert(path.to_owned(), known);
                Ok(true)
            }
            Err(what) => {
                // Said once, not at every look.
                let declared =
                    known.map_or_else(Vec::new, |known| std::mem::take(&mut known.declared));
                let known = Known {
                    stamp,
                    beside: Vec::new(),
                    declared,
                };
                self.known.insert(path.to_owned(), known);
                let path = path.to_string_lossy();
                Err(Trouble::new(MALFORMED, &path, &what))
            }
        }
    }
}

impl Known {
    fn is_current(&self, stamp: &Stamp) -> bool {
        let mut beside = self.beside.iter();
        self.stamp == *stamp && beside.all(|(path, stamp)| Stamp::of(path) == *stamp)
    }
}

impl Stamp {
    fn of(path: &Path) -> Self {
        let metadata = fs::metadata(path).ok();
        let metadata = metadata.as_ref();
        Self {
            modified: metadata.and_then(|data| data.modified().ok()),
            length: metadata.map(MetadataExt::size),
            inode: metadata.map(|data| (data.dev(), data.ino())),
        }
    }
}

impl Trouble {
    fn new(reason: &'static str, place: &str, what: &str) -> Self {
        Self {
            reason,
            detail: format!("{}: {what}", clean(place)),
        }
    }

    fn unread(path: &Path, error: &io::Error) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::PermissionDenied => "forbidden",
            _ => "other",
        };
        Self::new(reason, &path.to_string_lossy(), &error.to_string())
    }
}

/// The files and folders that match a pattern. What cannot be looked into has none.
fn matching(pattern: &str) -> Vec<PathBuf> {
    let hidden_by_name_only = glob::MatchOptions {
        require_literal_leading_dot: true,
        require_literal_separator: true,
        ..glob::MatchOptions::new()
    };
    let found = glob::glob_with(pattern, hidden_by_name_only).ok();
    found.into_iter().flatten().flatten().collect()
}

/// The files of a folder, not of those below it, without hidden ones: Kubernetes keeps the versions
/// of what it mounts in hidden folders.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect()
}

/// A file's bytes; one that is too long is refused.
pub(super) fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    // Reading a pipe or a device might never end.
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES {
        let limit = FILE_BYTES >> 20;
        return Err(io::Error::other(format!("longer than {limit} MiB")));
    }
    Ok(bytes)
}

#[cfg(test)]
#[path = "follow_test.rs"]
mod tests;
