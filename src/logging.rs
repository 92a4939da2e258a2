//! Logs: one line an event, on standard error, as logfmt, as JSON with the same keys,
//! or as JSON by the Elastic Common Schema.
//!
//! Much of what is logged comes from peers and tenants. Whatever they send, a line stays one
//! line, and a terminal that shows it is not steered by it.

mod ecs;

use std::error::Error;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use clap::ValueEnum;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock;
use crate::model::{UnixTime, is_unsafe};

/// How important a line has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names are the words that are typed")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// `key=value` pairs, values quoted where they have to be.
    Logfmt,
    /// One JSON object a line.
    Json,
    /// The same in the words of the Elastic Common Schema.
    Ecs,
}

/// Sends this program's events to standard error from now on. Does nothing where that was done
/// before, as tests do.
pub fn init(level: Level, format: Format) {
    let _already_done = subscriber(level, format, std::io::stderr)
        .try_init()
        .is_err();
}

fn subscriber<W>(level: Level, format: Format, to: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Lines { format })
        .with_ansi(false)
        .with_writer(to);
    tracing_subscriber::registry()
        .with(targets(level))
        .with(lines)
}

/// Libraries log what concerns their own developers; of theirs only warnings are for users.
fn targets(level: Level) -> Targets {
    let own = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    // What goes wrong on the way to a peer or to the cluster is told by this program, once. These
    // would tell it at each attempt, with whole answers of the peer in it.
    Targets::new()
        .with_target(env!("CARGO_CRATE_NAME"), own)
        .with_target("rustls", LevelFilter::OFF)
        .with_target("kube_client", LevelFilter::OFF)
        .with_default(own.min(LevelFilter::WARN))
}

/// Writes events as lines.
struct Lines {
    format: Format,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut pairs = Pairs::begin(clock::now(), event);
        event.record(&mut pairs);
        match self.format {
            Format::Logfmt => writeln!(to, "{}", pairs.logfmt()),
            Format::Json => writeln!(to, "{}", pairs.json()),
            Format::Ecs => writeln!(to, "{}", quoted(&ecs::document(&pairs.0))),
        }
    }
}

/// What a line says, in order; each key once.
struct Pairs(Vec<(&'static str, Value)>);

impl Pairs {
    /// What every line begins with: when, how important, what, and from which library.
    fn begin(now: UnixTime, event: &Event<'_>) -> Self {
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        let target = event.metadata().target();
        let mut pairs = Self(vec![
            ("ts", rfc3339(now).into()),
            ("level", level.into()),
            ("msg", "".into()),
        ]);
        if !target.starts_with(env!("CARGO_CRATE_NAME")) {
            pairs.put("target", target);
        }
        pairs
    }

    fn put(&mut self, key: &'static str, value: impl Into<Value>) {
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, slot)) => *slot = value.into(),
            None => self.0.push((key, value.into())),
        }
    }

    /// Takes a field of an event. Those that stand for records of the `log` crate begin with
    /// `log.`; only where they come from is of interest.
    fn record(&mut self, field: &Field, value: impl Into<Value>) {
        match field.name() {
            "message" => self.put("msg", value),
            "log.target" => self.put("target", value),
            name if name.starts_with("log.") => {}
            name => self.put(name, value),
        }
    }

    fn logfmt(&self) -> String {
        let pair = |(key, value): &(&str, Value)| format!("{key}={}", plain_or_quoted(value));
        self.0.iter().map(pair).collect::<Vec<_>>().join(" ")
    }

    fn json(&self) -> String {
        let pair = |(key, value): &(&str, Value)| format!("\"{key}\":{}", quoted(value));
        let pairs: Vec<String> = self.0.iter().map(pair).collect();
        format!("{{{}}}", pairs.join(","))
    }
}

impl Visit for Pairs {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record(field, value);
    }

    /// The whole chain of causes: errors here do not repeat what caused them.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut chain = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            chain = format!("{chain}: {error}");
            cause = error.source();
        }
        self.record(field, chain);
    }
}

/// A value as JSON writes it, and besides what JSON escapes everything that could steer a
/// terminal or reorder what a reader sees.
fn quoted(value: &Value) -> String {
    let escape = |c: char| {
        if is_unsafe(c) {
            format!("\\u{:04x}", u32::from(c))
        } else {
            c.to_string()
        }
    };
    value.to_string().chars().map(escape).collect()
}

