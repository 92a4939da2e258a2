//! The man pages and shell completions, from the definition of the command line: what packages
//! ship. Nothing of it is committed.

use std::fs;
use std::io;
use std::path::Path;

use clap_complete::Shell;

use crate::cli;

/// The shells that Debian and Homebrew have folders for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes `man/PAGE.1` for the program and each of its commands, and `completions/` for each shell,
/// below `root`.
pub fn write(root: &Path) -> io::Result<()> {
    let (man, completions) = (root.join("man"), root.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    let mut program = cli::definition();
    clap_mangen::generate_to(program.clone(), &man)?;
    let name = program.get_name().to_owned();
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut program, &name, &completions)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process;

    use super::*;

    #[test]
    fn there_is_a_page_for_each_command_that_people_use_and_a_completion_for_each_shell() {
        let root = env::temp_dir().join(format!("manual-{}", process::id()));
        write(&root).unwrap();
        let page = |name: &str| fs::read_to_string(root.join("man").join(name));
        assert!(
            page("kube-https-exporter.1")
                .unwrap()
                .contains(".SH SYNOPSIS")
        );
        let check = page("kube-https-exporter-check.1").unwrap();
        assert!(check.contains(r"\-\-fail\-on"), "{check}");
        assert!(page("kube-https-exporter-gen.1").is_err());
        let completions = fs::read_dir(root.join("completions")).unwrap();
        assert_eq!(completions.count(), SHELLS.len());
        fs::remove_dir_all(root).unwrap();
    }
}
