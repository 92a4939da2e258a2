//! The program itself, as users run it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::http::{self, Answer};
use crate::process::Site;
use crate::scrape::Scrape;

/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// For whatever is waited for, on two cores that run other tests too.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The program with these arguments, in a folder of its own, with no cluster in its environment.
pub(crate) fn program(site: &Site, arguments: &[&str]) -> Command {
    launched(&[], site, arguments)
}

/// As [`program`], by a program that is told by `launcher` how to start another.
fn launched(launcher: &[&str], site: &Site, arguments: &[&str]) -> Command {
    let mut words = launcher.iter().copied();
    let mut own = [env!("CARGO_BIN_EXE_kube-https-exporter")].into_iter();
    let mut command = Command::new(words.next().or_else(|| own.next()).unwrap());
    command
        .args(words.chain(own))
        .args(arguments)
        .current_dir(&site.dir)
        .env("HOME", &site.dir)
        .env_remove("KUBECONFIG")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs the program to its end.
pub(crate) async fn run(site: &Site, arguments: &[&str]) -> Output {
    let ended = timeout(PATIENCE, program(site, arguments).output()).await;
    ended
        .unwrap_or_else(|_| panic!("{arguments:?} does not end"))
        .unwrap()
}

/// A running exporter. It is killed when the value goes.
#[derive(Debug)]
pub(crate) struct Exporter {
    child: Child,
    pub(crate) address: SocketAddr,
    site: Site,
}

/// How an exporter that was asked to end did so.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) took: Duration,
}

impl Exporter {
    /// Serves by this configuration; `kubeconfig` says which cluster, if any.
    pub(crate) async fn serve(config: &Value, kubeconfig: Option<&Path>) -> Self {
        Self::serve_text(&config.to_string(), kubeconfig).await
    }

    /// As [`Self::serve`], with the configuration as text.
    pub(crate) async fn serve_text(config: &str, kubeconfig: Option<&Path>) -> Self {
        let site = Site::new("exporter");
        let file = site.write("config.yaml", config);
        let mut arguments = vec![format!("--config.file={file}")];
        arguments
            .extend(kubeconfig.map(|kubeconfig| format!("--kubeconfig={}", kubeconfig.display())));
        Self::start(site, "serve", &arguments).await
    }

    /// The demo.
    pub(crate) async fn demo() -> Self {
        Self::start(Site::new("demo"), "demo", &[]).await
    }

    /// The demo, started by a program that is told by `launcher` how to start another.
    pub(crate) async fn demo_by(launcher: &[&str]) -> Self {
        Self::start_by(launcher, Site::new("demo"), "demo", &[]).await
    }

    /// Runs a command that serves, and waits until it listens.
    pub(crate) async fn start(site: Site, command: &str, arguments: &[String]) -> Self {
        Self::start_by(&[], site, command, arguments).await
    }