/// A value as logfmt writes it: in quotes only where it could be misread without.
fn plain_or_quoted(value: &Value) -> String {
    let plain = |c: char| !c.is_whitespace() && !is_unsafe(c) && !matches!(c, '"' | '=' | '\\');
    match value {
        Value::String(text) if !text.is_empty() && text.chars().all(plain) => text.clone(),
        other => quoted(other),
    }
}

fn rfc3339(time: UnixTime) -> String {
    let since_epoch = Duration::from_millis(time.as_millis().try_into().unwrap_or(0));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since_epoch).to_string()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            held.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Buffer {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What `log` writes at `level`, after the time of the first line.
    fn logged(level: Level, format: Format, log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        tracing::subscriber::with_default(subscriber(level, format, buffer.clone()), log);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn logfmt(log: impl FnOnce()) -> String {
        let line = logged(Level::Debug, Format::Logfmt, log);
        let (_, rest) = line.split_once(' ').unwrap();
        rest.to_owned()
    }

    #[test]
    fn a_line_has_time_level_message_and_fields_in_this_order() {
        let line = logged(Level::Info, Format::Logfmt, || {
            tracing::info!(
                targets = 3,
                ready = true,
                share = 0.5,
                host = "a.example",
                "listed all"
            );
        });
        let (time, rest) = line.split_once(' ').unwrap();
        let time = time.strip_prefix("ts=").unwrap();
        assert_eq!(time.len(), "2026-01-02T03:04:05.678Z".len());
        humantime::parse_rfc3339(time).unwrap();
        assert_eq!(
            rest,
            "level=info msg=\"listed all\" targets=3 ready=true share=0.5 host=a.example\n"
        );
    }

    #[test]
    fn a_hostile_value_stays_on_its_line_and_in_its_quotes() {
        let hostile = "a\nlevel=error msg=\"x\" \\ \u{1b}[31m\u{7f}\u{9b}\u{202e}\u{2028}é";
        let escaped = r#""a\nlevel=error msg=\"x\" \\ \u001b[31m\u007f\u009b\u202e\u2028é""#;
        let line = logfmt(|| tracing::warn!(host = hostile, "{hostile}"));
        assert_eq!(line, format!("level=warn msg={escaped} host={escaped}\n"));
        let line = logged(Level::Info, Format::Json, || tracing::warn!(host = hostile));
        assert_eq!(line.lines().count(), 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["host"], hostile);
    }

    #[test]
    fn a_value_is_quoted_only_where_it_has_to_be() {
        for (value, written) in [
            ("shop.example:443", "shop.example:443"),
            ("bücher", "bücher"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a=b", "\"a=b\""),
            ("\u{a0}", "\"\u{a0}\""),
        ] {
            assert_eq!(
                logfmt(|| tracing::info!(value, "m")),
                format!("level=info msg=m value={written}\n")
            );
        }
    }

    #[test]
    fn json_has_the_same_keys_and_keeps_types() {
        let line = logged(Level::Info, Format::Json, || {
            tracing::error!(targets = 3, ready = false, "listed all");
        });
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["level"], "error");
        assert_eq!(read["msg"], "listed all");
        assert_eq!(read["targets"], 3);
        assert_eq!(read["ready"], false);
        assert!(read["ts"].is_string());
    }

    #[test]
    fn an_error_is_logged_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot list ingresses")]
        struct Outer(#[source] io::Error);

        let error = Outer(io::Error::other("no route"));
        let line = logfmt(|| tracing::error!(error = &error as &dyn Error, "m"));
        assert_eq!(
            line,
            "level=error msg=m error=\"cannot list ingresses: no route\"\n"
        );
    }

    #[test]
    fn what_is_less_important_than_the_level_is_left_out() {
        let log = || {
            tracing::debug!("d");
            tracing::info!("i");
            tracing::warn!("w");
            tracing::error!("e");
        };
        for (level, lines) in [
            (Level::Error, 1),
            (Level::Warn, 2),
            (Level::Info, 3),
            (Level::Debug, 4),
        ] {
            assert_eq!(logged(level, Format::Logfmt, log).lines().count(), lines);
        }
    }

    #[test]
    fn of_libraries_only_warnings_are_shown_and_named_and_of_some_nothing() {
        let lines = logfmt(|| {
            tracing::info!(target: "hyper::proto", "chatter");
            tracing::warn!(target: "hyper::proto", "trouble");
            tracing::error!(target: "kube_client::api", "an answer of the peer");
            tracing::warn!(target: "rustls::common_state", "an alert of the peer");
        });
        assert_eq!(lines, "level=warn msg=trouble target=hyper::proto\n");
    }
}
