//! The report in all output formats, one file per format. Rendering is the last step: it decides
//! nothing, and knows neither the terminal nor the command line.

use std::io;

use clap::ValueEnum;

mod contents;
pub mod json;
mod short;
mod style;
mod text;
mod verdict;
mod wrap;

pub use self::{
    contents::{Detail, Judged, Report},
    wrap::Width,
};

pub(crate) use self::wrap::printable;

/// The output formats. A format is one file and one row of [`Report::write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Report for people
    Text,
    /// One line per target and finding
    Short,
    /// One JSON document for programs, version 1
    Json,
}

impl Report {
    /// Writes the report with colours; the caller removes them if the output does not support them.
    /// Only the text format has a width.
    ///
    /// # Errors
    ///
    /// The errors of `out`.
    pub fn write(
        &self,
        out: &mut impl io::Write,
        format: Format,
        detail: Detail,
        width: Width,
    ) -> io::Result<()> {
        match format {
            Format::Text => text::write(out, self, detail, width),
            Format::Short => short::write(out, self, detail),
            Format::Json => json::write(out, self),
        }
    }
}
