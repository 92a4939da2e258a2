//! The families that are served, in their order, with the text that is the same for every sample.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{Family, Kind, Scope};

use super::text::{Format, push_help, push_label};
use super::words::Words;

/// A family's place in the [`Catalogue`].
pub(super) type FamilyIndex = u16;

/// Which instance this is among others; each of its samples says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing<'a> {
    /// A name for where it stands, a label of every sample; none where it is empty.
    pub vantage: &'a str,
    /// Its number, where it is one of several shards. It is a label of counts over targets alone, so
    /// that those of shards can be added up and those of replicas are not: the series of a target
    /// are the same whichever shard has it.
    pub shard: Option<u32>,
}

/// Every family that is served; samples of any other are not.
#[derive(Debug)]
pub(super) struct Catalogue {
    entries: Vec<Entry>,
    places: HashMap<&'static str, FamilyIndex>,
    words: Mutex<Words>,
}

/// One family with its prepared text.
#[derive(Debug)]
pub(super) struct Entry {
    /// The declaration.
    pub(super) family: &'static Family,
    /// `name{`, and the labels that every sample carries, if there are any.
    pub(super) open: Box<str>,
    /// Whether labels that follow `open` need a comma first.
    pub(super) labelled: bool,
    openmetrics_head: Box<str>,
    text_head: Box<str>,
}

impl Catalogue {
    /// Of `families` without those named in `disabled`. Of two families of one name the first counts.
    pub(super) fn new(
        families: &[&'static Family],
        disabled: &[String],
        standing: Standing<'_>,
    ) -> Self {
        let mut catalogue = Self {
            entries: Vec::new(),
            places: HashMap::new(),
            words: Mutex::default(),
        };
        for &family in families {
            if !disabled.iter().any(|name| name == family.name) {
                catalogue.add(family, standing);
            }
        }
        catalogue
    }

    fn add(&mut self, family: &'static Family, standing: Standing<'_>) {
        let Ok(place) = FamilyIndex::try_from(self.entries.len()) else {
            return;
        };
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.places.entry(family.name) {
            vacant.insert(place);
            self.entries.push(Entry::new(family, standing));
        }
    }

    /// Where the family of this name stands, if it is served.
    pub(super) fn place(&self, name: &str) -> Option<FamilyIndex> {
        self.places.get(name).copied()
    }

    /// The words that samples carry as labels. Locked for no longer than a row takes to render;
    /// one that was poisoned holds no less than it did.
    pub(super) fn words(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The family at this place.
    pub(super) fn entry(&self, place: FamilyIndex) -> Option<&Entry> {
        self.entries.get(usize::from(place))
    }
}

impl Entry {
    fn new(family: &'static Family, Standing { vantage, shard }: Standing<'_>) -> Self {
        let mut open = format!("{}{{", family.name);
        let bare = open.len();
        if !vantage.is_empty() {
            push_label(&mut open, "vantage", vantage);
        }
        if let Some(shard) = shard.filter(|_| family.scope == Scope::Own) {
            if open.len() > bare {
                open.push(',');
            }
            push_label(&mut open, "shard", &shard.to_string());
        }
        Self {
            family,
            labelled: open.len() > bare,
            open: open.into(),
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
    use crate::record::own_families;
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
    fn counts_say_which_shard_counted_and_targets_do_not() {
        let family = |name: &str| own_families().iter().find(|f| f.name == name).unwrap();
        let opening = |name, vantage, shard| {
            let entry = Entry::new(family(name), Standing { vantage, shard });
            (entry.open.to_string(), entry.labelled)
        };
        let open = |text: &str, labelled| (text.to_owned(), labelled);
        let (count, of_a_target) = ("kube_https_doors", "kube_https_finding");
        assert_eq!(opening(count, "", None), open("kube_https_doors{", false));
        assert_eq!(
            opening(count, "", Some(0)),
            open("kube_https_doors{shard=\"0\"", true)
        );
        assert_eq!(
            opening(count, "in", Some(2)),
            open("kube_https_doors{vantage=\"in\",shard=\"2\"", true)
        );
        assert_eq!(
            opening(of_a_target, "", Some(2)),
            open("kube_https_finding{", false)
        );
    }

    #[test]
    fn a_disabled_family_has_no_place() {
        let catalogue = Catalogue::new(
            &[&SUCCESS, &SERVED],
            &["t_success".to_owned()],
            Standing::default(),
        );
        assert_eq!(catalogue.place("t_success"), None);
        assert_eq!(catalogue.place("t_served_total"), Some(0));
    }

    #[test]
    fn a_name_has_one_place_however_often_it_is_declared() {
        let catalogue = Catalogue::new(&[&SUCCESS, &SUCCESS], &[], Standing::default());
        assert!(catalogue.entry(1).is_none());
    }
}
