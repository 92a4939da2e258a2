//! The families that are served, in their order, with the text that is the same for every sample.

use std::collections::HashMap;

use crate::model::{Family, Kind};

use super::text::{Format, push_help, push_label};

/// A family's place in the [`Catalogue`].
pub(super) type FamilyIndex = u16;

/// Every family that is served; samples of any other are not.
#[derive(Debug)]
pub(super) struct Catalogue {
    entries: Vec<Entry>,
    places: HashMap<&'static str, FamilyIndex>,
}

/// One family with its prepared text.
#[derive(Debug)]
pub(super) struct Entry {
    /// The declaration.
    pub(super) family: &'static Family,
    /// `name{`, and the label that every sample carries, if there is one.
    pub(super) open: Box<str>,
    /// Whether labels that follow `open` need a comma first.
    pub(super) labelled: bool,
    openmetrics_head: Box<str>,
    text_head: Box<str>,
}

impl Catalogue {
    /// Of `families` without those named in `disabled`. Where `vantage` is not empty, every
    /// sample carries it as a label. Of two families of one name the first counts.
    pub(super) fn new(families: &[&'static Family], disabled: &[String], vantage: &str) -> Self {
        let mut catalogue = Self {
            entries: Vec::new(),
            places: HashMap::new(),
        };
        for &family in families {
            if !disabled.iter().any(|name| name == family.name) {
                catalogue.add(family, vantage);
            }
        }
        catalogue
    }

    fn add(&mut self, family: &'static Family, vantage: &str) {
        let Ok(place) = FamilyIndex::try_from(self.entries.len()) else {
            return;
        };
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.places.entry(family.name) {
            vacant.insert(place);
            self.entries.push(Entry::new(family, vantage));
        }
    }

    /// Where the family of this name stands, if it is served.
    pub(super) fn place(&self, name: &str) -> Option<FamilyIndex> {
        self.places.get(name).copied()
    }

    /// The family at this place.
    pub(super) fn entry(&self, place: FamilyIndex) -> Option<&Entry> {
        self.entries.get(usize::from(place))
    }
}

impl Entry {
    fn new(family: &'static Family, vantage: &str) -> Self {
        let mut open = format!("{}{{", family.name);
        if !vantage.is_empty() {
            push_label(&mut open, "vantage", vantage);
        }
        Self {
            family,
            open: open.into(),
            labelled: !vantage.is_empty(),
            openmetrics_head: head(family, Format::OpenMetrics).into(),
            text_head: head(family, Format::Text).into(),
        }
    }

    /// The HELP and TYPE lines.
    pub(super) fn head(&self, format: Format) -> &str {
        match format {
            Format::OpenMetrics => &self.openmetrics_head,
            Format::Text => &self.text_head,
        }
    }
}

/// The lines before a family's samples. OpenMetrics names a counter without its `_total` there.
/// The full stop after HELP is what prometheus-client writes for the exporter's own metrics.
fn head(family: &Family, format: Format) -> String {
    let name = match (format, family.kind) {
        (Format::OpenMetrics, Kind::Counter) => {
            family.name.strip_suffix("_total").unwrap_or(family.name)
        }
        _ => family.name,
    };
    let kind = match family.kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
    };
    let mut head = format!("# HELP {name} ");
    push_help(&mut head, family.help, format);
    head.push_str(".\n# TYPE ");
    head.push_str(name);
    head.push(' ');
    head.push_str(kind);
    head.push('\n');
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples::{SERVED, SUCCESS};

    #[test]
    fn openmetrics_names_a_counter_without_its_suffix() {
        assert_eq!(
            head(&SERVED, Format::OpenMetrics),
            "# HELP t_served Served.\n# TYPE t_served counter\n"
        );
        assert_eq!(
            head(&SERVED, Format::Text),
            "# HELP t_served_total Served.\n# TYPE t_served_total counter\n"
        );
    }

    #[test]
    fn a_disabled_family_has_no_place() {
        let catalogue = Catalogue::new(&[&SUCCESS, &SERVED], &["t_success".to_owned()], "");
        assert_eq!(catalogue.place("t_success"), None);
        assert_eq!(catalogue.place("t_served_total"), Some(0));
    }

    #[test]
    fn a_name_has_one_place_however_often_it_is_declared() {
        let catalogue = Catalogue::new(&[&SUCCESS, &SUCCESS], &[], "");
        assert!(catalogue.entry(1).is_none());
    }
}