    pub(crate) async fn start_by(
        launcher: &[&str],
        site: Site,
        command: &str,
        arguments: &[String],
    ) -> Self {
        let mut words = vec!["--web.listen-address=127.0.0.1:0"];
        words.extend(arguments.iter().map(String::as_str));
        let mut child = spawn(launcher, &site, command, &words);
        let deadline = Instant::now() + PATIENCE;
        let address = loop {
            if let Some(address) = listening(&site.log()) {
                break address;
            }
            let ended = child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the exporter does not listen: {ended:?}, {}",
                site.log()
            );
            sleep(LOOK_EVERY).await;
        };
        Self {
            child,
            address,
            site,
        }
    }

    /// As [`Self::start_by`], where what it logs comes to nobody.
    pub(crate) async fn start_unheard(
        launcher: &[&str],
        site: Site,
        command: &str,
        arguments: &[String],
    ) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], site.port));
        let listen = format!("--web.listen-address={address}");
        let mut words = vec![listen.as_str()];
        words.extend(arguments.iter().map(String::as_str));
        let mut child = spawn(launcher, &site, command, &words);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            let ended = child.try_wait().unwrap();
            let patient = ended.is_none() && Instant::now() < deadline;
            assert!(patient, "the exporter does not listen: {ended:?}");
            sleep(LOOK_EVERY).await;
        }
        Self {
            child,
            address,
            site,
        }
    }

    /// Of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Writes a file where its own files are.
    pub(crate) fn write(&self, file: &str, content: &str) {
        self.site.write(file, content);
    }

    /// What it answers at `path`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let answer = http::get(self.address, path).await;
        answer.unwrap_or_else(|error| panic!("{path} cannot be read: {error}; {}", self.log()))
    }

    /// What it answers to a POST at `path`.
    pub(crate) async fn post(&self, path: &str) -> Answer {
        let answer = http::ask(self.address, "POST", path).await;
        answer.unwrap_or_else(|error| panic!("{path} cannot be asked: {error}; {}", self.log()))
    }

    /// Writes its configuration anew.
    pub(crate) fn configure(&self, config: &str) {
        self.site.write("config.yaml", config);
    }

    /// Its metrics.
    pub(crate) async fn scrape(&self) -> Scrape {
        let answer = self.get("/metrics").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Scrape::read(&answer.body)
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get("/-/ready").await;
            if answer.status == 200 {
                return;
            }
            let late = Instant::now() > deadline;
            assert!(!late, "not ready: {}; {}", answer.body, self.log());
            sleep(LOOK_EVERY).await;
        }
    }

    /// Scrapes until `condition` holds, and gives that scrape.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Scrape) -> bool) -> Scrape {
        self.within(PATIENCE, what, condition).await
    }

    /// As [`Self::until`], with this much patience.
    pub(crate) async fn within(
        &self,
        patience: Duration,
        what: &str,
        condition: impl Fn(&Scrape) -> bool,
    ) -> Scrape {
        let (scrape, body) = self.last_within(patience, &condition).await;
        if !condition(&scrape) {
            let left = self.site.write("scrape.txt", &body);
            let log = self.log();
            panic!("not so in {patience:?}: {what}; the last scrape is {left}; {log}");
        }
        scrape
    }

    /// Scrapes until `condition` holds or this long has passed, and gives the last scrape and its
    /// text.
    pub(crate) async fn last_within(
        &self,
        patience: Duration,
        condition: impl Fn(&Scrape) -> bool,
    ) -> (Scrape, String) {
        let deadline = Instant::now() + patience;
        loop {
            let body = self.get("/metrics").await.body;
            let scrape = Scrape::read(&body);
            if condition(&scrape) || Instant::now() > deadline {
                return (scrape, body);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// The most memory that was resident at any time, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id().unwrap());
        let status = fs::read_to_string(path).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.unwrap().trim().trim_end_matches(" kB");
        peak.parse().unwrap()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.site.log()
    }

    /// The lines of the log in which it complains: of itself, or of what it cannot do, rather than of what it found.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.log();
        let complains = |line: &&str| {
            let bad = ["level=warn ", "level=error "]
                .iter()
                .any(|level| line.contains(level));
            bad && !line.contains("msg=\"finding appeared\"")
        };
        log.lines().filter(complains).map(str::to_owned).collect()
    }

    /// What it has printed.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(self.site.path("stdout")).unwrap()
    }

    /// Sends it a signal, by its name without SIG.
    pub(crate) fn signal(&self, name: &str) {
        let number = self.child.id().unwrap().to_string();
        let line = format!("kill -{name} {number}");
        crate::process::run(crate::process::command("sh").args(["-c", &line]));
    }

    /// Asks it to end, as Kubernetes does, and waits until it has.
    pub(crate) async fn stop(mut self) -> Ended {
        let started = Instant::now();
        self.signal("TERM");
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("it does not end; {}", self.log()));
        Ended {
            code: ended.unwrap().code(),
            took: started.elapsed(),
        }
    }
}

/// Runs a command that serves; what it prints and logs is written to the site.
fn spawn(launcher: &[&str], site: &Site, command: &str, arguments: &[&str]) -> Child {
    let words: Vec<&str> = [command].iter().chain(arguments).copied().collect();
    launched(launcher, site, &words)
        .stdout(fs::File::create(site.path("stdout")).unwrap())
        .stderr(fs::File::create(site.path("log")).unwrap())
        .spawn()
        .unwrap()
}

/// Where it listens on loopback, once the log says so in whichever form.
fn listening(log: &str) -> Option<SocketAddr> {
    let whole = log
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let line = whole.into_iter().find(|line| line.contains("listening"))?;
    let (_, rest) = line.split_once("127.0.0.1:")?;
    let (port, _) = rest.split_once(|c: char| !c.is_ascii_digit())?;
    format!("127.0.0.1:{port}").parse().ok()
}
