//! Guard: who may come in, by `--web.config.file`: TLS, client certificates, basic authentication.
//!
//! The file and what it names are looked at every few seconds and take effect without a restart,
//! for the connections that begin after that; users and headers for the requests after that. What
//! is wrong leaves what was right in force.

mod file;
mod names;
mod tls;
mod users;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use self::file::Written;
use self::users::{Login, Users};
use super::connection::{Local, Peer};
use super::{Error, health, plain};

/// Between two looks at the files: a certificate that is renewed is served within this.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The headers that may be set, and their values where not all are right: the toolkit's list
/// (`validateHeaderConfig`).
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// Who may come in, now and after the file has changed.
#[derive(Clone, Debug)]
pub struct Guard(watch::Receiver<Arc<Settings>>);

/// What one state of the files says.
#[derive(Debug)]
struct Settings {
    tls: Option<Arc<ServerConfig>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    users: Arc<Users>,
    /// Whether every connection shows a certificate that is verified.
    certificates: bool,
}

/// Whether whoever asks is known, or on this machine: such a one may do more than read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trusted(pub(super) bool);

impl Guard {
    /// Lets everybody in, in clear.
    pub fn open() -> Result<Self, Error> {
        let written = Written::default();
        let settings = Settings::new(&written).map_err(|problem| Error::Guard {
            path: PathBuf::new(),
            problem,
        })?;
        Ok(Self(watch::channel(Arc::new(settings)).1))
    }

    /// Lets those in that the file at `path` does, and follows it until `stop`.
    ///
    /// The error says which field or file is wrong, and what to write.
    pub async fn load(path: &Path, stop: CancellationToken) -> Result<Self, Error> {
        let (written, settings) = load(path).await.map_err(|problem| Error::Guard {
            path: path.to_owned(),
            problem,
        })?;
        let (sender, receiver) = watch::channel(Arc::new(settings));
        let path = path.to_owned();
        tokio::spawn(stop.run_until_cancelled_owned(follow(path, written, sender)));
        Ok(Self(receiver))
    }

    /// What connections begin with; `None` where they are in clear.
    pub(super) fn tls(&self) -> Option<TlsAcceptor> {
        self.settings().tls.clone().map(TlsAcceptor::from)
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.settings().tls.is_some()
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.0.borrow())
    }
}

/// Answers whom the guard lets in. Health is told to everybody who can connect: the kubelet has no
/// password.
pub(super) async fn admit(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Response {
    let settings = guard.settings();
    let local = request.extensions().get::<Local>();
    let local = local.is_some_and(|local| local.0);
    let known = !settings.users.is_empty() || settings.certificates;
    request.extensions_mut().insert(Trusted(known || local));
    let public = settings.users.is_empty() || health::PATHS.contains(&request.uri().path());
    let login = if public {
        Login::Right
    } else {
        let peer = request.extensions().get::<Peer>().and_then(|peer| peer.0);
        settings.users.log_in(peer, request.headers()).await
    };
    let mut response = match login {
        Login::Right => next.run(request).await,
        Login::Wrong => {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic")];
            (challenge, plain(StatusCode::UNAUTHORIZED, "log in")).into_response()
        }
        Login::Busy => plain(
            StatusCode::TOO_MANY_REQUESTS,
            "other logins are being checked; try again",
        ),
    };
    for (name, value) in &settings.headers {
        // What a page says of itself is stricter, and counts.
        let entry = response.headers_mut().entry(name);
        entry.or_insert_with(|| value.clone());
    }
    response
}

/// Makes new settings whenever what is written has changed.
async fn follow(path: PathBuf, mut written: Written, settings: watch::Sender<Arc<Settings>>) {
    let mut complaint = None;
    loop {
        sleep(LOOK_EVERY).await;
        let current = Arc::clone(&settings.borrow());
        match reload(&path, &written, &current).await {
            Ok(None) => complaint = None,
            Ok(Some((new, made))) => {
                written = new;
                settings.send_replace(Arc::new(made));
                complaint = None;
                info!(path = %path.display(), "reloaded the web configuration");
            }
            // Once for each mistake, rather than at each look.
            Err(problem) if complaint.as_ref() == Some(&problem) => {}
            Err(problem) => {
                error!(
                    path = %path.display(),
                    %problem,
                    "could not reload the web configuration; what it said before stays in force"
                );
                complaint = Some(problem);
            }
        }
    }
}

/// What is written now, and what it makes; `None` where it is what was `written` before.
///
/// A file that is being written may be read half. So no change takes TLS or the passwords away.
async fn reload(
    path: &Path,
    written: &Written,
    current: &Settings,
) -> Result<Option<(Written, Settings)>, String> {
    let new = read(path).await?;
    if new == *written {
        return Ok(None);
    }
    let made = Settings::new(&new)?;
    if current.tls.is_some() && made.tls.is_none() {
        return Err("it no longer asks for TLS; restart to serve in clear".to_owned());
    }
    if !current.users.is_empty() && made.users.is_empty() {
        return Err("it has no users any more; restart to serve everybody".to_owned());
    }
    Ok(Some((new, made)))
}

/// What is wrong with this text as a file; of those that it names, none is read.
#[cfg(fuzzing)]
pub(super) fn read_text(text: &str) -> Result<(), String> {
    let file = file::WebFile::parse(text)?;
    Settings::new(&Written { file, pem: None }).map(drop)
}

async fn load(path: &Path) -> Result<(Written, Settings), String> {
    let written = read(path).await?;
    let settings = Settings::new(&written)?;
    Ok((written, settings))
}

async fn read(path: &Path) -> Result<Written, String> {
    let path = path.to_owned();
    let read = spawn_blocking(move || Written::read(&path)).await;
    read.unwrap_or_else(|error| Err(error.to_string()))
}

impl Settings {
    fn new(written: &Written) -> Result<Self, String> {
        let file = &written.file;
        let tls = match (&file.tls_server_config, &written.pem) {
            (Some(tls), Some(pem)) => Some(Arc::new(tls::server_config(tls, pem)?)),
            _ => None,
        };
        let http = file.http_server_config.as_ref();
        let demanded =
            |tls: &file::Tls| tls.client_auth_type.as_deref() == Some("RequireAndVerifyClientCert");
        Ok(Self {
            certificates: file.tls_server_config.as_ref().is_some_and(demanded),
            tls,
            headers: headers(http.and_then(|http| http.headers.as_ref()))?,
            users: Arc::new(Users::new(
                file.basic_auth_users.clone().unwrap_or_default(),
            )?),
        })
    }
}

/// The headers of every answer.
fn headers(
    written: Option<&BTreeMap<String, String>>,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let at = "http_server_config.headers";
    let header = |(name, value): (&String, &String)| {
        let Some((_, values)) = HEADERS.iter().find(|(known, _)| known == name) else {
            let known = HEADERS.map(|(known, _)| known).join(", ");
            return Err(format!("{at}.{name} cannot be set; {known} can"));
        };
        if !values.is_empty() && !values.contains(&value.as_str()) {
            return Err(format!("{at}.{name}: write {}", values.join(" or ")));
        }
        let parsed = (name.parse(), value.parse());
        match parsed {
            (Ok(name), Ok(value)) => Ok((name, value)),
            _ => Err(format!(
                "{at}.{name}: a line of printable characters is needed"
            )),
        }
    };
    written.into_iter().flatten().map(header).collect()
}
