//! Wraps text to the width of the output, and replaces characters that could control a terminal.
//!
//! Does not query the terminal: the program passes the width in.

/// The width of a text report, in columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width(usize);

impl Width {
    /// The narrowest layout of a report.
    const MIN: usize = 40;
    /// The widest layout of a report: longer lines of prose are hard to read.
    const MAX: usize = 120;

    /// The width for an output with this number of columns: at least 40, at most 120.
    pub fn of(columns: usize) -> Self {
        Self(columns.clamp(Self::MIN, Self::MAX))
    }

    /// Breaks lines at spaces. The first line begins after `used` columns, the others after
    /// `indent` spaces. Paths, URLs, flags with their value, and text in backticks are not broken.
    pub(crate) fn wrapped(self, text: &str, used: usize, indent: usize) -> String {
        let mut lines = String::new();
        let mut column = used;
        for (n, piece) in pieces(text).into_iter().enumerate() {
            let length = piece.chars().count();
            if n > 0 && column + 1 + length > self.0 {
                new_line(&mut lines, indent);
                column = indent;
            } else if n > 0 {
                lines.push(' ');
                column += 1;
            }
            lines.push_str(piece);
            column += length;
        }
        lines
    }

    /// Like `wrapped`, but directives and commands in backticks get lines of their own, so that they
    /// can be copied, unless everything fits into one line.
    pub(crate) fn remedy(self, text: &str, used: usize, indent: usize) -> String {
        if used + text.chars().count() <= self.0 {
            return text.to_owned();
        }
        let mut lines = String::new();
        let mut column = used;
        for part in pieces(text).chunk_by(|a, b| edit(a).is_none() && edit(b).is_none()) {
            if !lines.is_empty() {
                new_line(&mut lines, indent);
                column = indent;
            }
            match edit(part[0]) {
                Some(edit) => lines.push_str(&format!("  {edit}")),
                None => lines.push_str(&self.wrapped(&part.join(" "), column, indent)),
            }
        }
        lines
    }
}

/// 80 columns.
impl Default for Width {
    fn default() -> Self {
        Self(80)
    }
}

fn new_line(lines: &mut String, indent: usize) {
    lines.push('\n');
    lines.extend(std::iter::repeat_n(' ', indent));
}

/// Splits a text at the spaces where a line may be broken.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(' ') {
        let piece = &text[start..at];
        let in_backticks = piece.matches('`').count() % 2 == 1 && text[at..].contains('`');
        let next = text[at + 1..].split(' ').next().unwrap_or_default();
        let before_value = piece.starts_with("--") && is_value(next);
        if !in_backticks && !before_value {
            pieces.push(piece);
            start = at + 1;
        }
    }
    pieces.push(&text[start..]);
    pieces
}

/// Whether a word after a flag looks like its value, such as `URL` or `nginx:FILE`.
fn is_value(word: &str) -> bool {
    word.contains(|c: char| c.is_uppercase() || c == ':' || c == '/')
}

/// The directive or command in a piece that contains nothing else, without its backticks.
fn edit(piece: &str) -> Option<&str> {
    let piece = piece.strip_suffix('.').unwrap_or(piece);
    let edit = piece.strip_prefix('`')?.strip_suffix('`')?;
    if edit.contains(' ') && !edit.contains('`') { Some(edit) } else { None }
}

/// Replaces characters with which text from the network could control the terminal, forge a line, or
/// reverse the reading order.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        let harmful = c.is_control() || is_layout_control(c);
        printable.push(if harmful { '\u{fffd}' } else { c });
    }
    printable
}

/// Bidirectional controls and line separators of Unicode.
fn is_layout_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_at_the_width() {
        for columns in [40, 60, 80, 120] {
            let text = Width::of(columns).wrapped(&"word ".repeat(60), 10, 4);
            let (first, rest) = text.split_once('\n').expect("more than one line");
            assert!(first.chars().count() <= columns - 10, "{text}");
            for line in rest.lines() {
                assert!(line.starts_with("    ") && line.chars().count() <= columns, "{text}");
            }
        }
    }

    #[test]
    fn widths_are_limited() {
        assert_eq!(Width::of(0), Width::of(40));
        assert_eq!(Width::of(500), Width::of(120));
        assert_eq!(Width::default(), Width::of(80));
    }

    #[test]
    fn directives_paths_and_flags_are_not_broken() {
        let text = "in /etc/nginx/conf.d/a-very-long-name-of-a-file.conf:20, remove \
                    `proxy_cache_valid 404 403 10m`, or add --proxy-config nginx:FILE";
        assert_eq!(
            Width::of(40).wrapped(text, 6, 2),
            "in\n  /etc/nginx/conf.d/a-very-long-name-of-a-file.conf:20,\n  remove\n  \
             `proxy_cache_valid 404 403 10m`, or\n  add --proxy-config nginx:FILE"
        );
        assert_eq!(Width::of(40).wrapped("a lone ` in a text", 38, 0), "a\nlone ` in a text");
    }

    #[test]
    fn edits_stand_on_their_own_lines() {
        let text =
            "In /etc/nginx/site.conf:20, replace `root /srv/media;` with `alias /srv/media/;`";
        assert_eq!(Width::of(100).remedy(text, 8, 8), text);
        assert_eq!(
            Width::of(60).remedy(text, 8, 8),
            "In /etc/nginx/site.conf:20, replace\n          root /srv/media;\n        \
             with\n          alias /srv/media/;"
        );
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(printable("\u{202e}gpj.exe"), "\u{fffd}gpj.exe");
    }
}
