//! Breaks text into lines of at most 80 columns.

/// The widest line.
const COLUMNS: usize = 80;

/// Breaks at spaces; the first line has room for `used` columns less, the others begin with
/// `indent` spaces.
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

/// Control characters of whatever came over the network must not reach a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_eighty_columns() {
        let text = wrapped(&"word ".repeat(40), 10, 4);
        assert!(
            text.lines()
                .skip(1)
                .all(|line| line.starts_with("    ") && line.chars().count() <= COLUMNS),
            "{text}"
        );
        assert!(text.lines().next().is_some_and(|line| line.chars().count() <= COLUMNS - 10));
        assert_eq!(printable("a\u{1b}[31mb"), "a\u{fffd}[31mb");
    }
}
