//! The server over real connections.

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use flate2::read::GzDecoder;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::record::samples;
use crate::record::{Own, Progress, RowRecord, Standing, Store, own_families};
use crate::report::samples::{expired, good, named, unseen, with_beside};
use crate::schedule::Question;

/// Between two probes of a target.
const INTERVAL: Duration = Duration::from_mins(5);

struct Server {
    at: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn start() -> Server {
    let families: Vec<_> = own_families().iter().collect();
    start_with(Store::new(&families, &[], Standing::default()), true).await
}

async fn start_with(store: Store, inventory: bool) -> Server {
    start_guarded(store, inventory, Guard::open().unwrap()).await
}

async fn start_guarded(store: Store, inventory: bool, guard: Guard) -> Server {
    let records = Records {
        store: Arc::new(store),
        own: Arc::new(Own::new(&["ingress"], INTERVAL, INTERVAL, "")),
        progress: Arc::new(Progress::new(&["ingress"])),
        interval: INTERVAL,
        questions: mpsc::channel(1).0,
    };
    let web =
        Web::new(watch::channel(records).1, "/metrics").map(|web| web.with_inventory(inventory));
    listening(web.unwrap(), guard).await
}

async fn listening(web: Web, guard: Guard) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(vec![listener], web, guard, shutdown.clone()));
    Server { at, shutdown, task }
}

