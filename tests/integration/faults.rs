//! What the machine does to the program: it keeps serving what it last saw, with its age, and
//! recovers by itself.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::ca::{CA, NAME};
use crate::cluster_to_scrape::{DAY, leaf, now};
use crate::exporter::Exporter;
use crate::hostile::{Hostile, Manner};
use crate::names::Names;
use crate::peers;
use crate::process::{Peer, Site, command, run};
use crate::scrape::Scrape;

const SUCCESS: &str = "kube_https_probe_success";
const LAST: &str = "kube_https_probe_last_timestamp_seconds";
const LAST_SUCCESS: &str = "kube_https_probe_last_success_timestamp_seconds";
const NOT_AFTER: &str = "kube_https_certificate_not_after_timestamp_seconds";

/// A configuration that looks once a second at one good server.
fn config(site: &Site, good: &Peer) -> Value {
    let ca = site.write("ca.pem", &CA.issuer.pem());
    let url = format!("https://{NAME}:{}", good.address.port());
    json!({
        "interval": "1s",
        "timeout": "1s",
        "trust": {"ca_files": [ca]},
        "targets": [{"name": "good", "url": url, "address": "127.0.0.1"}],
    })
}

/// The flag for it.
fn configured(site: &Site, config: &Value) -> [String; 1] {
    let file = site.write("config.yaml", &config.to_string());
    [format!("--config.file={file}")]
}

fn of_good(scrape: &Scrape, metric: &str) -> Option<f64> {
    scrape.metric(metric).label("name", "good").get()
}

