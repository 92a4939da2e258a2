//! The runbooks, carried by the program: what to read where there is no network.

/// Name and text of every file of `docs/runbooks`, by name; the build script lists them.
const RUNBOOKS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/runbooks.rs"));

/// The runbook of a finding or an alert, as Markdown; or else the name that is nearest to what was
/// asked for.
pub fn runbook(name: &str) -> Result<&'static str, Option<&'static str>> {
    if let Some((_, text)) = RUNBOOKS.iter().find(|(known, _)| *known == name) {
        return Ok(text);
    }
    let nearest = RUNBOOKS
        .iter()
        .map(|(known, _)| (strsim::jaro_winkler(known, name), *known))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    Err(nearest.map(|(_, known)| known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::CHECKS;

    #[test]
    fn every_finding_can_be_explained_without_a_network() {
        for finding in CHECKS.iter().flat_map(|check| check.findings) {
            let text = runbook(finding.name).unwrap();
            assert!(text.starts_with(&format!("# {}\n", finding.name)), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_mistyped_leads_to_the_one_that_was_meant() {
        assert_eq!(
            runbook("certificate_expird"),
            Err(Some("certificate_expired"))
        );
    }
}
