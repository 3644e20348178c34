//! What texts look like on a terminal. Colours reach terminals only: `anstream` takes them out elsewhere, and where
//! `NO_COLOR` is set.

use anstyle::{AnsiColor, Style};

pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const HELP: Style = AnsiColor::Cyan.on_default().bold();
/// The first word of a line that reports progress, as cargo writes it.
pub(crate) const NOTE: Style = AnsiColor::Green.on_default().bold();

/// Returns a text that a terminal shows and does not obey: parts of it may come from other machines and files.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
