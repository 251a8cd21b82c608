//! Wraps text at 80 columns.

/// The maximum width of a line.
const COLUMNS: usize = 80;

/// Breaks lines at spaces. The first line has `used` columns less; the others start with `indent`
/// spaces.
pub(super) fn wrapped(text: &str, used: usize, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = used;
    for (n, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if n > 0 && column + 1 + length > COLUMNS {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if n > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
    }
    lines
}

/// Replaces characters with which text from the network could control the terminal, forge a line, or
/// reverse the reading order.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Bidirectional controls and line separators of Unicode.
fn steers(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_at_80_columns() {
        let text = wrapped(&"word ".repeat(40), 10, 4);
        assert!(
            text.lines()
                .skip(1)
                .all(|line| line.starts_with("    ") && line.chars().count() <= COLUMNS),
            "{text}"
        );
        assert!(text.lines().next().is_some_and(|line| line.chars().count() <= COLUMNS - 10));
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(printable("\u{202e}gpj.exe"), "\u{fffd}gpj.exe");
    }
}