/// Waits until the good server is probed twice more, and well.
async fn is_probed_on(exporter: &Exporter) {
    for _ in 0..2 {
        let before = of_good(&exporter.scrape().await, LAST).unwrap_or_default();
        let next = |scrape: &Scrape| {
            of_good(scrape, LAST_SUCCESS).is_some_and(|at| at > before)
                && of_good(scrape, SUCCESS) == Some(1.0)
        };
        exporter.until("it is probed on", next).await;
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_keeps_nobody_from_serving() {
    let good = peers::openssl(&CA.leaf(&[NAME]), &[]);
    let site = Site::new("full");
    let arguments = configured(&site, &config(&site, &good));
    let launcher = ["sh", "-c", "exec \"$@\" >/dev/full 2>&1", "full"];
    let exporter = Exporter::start_unheard(&launcher, site, "serve", &arguments).await;
    is_probed_on(&exporter).await;
    // A change of a finding is logged, and so is a reload.
    exporter.signal("HUP");
    is_probed_on(&exporter).await;
    assert_eq!(exporter.stop().await.code, Some(0));
}

/// In a mount namespace of its own: a disk of 64 KiB for the log.
const SMALL_DISK: &str =
    "mkdir small && mount -t tmpfs -o size=64k none small && exec \"$@\" 2>>small/log";

#[tokio::test]
async fn a_disk_that_was_full_under_the_log_takes_lines_again() {
    let good = peers::openssl(&CA.leaf(&[NAME]), &[]);
    let site = Site::new("disk");
    let arguments = configured(&site, &config(&site, &good));
    let small = site.path("small");
    let launcher = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        SMALL_DISK,
        "disk",
    ];
    let exporter = Exporter::start_unheard(&launcher, site, "serve", &arguments).await;
    let seen = format!("/proc/{}/root{small}", exporter.id());
    let log = || fs::read_to_string(format!("{seen}/log")).unwrap();
    is_probed_on(&exporter).await;
    assert!(log().contains("listening"), "{}", log());

    let filler = format!("{seen}/filler");
    fs::write(&filler, vec![0; 128 << 10]).unwrap_err();
    let lines = log().matches("reloaded").count();
    // More than the file's last block has room for.
    for _ in 0..60 {
        exporter.signal("HUP");
        sleep(Duration::from_millis(50)).await;
    }
    is_probed_on(&exporter).await;
    let lost = log();
    fs::remove_file(&filler).unwrap();
    exporter.signal("HUP");
    is_probed_on(&exporter).await;
    assert!(log().len() > lost.len(), "{lines}: {}", log());
    assert_eq!(exporter.stop().await.code, Some(0));
}

/// The library of the package `faketime`.
fn faketime() -> PathBuf {
    let found = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .map(|machine| format!("/usr/lib/{machine}/faketime/libfaketime.so.1"));
    let found = found.iter().map(Path::new).find(|path| path.exists());
    found
        .unwrap_or_else(|| panic!("libfaketime is not installed: run `make tools`"))
        .to_owned()
}

#[tokio::test]
async fn a_clock_that_jumps_changes_verdicts_and_no_turn() {
    let good = peers::openssl(&leaf(NAME, now() + 40 * DAY), &[]);
    let site = Site::new("clock");
    let arguments = configured(&site, &config(&site, &good));
    let offset = site.write("offset", "+0");
    let preload = format!("LD_PRELOAD={}", faketime().display());
    let file = format!("FAKETIME_TIMESTAMP_FILE={offset}");
    let launcher = [
        "env",
        &preload,
        &file,
        "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ];
    let exporter = Exporter::start_by(&launcher, site, "serve", &arguments).await;
    is_probed_on(&exporter).await;
    for (days, found) in [
        (0, None),
        (41, Some("certificate_expired")),
        (-41, Some("certificate_not_yet_valid")),
        (0, None),
    ] {
        exporter.write("offset", &format!("{:+}", days * DAY));
        let told = |scrape: &Scrape| {
            let findings = scrape
                .metric("kube_https_finding")
                .label("severity", "critical");
            let findings = findings.each("finding");
            let at = of_good(scrape, LAST).unwrap_or_default() - (now() + days * DAY) as f64;
            at.abs() < 10.0 && findings.into_iter().eq(found)
        };
        exporter
            .until(&format!("as of {days} days from now: {found:?}"), told)
            .await;
        // As many turns as ever: none is made up for, and none is waited out.
        let probes = async || {
            exporter
                .scrape()
                .await
                .metric("kube_https_probes_total")
                .get()
                .unwrap()
        };
        let (before, started) = (probes().await, Instant::now());
        sleep(Duration::from_secs(3)).await;
        let made = probes().await - before;
        let most = started.elapsed().as_secs_f64() + 3.0;
        assert!(
            (2.0..most).contains(&made),
            "{made} probes in 3 s, {days} days away"
        );
    }
    assert_eq!(exporter.stop().await.code, Some(0));
}

#[tokio::test]
async fn while_no_name_resolves_what_was_seen_stays_with_its_age() {
    let good = peers::openssl(&CA.leaf(&[NAME]), &[]);
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let names = Names::start(53, move |_| {
        let answers = !is_down.load(Ordering::Relaxed);
        answers.then(|| vec![Ipv4Addr::LOCALHOST])
    });
    let site = Site::new("names");
    let mut config = config(&site, &good);
    config["targets"][0]
        .as_object_mut()
        .unwrap()
        .remove("address");
    config["security"] = json!({"allow_networks": ["127.0.0.0/8"]});
    let arguments = configured(&site, &config);
    let launcher = names.launcher(&site);
    let launcher: Vec<_> = launcher.iter().map(String::as_str).collect();
    let exporter = Exporter::start_by(&launcher, site, "serve", &arguments).await;
    is_probed_on(&exporter).await;

    down.store(true, Ordering::Relaxed);
    let failing = |scrape: &Scrape| of_good(scrape, SUCCESS) == Some(0.0);
    let first = exporter.until("names fail", failing).await;
    let seen = of_good(&first, LAST_SUCCESS);
    let later = |scrape: &Scrape| of_good(scrape, LAST) > of_good(&first, LAST);
    let scrape = exporter.until("it is tried on", later).await;
    assert_eq!(of_good(&scrape, LAST_SUCCESS), seen);
    let not_after = scrape
        .metric(NOT_AFTER)
        .label("name", "good")
        .label("position", "leaf");
    assert!(not_after.get().is_some());
    let failure = scrape
        .metric("kube_https_probe_failure_info")
        .label("name", "good");
    let reasons = failure.each("reason");
    assert!(
        reasons
            .iter()
            .all(|reason| ["dns", "timeout"].contains(reason)),
        "{reasons:?}"
    );

    down.store(false, Ordering::Relaxed);
    is_probed_on(&exporter).await;
    assert_eq!(exporter.stop().await.code, Some(0));
}

#[tokio::test]
async fn reloads_without_end_never_leave_a_scrape_without_what_was_seen() {
    let good = peers::openssl(&CA.leaf(&[NAME]), &[]);
    let hanging = Hostile::start(Manner::Hang).await;
    let site = Site::new("storm");
    let mut config = config(&site, &good);
    let url = format!("https://hangs.test:{}", hanging.address.port());
    let hangs = json!({"name": "hangs", "url": url, "address": "127.0.0.1"});
    config["targets"].as_array_mut().unwrap().push(hangs);
    let arguments = configured(&site, &config);
    let exporter = Exporter::start(site, "serve", &arguments).await;
    is_probed_on(&exporter).await;
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        for _ in 0..10 {
            exporter.signal("HUP");
        }
        let scrape = exporter.scrape().await;
        assert_eq!(of_good(&scrape, SUCCESS), Some(1.0));
        assert!(of_good(&scrape, LAST_SUCCESS).is_some());
    }
    is_probed_on(&exporter).await;
    // It ends while a probe hangs and a reload is under way.
    exporter.signal("HUP");
    assert_eq!(exporter.stop().await.code, Some(0));
}

/// So many targets, each at a server that hangs.
fn hanging(count: u32, at: SocketAddr) -> Vec<Value> {
    numbered(1..=count, at)
}

fn numbered(numbers: RangeInclusive<u32>, at: SocketAddr) -> Vec<Value> {
    let hangs = |n: u32| {
        let [.., high, low] = n.to_be_bytes();
        // An address each, so that no limit of one counts for all.
        let address = format!("127.9.{high}.{low}");
        json!({"name": format!("hangs-{n}"), "url": format!("https://hangs-{n}.test:{}", at.port()), "address": address})
    };
    numbers.map(hangs).collect()
}

/// The flag for a configuration that looks at 200 silent servers too.
fn beside_hanging(site: &Site, good: &Peer, silent: SocketAddr) -> [String; 1] {
    let mut config = config(site, good);
    let targets = config["targets"].as_array_mut().unwrap();
    targets.extend(hanging(200, silent));
    configured(site, &config)
}

#[tokio::test]
async fn without_descriptors_for_more_probes_it_still_answers_and_recovers() {
    let good = peers::openssl(&CA.leaf(&[NAME]), &[]);
    let silent = Hostile::start_everywhere(Manner::Hang).await;
    let site = Site::new("descriptors");
    let arguments = beside_hanging(&site, &good, silent.address);
    let launcher = ["prlimit", "--nofile=40:40"];
    let exporter = Exporter::start_by(&launcher, site, "serve", &arguments).await;
    let until = Instant::now() + Duration::from_secs(6);
    while Instant::now() < until {
        // Whoever asks is answered at once, and no host is said to be what this machine is.
        let scrape = exporter.scrape().await;
        let failures = scrape.metric("kube_https_probe_failure_info");
        let reasons = failures.each("reason");
        assert!(
            reasons.iter().all(|reason| *reason == "timeout"),
            "{reasons:?}"
        );
        assert_ne!(of_good(&scrape, SUCCESS), Some(0.0));
    }
    drop(silent);
    is_probed_on(&exporter).await;
    assert_eq!(exporter.stop().await.code, Some(0));
}

#[tokio::test]
async fn descriptors_that_are_taken_away_meanwhile_make_no_host_fail() {
    let good = peers::openssl(&CA.leaf(&[NAME]), &[]);
    let silent = Hostile::start_everywhere(Manner::Hang).await;
    let site = Site::new("taken");
    let arguments = beside_hanging(&site, &good, silent.address);
    let exporter = Exporter::start(site, "serve", &arguments).await;
    is_probed_on(&exporter).await;
    let limit = |soft: &str| {
        let (pid, limit) = (exporter.id().to_string(), format!("--nofile={soft}:"));
        let mut prlimit = command("prlimit");
        run(prlimit.args(["--pid", &pid, &limit]));
    };
    // Fewer than those that are under way.
    limit("30");
    sleep(Duration::from_secs(4)).await;
    limit("1024");
    is_probed_on(&exporter).await;
    let scrape = exporter.scrape().await;
    let failures = || scrape.metric("kube_https_probe_failures_total");
    for reason in failures().each("reason") {
        let count = failures().label("reason", reason).get();
        assert!(
            reason == "timeout" || count == Some(0.0),
            "{reason}: {count:?}"
        );
    }
    assert_eq!(exporter.stop().await.code, Some(0));
}

/// What the control group has, in bytes: the program as it is built for tests, and some room. Beyond
/// it, the kernel would kill the process.
const MEMORY: u64 = 64 << 20;

/// A control group of its own, whose memory can be limited.
struct Group {
    dir: PathBuf,
    limit: &'static str,
}

impl Group {
    /// `None`, with the reason printed, where none can be made.
    fn new() -> Option<Self> {
        let name = format!("faults-{}", std::process::id());
        // Version 1, then version 2 (Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst).
        let kinds = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        for (root, limit) in kinds {
            let dir = Path::new(root).join(&name);
            if fs::create_dir(&dir).is_ok() && dir.join(limit).exists() {
                return Some(Self { dir, limit });
            }
            fs::remove_dir(&dir).ok();
        }
        eprintln!("not tested: no control group of memory can be made here");
        None
    }

    fn limit(&self, bytes: u64) {
        fs::write(self.dir.join(self.limit), bytes.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        fs::remove_dir(&self.dir).ok();
    }
}

#[tokio::test]
async fn with_little_memory_it_serves_and_probes_on_whatever_servers_send() {
    let Some(group) = Group::new() else { return };
    group.limit(MEMORY);
    let good = peers::openssl(&CA.leaf(&[NAME]), &[]);
    let bulky = Hostile::start_everywhere(Manner::EndlessCertificate).await;
    let wordy = Hostile::start_everywhere(Manner::EndlessHttp).await;
    let site = Site::new("memory");
    let mut config = config(&site, &good);
    let targets = config["targets"].as_array_mut().unwrap();
    targets.extend(numbered(1..=100, bulky.address));
    targets.extend(numbered(101..=200, wordy.address));
    let arguments = configured(&site, &config);
    let enter = format!(
        "echo $$ >{}/cgroup.procs && exec \"$@\"",
        group.dir.display()
    );
    let launcher = ["sh", "-c", &enter, "memory"];
    let exporter = Exporter::start_by(&launcher, site, "serve", &arguments).await;
    is_probed_on(&exporter).await;
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        assert_eq!(of_good(&exporter.scrape().await, SUCCESS), Some(1.0));
    }
    is_probed_on(&exporter).await;
    assert_eq!(exporter.stop().await.code, Some(0));
}
