//! Query parameters: which rows are wanted, and which part of them.

use axum::http::Uri;

use crate::model::Severity;
use crate::record::Posture;
use crate::report::Filter;

/// What a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Which rows.
    pub(super) filter: Filter,
    /// Rows to leave out at the start.
    pub(super) offset: usize,
    /// The most rows to give; `None` for all.
    pub(super) limit: Option<usize>,
    /// Which page, from 1; 0 where none was asked for.
    pub(super) page: usize,
}

impl Asked {
    /// Reads `source`, `namespace`, `host` (each may be repeated), `severity`, `state`, `q`, `offset`,
    /// `limit` and `page`. A parameter without a value asks for nothing: a form sends all its fields.
    /// The error is for who asked.
    pub(super) fn read(uri: &Uri) -> Result<Self, String> {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if !value.is_empty() {
                asked.set(&name, &value)?;
            }
        }
        Ok(asked)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let filter = &mut self.filter;
        match name {
            "source" => filter.sources.push(value.to_owned()),
            "namespace" => filter.namespaces.push(value.to_owned()),
            "host" => filter.hosts.push(value.to_owned()),
            "q" => value.clone_into(&mut filter.text),
            "severity" => filter.severity = Some(severity(value)?),
            "state" => filter.state = Some(state(value)?),
            "offset" => self.offset = number(name, value)?,
            "limit" => self.limit = Some(number(name, value)?),
            "page" => self.page = number(name, value)?,
            _ => {
                return Err(format!(
                    "no parameter is called {name:?}; there are source, namespace, host, severity, \
                     state, q, offset, limit and page"
                ));
            }
        }
        Ok(())
    }
}

fn severity(value: &str) -> Result<Severity, String> {
    [Severity::Info, Severity::Warning, Severity::Critical]
        .into_iter()
        .find(|severity| severity.label() == value)
        .ok_or_else(|| "severity is info, warning or critical, and finds what is worse too".into())
}

fn state(value: &str) -> Result<Posture, String> {
    Posture::ALL
        .into_iter()
        .chain([Posture::Closed])
        .find(|state| state.label() == value)
        .ok_or_else(|| "state is https_only, exposed, broken, closed or unknown".into())
}

fn number(name: &str, value: &str) -> Result<usize, String> {
    value
        .parse()
        .map_err(|_| format!("{name} is a number, such as 100"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Asked, String> {
        Asked::read(&Uri::try_from(format!("/?{query}")).map_err(|error| error.to_string())?)
    }

    #[test]
    fn every_parameter_is_read() {
        let asked = read(
            "source=ingress&source=gateway&namespace=shop&host=*.example&severity=warning\
             &state=broken&q=a+b%26c&offset=5&limit=10&page=2",
        );
        let expected = Asked {
            filter: Filter {
                sources: vec!["ingress".into(), "gateway".into()],
                namespaces: vec!["shop".into()],
                hosts: vec!["*.example".into()],
                severity: Some(Severity::Warning),
                state: Some(Posture::Broken),
                text: "a b&c".into(),
            },
            offset: 5,
            limit: Some(10),
            page: 2,
        };
        assert_eq!(asked, Ok(expected));
    }

    #[test]
    fn an_empty_field_of_a_form_asks_for_nothing() {
        assert_eq!(read("q=&source=&severity=&page="), Ok(Asked::default()));
        assert_eq!(Asked::read(&"/".parse().unwrap()), Ok(Asked::default()));
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (query, word) in [
            ("sverity=info", "severity"),
            ("severity=bad", "info, warning or critical"),
            ("state=bad", "https_only"),
            ("limit=-1", "limit is a number"),
        ] {
            let error = read(query).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
