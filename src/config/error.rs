//! What can be wrong with a configuration, and how it is told.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Problems told at once; more would scroll the first ones, which explain the rest, away.
const SHOWN: usize = 20;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read at all.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It was read, and something written in it is wrong.
    #[error("{}", Listing { file, problems })]
    Invalid {
        /// The file.
        file: PathBuf,
        /// What is wrong, in the order of the file; never empty.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is written; `None` where that is the file as a whole.
    pub at: Option<Position>,
    /// The field's path, as in `rules[1].match.host`; empty where no field is concerned.
    pub path: String,
    /// What is wrong and what to write instead.
    pub what: String,
}

/// A place in a file; both count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl Position {
    /// Where byte `offset` of `text` is; what is not UTF-8 before it counts a column a byte.
    pub(super) fn of(text: &[u8], offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let lines: Vec<&[u8]> = before.split(|byte| *byte == b'\n').collect();
        let last = lines.last().copied().unwrap_or_default();
        Self {
            line: lines.len() as u64,
            column: String::from_utf8_lossy(last).chars().count() as u64 + 1,
        }
    }
}

/// `file:line:column: path: what`, a line a problem: the form that editors can follow.
struct Listing<'a> {
    file: &'a Path,
    problems: &'a [Problem],
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(SHOWN).enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:", self.file.display())?;
            if let Some(Position { line, column }) = problem.at {
                write!(f, "{line}:{column}:")?;
            }
            if !problem.path.is_empty() {
                write!(f, " {}:", problem.path)?;
            }
            write!(f, " {}", problem.what)?;
        }
        match self.problems.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n{}: and {more} more", self.file.display()),
        }
    }
}
