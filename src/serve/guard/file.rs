//! The web configuration file: its fields, and what else it names, read.
//!
//! The format is that of the Prometheus exporter toolkit (its `docs/web-configuration.md`), read as
//! strictly: an unknown field is refused. What the toolkit has and this program has not is refused
//! where it is used, each with what to write instead.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The file, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WebFile {
    pub(super) tls_server_config: Option<Tls>,
    pub(super) http_server_config: Option<Http>,
    /// bcrypt hashes by user.
    pub(super) basic_auth_users: Option<BTreeMap<String, String>>,
    rate_limit: Option<RateLimit>,
}

/// `tls_server_config`: what is text here may be in a file, by the field with `_file` in its name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tls {
    cert: Option<String>,
    cert_file: Option<PathBuf>,
    key: Option<String>,
    key_file: Option<PathBuf>,
    client_ca: Option<String>,
    client_ca_file: Option<PathBuf>,
    pub(super) client_auth_type: Option<String>,
    pub(super) client_allowed_sans: Option<Vec<String>>,
    pub(super) min_version: Option<String>,
    pub(super) max_version: Option<String>,
    pub(super) cipher_suites: Vec<String>,
    pub(super) curve_preferences: Vec<String>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
}

/// `http_server_config`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Http {
    /// Taken and without effect: HTTP/1.1 is spoken, as every HTTP/2 client does too.
    http2: Option<bool>,
    pub(super) headers: Option<BTreeMap<String, String>>,
}

/// `rate_limit`, known in order to be refused by its name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RateLimit {
    interval: Option<String>,
    burst: Option<i64>,
}

/// All that the guard is made of: the file, and the PEM texts that it has or names. Two that are
/// equal make the same guard.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Written {
    pub(super) file: WebFile,
    pub(super) pem: Option<Pem>,
}

/// Certificates and keys as PEM.
#[derive(Clone, PartialEq)]
pub(super) struct Pem {
    pub(super) cert: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) client_ca: Option<Vec<u8>>,
}

impl Written {
    /// Reads the file at `path` and those that it names, relative to its folder. It blocks.
    ///
    /// The error says which field or file is wrong.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        let file = WebFile::parse(&text)?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let pem = match &file.tls_server_config {
            Some(tls) if tls.is_on() => Some(tls.read(folder)?),
            _ => None,
        };
        Ok(Self { file, pem })
    }
}

impl WebFile {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let options = serde_saphyr::options! { with_snippet: false };
        let file: Option<Self> = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| error.to_string())?;
        let file = file.unwrap_or_default();
        if file.rate_limit.is_some() {
            return Err(
                "rate_limit is not supported; remove it: connections, scrapes at once and failed \
                 logins are limited without it"
                    .to_owned(),
            );
        }
        Ok(file)
    }
}

impl Tls {
    /// Whether any field is set that asks for TLS, by the toolkit's rule (`TLSConfig.IsEnabled`).
    fn is_on(&self) -> bool {
        let texts = [
            &self.cert,
            &self.key,
            &self.client_ca,
            &self.client_auth_type,
        ];
        let files = [&self.cert_file, &self.key_file, &self.client_ca_file];
        texts
            .into_iter()
            .any(|text| filled(text.as_ref()).is_some())
            || files.into_iter().any(|file| named(file.as_ref()).is_some())
    }

    fn read(&self, folder: &Path) -> Result<Pem, String> {
        let one = |name: &str, text: &Option<String>, file: &Option<PathBuf>| {
            let text = filled(text.as_ref()).map(|text| text.as_bytes().to_vec());
            // Where both are written, the file counts, as in the toolkit.
            match named(file.as_ref()) {
                Some(file) => fs::read(folder.join(file)).map(Some).map_err(|error| {
                    let path = folder.join(file);
                    format!("tls_server_config.{name}_file: {}: {error}", path.display())
                }),
                None => Ok(text),
            }
        };
        let missing = |name: &str| {
            format!("tls_server_config.{name}_file is missing; TLS needs cert_file and key_file")
        };
        Ok(Pem {
            cert: one("cert", &self.cert, &self.cert_file)?.ok_or_else(|| missing("cert"))?,
            key: one("key", &self.key, &self.key_file)?.ok_or_else(|| missing("key"))?,
            client_ca: one("client_ca", &self.client_ca, &self.client_ca_file)?,
        })
    }
}

fn filled(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.is_empty())
}

fn named(file: Option<&PathBuf>) -> Option<&PathBuf> {
    file.filter(|file| !file.as_os_str().is_empty())
}
