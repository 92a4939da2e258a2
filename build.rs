//! Lists the runbooks, so that the program carries each without naming it: one added is one shown.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script by the environment"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("docs/runbooks");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut paths = fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<PathBuf>, _>>()?;
    paths.sort();
    let mut list = "&[\n".to_owned();
    for path in paths {
        let (Some(name), true) = (
            path.file_stem().and_then(|name| name.to_str()),
            path.extension().is_some_and(|ending| ending == "md"),
        ) else {
            continue;
        };
        // As Rust writes them: between quotes, and escaped.
        let path = path.to_str().ok_or("the path is not UTF-8")?;
        writeln!(list, "({name:?}, include_str!({path:?})),")?;
    }
    list.push(']');
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("runbooks.rs"), list)?;
    Ok(())
}
