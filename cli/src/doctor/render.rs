//! Shows findings: as text, with colours on a terminal, or as JSON.

use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use textwrap::Options;

use super::finding::{Finding, Outcome, Summary};

/// Width of a line unless standard output is a narrower terminal.
const WIDEST: usize = 100;
/// What stands in front of the text: the outcome and the name of the check.
const INDENT: usize = 26;

fn style(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Passed => ("passed", AnsiColor::Green.on_default()),
        Outcome::Warning => ("warning", AnsiColor::Yellow.on_default().bold()),
        Outcome::Failed => ("failed", AnsiColor::Red.on_default().bold()),
        Outcome::Skipped => ("skipped", AnsiColor::BrightBlack.on_default()),
    }
}

/// Shows one finding on standard output.
pub(super) fn finding(finding: &Finding) {
    let mut out = anstream::stdout().lock();
    // A reader that has closed the pipe wants no more.
    let _ = write_finding(&mut out, finding);
}

fn write_finding(out: &mut impl io::Write, finding: &Finding) -> io::Result<()> {
    let (word, style) = style(finding.outcome);
    let name = finding.check.name();
    write!(out, "{style}{word:<9}{style:#}{name:<width$}", width = INDENT - 9)?;
    write_wrapped(out, &finding.what, INDENT)?;
    for (label, text) in [("fix", &finding.fix), ("where", &finding.setup)] {
        if let Some(text) = text {
            write!(out, "{:9}{label:<width$}", "", width = INDENT - 9)?;
            write_wrapped(out, text, INDENT)?;
        }
    }
    Ok(())
}

/// Writes a text whose first line goes on behind `indent` characters.
fn write_wrapped(out: &mut impl io::Write, text: &str, indent: usize) -> io::Result<()> {
    let width = textwrap::termwidth().min(WIDEST).saturating_sub(indent).max(30);
    // A URL stays whole, so that it can be copied.
    let options = Options::new(width).break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation);
    let gap = " ".repeat(indent);
    let text = crate::style::printable(text);
    for (number, line) in textwrap::wrap(&text, options).iter().enumerate() {
        writeln!(out, "{}{line}", if number == 0 { "" } else { &gap })?;
    }
    Ok(())
}

/// Shows how many findings there are of each outcome.
pub(super) fn summary(summary: &Summary, interrupted: bool) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let Summary { passed, warning, failed, skipped } = summary;
    let end = if interrupted { ", interrupted" } else { "" };
    writeln!(out, "\n{passed} passed, {warning} warned, {failed} failed, {skipped} skipped{end}")
}

/// Shows a document as JSON on standard output.
pub(super) fn json(document: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, document)?;
    writeln!(out)
}
