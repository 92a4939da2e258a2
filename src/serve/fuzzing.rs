//! What the fuzz targets reach of this stage: the reader of the web configuration.

use super::guard;

/// What is wrong with the text of a web configuration that names no files, if anything is.
pub fn web_config(text: &str) -> Result<(), String> {
    guard::read_text(text)
}