/// Head and body of the answer; HTTP/1.0, so that the body comes unframed and ends the connection.
async fn ask(server: &Server, request: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(server.at).await.unwrap();
    let text = format!("{request} HTTP/1.0\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap().to_lowercase(), body)
}

#[tokio::test]
async fn a_guard_asks_for_a_password_everywhere_but_at_health() {
    let hash = bcrypt::hash("secret", 4).unwrap();
    let name = format!("kube-https-exporter-web-{}.yml", std::process::id());
    let file = std::env::temp_dir().join(name);
    let text = format!(
        "basic_auth_users: {{ann: '{hash}'}}\n\
         http_server_config: {{headers: {{X-Frame-Options: deny, Content-Security-Policy: x}}}}\n"
    );
    std::fs::write(&file, text).unwrap();
    let guard = Guard::load(&file, CancellationToken::new()).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    let server = start_guarded(Store::new(&[], &[], Standing::default()), true, guard).await;

    for path in [
        "/metrics",
        "/",
        "/api/v1/targets",
        "/sd",
        "/nowhere",
        "/livez/",
    ] {
        let (head, body) = ask(&server, &format!("GET {path}"), "").await;
        assert!(head.starts_with("http/1.0 401 "), "{path}: {head}");
        assert!(head.contains("\r\nwww-authenticate: basic\r\n"), "{head}");
        assert!(head.contains("\r\nx-frame-options: deny\r\n"), "{head}");
        assert_eq!(body, b"log in\n");
    }
    let (head, _) = ask(&server, "GET /livez", "").await;
    assert!(head.starts_with("http/1.0 200 "), "{head}");
    // ann:secret, and then ann:wrong
    let right = "Authorization: Basic YW5uOnNlY3JldA==\r\n";
    let (head, _) = ask(&server, "GET /", right).await;
    assert!(head.starts_with("http/1.0 200 "), "{head}");
    assert!(
        head.contains("default-src 'none'"),
        "the page's own policy: {head}"
    );
    let (head, _) = ask(&server, "GET /metrics", right).await;
    assert!(
        head.contains("\r\ncontent-security-policy: x\r\n"),
        "{head}"
    );
    let wrong = "Authorization: Basic YW5uOndyb25n\r\n";
    let (head, _) = ask(&server, "GET /metrics", wrong).await;
    assert!(head.starts_with("http/1.0 401 "), "{head}");
}

#[tokio::test]
async fn a_plain_client_gets_the_text_format() {
    let server = start().await;
    let (head, body) = ask(&server, "GET /metrics", "Accept: */*\r\n").await;
    assert!(head.starts_with("http/1.0 200"), "{head}");
    assert!(head.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert!(head.contains("\r\nvary: accept, accept-encoding\r\n"));
    assert!(!head.contains("content-encoding"));
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains("\nkube_https_probes_total 0\n"));
    assert!(!text.contains("# EOF"));
}

#[tokio::test]
async fn prometheus_gets_openmetrics_in_gzip() {
    let server = start().await;
    let accept = "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,\
                  text/plain;version=0.0.4;q=0.4,*/*;q=0.3\r\nAccept-Encoding: gzip\r\n";
    let (head, body) = ask(&server, "GET /metrics", accept).await;
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(head.contains(kind), "{head}");
    assert!(head.contains("\r\ncontent-encoding: gzip\r\n"));
    let mut text = String::new();
    GzDecoder::new(body.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.ends_with("\n# EOF\n"));
}

#[tokio::test]
async fn head_answers_as_get_without_a_body() {
    let server = start().await;
    let (head, body) = ask(&server, "HEAD /metrics", "").await;
    assert!(head.starts_with("http/1.0 200"));
    assert!(head.contains("version=0.0.4"));
    assert!(body.is_empty());
}

#[tokio::test]
async fn it_is_healthy_at_once_and_says_what_readiness_waits_for() {
    let server = start().await;
    for path in ["/-/healthy", "/livez", "/healthz"] {
        let (head, body) = ask(&server, &format!("GET {path}"), "").await;
        assert!(head.starts_with("http/1.0 200"), "{path}");
        assert_eq!(body, b"healthy\n");
    }
    for path in ["/-/ready", "/readyz"] {
        let (head, body) = ask(&server, &format!("GET {path}"), "").await;
        assert!(head.starts_with("http/1.0 503"), "{path}");
        let text = String::from_utf8(body).unwrap();
        assert!(
            text.starts_with("waiting for source ingress to list"),
            "{text}"
        );
    }
}

/// Those rows, and what the server answers at `path`.
async fn asked(rows: Vec<RowRecord>, path: &str) -> (String, String) {
    let server = start_with(samples::store(rows), true).await;
    let (head, body) = ask(&server, &format!("GET {path}"), "").await;
    (head, String::from_utf8(body).unwrap())
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn hosts(body: &str) -> Vec<String> {
    let told = json(body);
    let targets = told["targets"].as_array().unwrap().iter();
    targets
        .map(|target| target["host"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_page_shows_the_soonest_trouble_first_and_may_load_nothing() {
    let rows = vec![
        good("good.example"),
        expired("bad.example"),
        unseen("new.example"),
    ];
    let (head, page) = asked(rows, "/").await;
    assert!(
        head.contains("content-security-policy: default-src 'none';"),
        "{head}"
    );
    assert!(!head.contains("unsafe"), "{head}");
    assert!(head.contains("content-type: text/html"));
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
    assert!(place(">bad.example</a>") < place(">new.example</a>"));
    assert!(place(">new.example</a>") < place(">good.example</a>"));
    for text in [
        "3 of 3 targets",
        "certificate_expired</span>",
        "plaintext_served, accepted until 2027-03-01",
        r#"<a href="metrics">"#,
        env!("CARGO_PKG_VERSION"),
    ] {
        place(text);
    }
}

#[tokio::test]
async fn the_page_is_filtered_and_turned_by_the_server() {
    let many = || {
        (0..250)
            .map(|n| good(&format!("h{n:03}.example")))
            .collect::<Vec<_>>()
    };
    let (_, page) = asked(many(), "/?page=3").await;
    assert!(page.contains("Page 3 of 3"), "{page}");
    assert!(page.contains(">h249.example</a>") && !page.contains(">h000.example</a>"));
    assert!(page.contains(r#"href="?page=2""#), "{page}");
    let (_, page) = asked(many(), "/?q=H007").await;
    assert!(page.contains("1 of 250 targets") && page.contains(">h007.example</a>"));
    let (head, _) = asked(many(), "/?severity=bad").await;
    assert!(head.starts_with("http/1.0 400"), "{head}");
}

#[tokio::test]
async fn a_target_has_a_page_of_its_own_behind_its_link() {
    let rows = vec![expired("shop.example")];
    let (_, page) = asked(rows.clone(), "/").await;
    let (_, rest) = page.split_once("href=\"target?").unwrap();
    let (query, _) = rest.split_once('"').unwrap();
    let path = format!("/target?{}", query.replace("&amp;", "&"));
    let (head, page) = asked(rows.clone(), &path).await;
    assert!(head.starts_with("http/1.0 200"), "{head}");
    for text in [
        "<h1>shop.example</h1>",
        "it expired 3 days ago",
        "href=\"runbooks/certificate_expired\"",
        "Accepted until 2027-03-01: being moved",
        "TLS_AES_128_GCM_SHA256",
        "<th scope=\"row\" class=\"dim\">TLS 1.1</th><td>refused</td>",
        "2025-12-29T00:00:00Z",
        "192.0.2.1: http 301, to https://shop.example/",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let gone = path.replace("shop.example", "gone.example");
    assert!(asked(rows, &gone).await.0.starts_with("http/1.0 404"));
}

#[tokio::test]
async fn a_certificate_beside_has_a_chain_of_its_own_on_the_page() {
    let path =
        "/target?source=ingress&namespace=default&host=shop.example&port=443&address=192.0.2.1";
    let row = with_beside("shop.example", "old.example");
    let (_, body) = asked(vec![row], path).await;
    let head = "<h2>Chain <span class=\"dim\">by another kind of key, as sent by 192.0.2.1";
    let (own, beside) = body.split_once(head).unwrap();
    assert!(own.contains("<h2>Chain <span class=\"dim\">as sent by 192.0.2.1</span>"));
    assert!(
        beside.contains("old.example") && !own.contains("old.example"),
        "{body}"
    );
}

#[tokio::test]
async fn what_a_certificate_says_cannot_leave_its_place() {
    let hostile = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>";
    let rows = vec![named("shop.example", hostile, hostile)];
    let target =
        "/target?source=ingress&namespace=default&host=shop.example&port=443&address=192.0.2.1";
    for path in ["/", target] {
        let (_, page) = asked(rows.clone(), path).await;
        assert!(
            page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
            "{page}"
        );
        assert!(
            !page.contains("<script>alert") && !page.contains("<img"),
            "{page}"
        );
        assert!(!page.contains("onerror='"), "{page}");
    }
}

#[tokio::test]
async fn a_runbook_is_served_as_text() {
    let (head, body) = asked(Vec::new(), "/runbooks/certificate_expired").await;
    assert!(head.contains("content-type: text/plain"), "{head}");
    assert!(body.starts_with("# certificate_expired\n"), "{body}");
    let (head, _) = asked(Vec::new(), "/runbooks/nothing").await;
    assert!(head.starts_with("http/1.0 404"), "{head}");
}

#[tokio::test]
async fn the_api_tells_the_wanted_part_of_the_targets() {
    let rows = || {
        vec![
            good("good.example"),
            expired("bad.example"),
            unseen("new.example"),
        ]
    };
    let (head, body) = asked(rows(), "/api/v1/targets").await;
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    assert_eq!(hosts(&body), ["bad.example", "new.example", "good.example"]);
    assert_eq!(
        (&json(&body)["total"], &json(&body)["version"]),
        (&3.into(), &1.into())
    );
    // What was never probed is not known to come next; what was has its turn within the interval.
    assert_eq!(json(&body)["targets"][1].get("next_probe"), None);
    let next = json(&body)["targets"][2]["next_probe"]
        .as_str()
        .unwrap()
        .to_owned();
    let ahead = next.parse::<Timestamp>().unwrap().as_second() - crate::clock::now().as_secs();
    assert!((-1..=300).contains(&ahead), "{next}");
    let (_, body) = asked(rows(), "/api/v1/targets?limit=1&offset=1").await;
    assert_eq!(hosts(&body), ["new.example"]);
    assert_eq!(json(&body)["total"], 3);
    let (_, body) = asked(rows(), "/api/v1/targets?severity=critical").await;
    assert_eq!(hosts(&body), ["bad.example"]);
    let (head, body) = asked(rows(), "/api/v1/targets?color=red").await;
    assert!(head.starts_with("http/1.0 400"), "{head}");
    assert!(body.contains("no parameter is called \"color\""), "{body}");
}

#[tokio::test]
async fn prometheus_finds_where_to_dial() {
    let (head, body) = asked(vec![expired("bad.example")], "/sd").await;
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    assert_eq!(json(&body)[0]["targets"][0], "bad.example:443");
    assert_eq!(asked(Vec::new(), "/sd").await.1, "[]\n");
}

#[tokio::test]
async fn without_the_inventory_nothing_lists_the_targets() {
    let server = start_with(samples::store([expired("bad.example")]), false).await;
    let (head, body) = ask(&server, "GET /", "").await;
    let page = String::from_utf8(body).unwrap();
    assert!(head.starts_with("http/1.0 200"), "{head}");
    assert!(
        page.contains(r#"<a href="metrics">"#) && !page.contains("bad.example"),
        "{page}"
    );
    for path in ["/api/v1/targets", "/sd", "/target?source=ingress"] {
        let (head, _) = ask(&server, &format!("GET {path}"), "").await;
        assert!(head.starts_with("http/1.0 404"), "{path}: {head}");
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_says_so() {
    let server = start().await;
    let (head, _) = ask(&server, "GET /metric", "").await;
    assert!(head.starts_with("http/1.0 404"), "{head}");
    let (head, _) = ask(&server, "POST /metrics", "Content-Length: 0\r\n").await;
    assert!(head.starts_with("http/1.0 405"), "{head}");
    assert!(head.contains("\r\nallow: get,head\r\n"), "{head}");
}

#[tokio::test]
async fn garbage_is_refused_and_costs_only_its_connection() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.at).await.unwrap();
    stream
        .write_all(b"\x16\x03\x01\x02\0garbage\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400"));
    let (head, _) = ask(&server, "GET /livez", "").await;
    assert!(head.starts_with("http/1.0 200"));
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_the_listeners() {
    let server = start().await;
    let mut idle = TcpStream::connect(server.at).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0];
    idle.read_exact(&mut byte).await.unwrap();
    server.shutdown.cancel();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"healthy\n"));
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.at).await.is_err());
}

#[test]
fn a_telemetry_path_must_be_plain_and_free() {
    let web = |path: &str| {
        Web::new(watch::channel(samples::empty()).1, path)
            .map(|web| drop(web.router(&Guard::open().unwrap())))
    };
    for path in ["/metrics", "/", "/a/b.c_d~e-f"] {
        assert_eq!(web(path), Ok(()), "{path}");
    }
    for path in ["", "metrics", "/{x}", "/a*", "/a b", "/a?b"] {
        assert_eq!(web(path), Err(Error::PathMalformed(path.to_owned())));
    }
    assert_eq!(web("/livez"), Err(Error::PathTaken("/livez".to_owned())));
    assert_eq!(
        Error::PathTaken("/livez".to_owned()).to_string(),
        r#"the telemetry path "/livez" is taken; choose another, such as "/metrics""#
    );
}

#[tokio::test]
async fn everything_is_below_the_prefix() {
    let web = Web::new(watch::channel(samples::empty()).1, "/metrics").unwrap();
    let server = listening(web.below("/tls"), Guard::open().unwrap()).await;
    for (path, says) in [
        ("/tls/", "200 ok"),
        ("/tls/metrics", "200 ok"),
        ("/tls/-/healthy", "200 ok"),
        ("/tls/api/v1/targets?limit=1", "200 ok"),
        ("/", "307 temporary redirect"),
        ("/tls", "307 temporary redirect"),
        ("/metrics", "404 not found"),
        ("/tlsx/metrics", "404 not found"),
    ] {
        let (head, _) = ask(&server, &format!("GET {path}"), "").await;
        assert!(
            head.starts_with(&format!("http/1.0 {says}")),
            "{path}: {head}"
        );
        let away = head.contains("\r\nlocation: /tls/\r\n");
        assert_eq!(away, says.starts_with('3'), "{path}: {head}");
    }
}

#[tokio::test]
async fn a_probe_is_asked_for_by_who_is_trusted_and_from_the_page_alone() {
    let (questions, mut asked) = mpsc::channel(8);
    let records = Records {
        questions,
        ..samples::empty()
    };
    let schedule = tokio::spawn(async move {
        let mut places = Vec::new();
        while let Some(Question::Now(place, answer)) = asked.recv().await {
            answer.send(&*place.host == "shop.test").unwrap();
            places.push(place);
        }
        places
    });
    let web = Web::new(watch::channel(records).1, "/metrics").unwrap();
    let server = listening(web, Guard::open().unwrap()).await;
    let post = async |host: &str, headers: &str| {
        let path = format!("POST /target?source=ingress&host={host}&port=443");
        ask(&server, &path, headers).await.0
    };
    let own = post("shop.test", "Sec-Fetch-Site: same-origin\r\n").await;
    assert!(own.starts_with("http/1.0 303 "), "{own}");
    assert!(
        own.contains("\r\nlocation: ?source=ingress&host=shop.test&port=443\r\n"),
        "{own}"
    );
    let unknown = post("other.test", "").await;
    assert!(unknown.starts_with("http/1.0 404 "), "{unknown}");
    for site in ["cross-site", "same-site"] {
        let elsewhere = post("shop.test", &format!("Sec-Fetch-Site: {site}\r\n")).await;
        assert!(elsewhere.starts_with("http/1.0 403 "), "{elsewhere}");
    }
    for _ in 2..sheet::PROMPTS {
        assert!(post("shop.test", "").await.starts_with("http/1.0 303 "));
    }
    let often = post("shop.test", "").await;
    assert!(often.starts_with("http/1.0 429 "), "{often}");
    server.shutdown.cancel();
    server.task.await.unwrap();
    assert_eq!(schedule.await.unwrap().len(), sheet::PROMPTS as usize);
}
