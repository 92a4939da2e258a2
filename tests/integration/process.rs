//! Child processes of tests: a program that `make tools` installed, a folder and a port of its
//! own, a log, and a certain end.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::thread::{panicking, sleep};
use std::time::Duration;

use crate::ca::Leaf;

/// Between two looks at whether a server is ready.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How many looks it is given: 60 s, for a Java virtual machine among others on two cores.
const LOOKS: u32 = 3_000;

/// A running server. It is killed, and its folder removed, when the value goes; after a failed
/// test the folder stays.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) site: Site,
}

impl Peer {
    /// Starts what `command` gives for a site, and waits until it accepts connections.
    pub(crate) fn start(name: &str, command: impl Fn(&Site) -> Command) -> Self {
        // Another process may take the port between our look at it and the server's.
        for _ in 0..3 {
            let site = Site::new(name);
            let child = spawn(&site, &mut command(&site));
            let mut peer = Self {
                child,
                address: (Ipv4Addr::LOCALHOST, site.port).into(),
                site,
            };
            if peer.is_ready() {
                return peer;
            }
            let log = peer.site.log();
            assert!(
                log.contains("in use"),
                "{name} does not start (is it as `make tools` has it?): {log}"
            );
        }
        panic!("{name} finds no free port");
    }

    fn is_ready(&mut self) -> bool {
        for _ in 0..LOOKS {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(self.address).is_ok() {
                return true;
            }
            sleep(LOOK_EVERY);
        }
        false
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn spawn(site: &Site, command: &mut Command) -> Child {
    let log = fs::File::create(site.path("log")).unwrap();
    command
        .current_dir(&site.dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"))
}

/// Runs a command to its end; what it prints comes out if it fails.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// A folder and a port.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) dir: PathBuf,
    pub(crate) port: u16,
}

impl Site {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{number}", id());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir).unwrap();
        Self {
            dir,
            port: free_port(),
        }
    }

    /// The path of a file in the folder, there or not.
    pub(crate) fn path(&self, file: &str) -> String {
        self.dir.join(file).display().to_string()
    }

    /// Writes a file and gives its path.
    pub(crate) fn write(&self, file: &str, content: &str) -> String {
        let path = self.path(file);
        fs::write(&path, content).unwrap();
        path
    }

    /// Writes certificate and key to two files and gives their paths.
    pub(crate) fn write_leaf(&self, leaf: &Leaf) -> (String, String) {
        (
            self.write("cert.pem", &leaf.cert_pem),
            self.write("key.pem", &leaf.key_pem),
        )
    }

    /// What the server has printed.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.path("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if panicking() {
            eprintln!("left for inspection: {}", self.dir.display());
        } else {
            fs::remove_dir_all(&self.dir).ok();
        }
    }
}

/// A port that nothing listens on, of those that the system gives to nobody by itself (Linux
/// starts at 32768), so that no outgoing connection takes it. It is none that reads as one for
/// plaintext in an Ingress' status: those end in 80.
pub(crate) fn free_port() -> u16 {
    free(|port| port % 100 != 80)
}

/// As [`free_port`], and it reads as one for plaintext.
pub(crate) fn free_plaintext_port() -> u16 {
    free(|port| port % 100 == 80)
}

fn free(fits: impl Fn(u16) -> bool) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two test processes at once begin at different ends.
    let start = u16::try_from(id() % 10_000).unwrap();
    for _ in 0..10_000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + start.wrapping_add(step) % 10_000;
        if fits(port) && TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no such port between 20000 and 30000 is free");
}

/// A command for a program that `make tools` installed.
pub(crate) fn command(program: &str) -> Command {
    Command::new(tool(program))
}

/// Where a program, or another file of `make tools`, is.
pub(crate) fn tool(name: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let path = env::var_os("PATH").unwrap_or_default();
    [tools.join("bin"), tools.join("venv/bin")]
        .into_iter()
        .chain(env::split_paths(&path))
        .chain([PathBuf::from("/usr/sbin")])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed: run `make tools`"))
}

/// A file of `tests/tools`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tools")
        .join(name)
}
