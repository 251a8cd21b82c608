//! The lines of a configuration that a fault edits, as the demo writes them, and whether a finding
//! names them.

use std::{
    collections::BTreeSet,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use sendfile_check::demo::{DemoEnvironment, fault::Fault};

/// A configuration file that a fault edits.
pub(super) struct EditedFile {
    /// The file that the proxy reads.
    path: PathBuf,
    /// The numbers, from 1, of the lines that a finding may name: the changed ones, and where lines
    /// were deleted, those around the gap and the first line of the enclosing block.
    lines: BTreeSet<usize>,
    /// The names of the directives on the lines that were deleted, added or replaced.
    directives: BTreeSet<String>,
}

impl EditedFile {
    /// The file that the fault edits, if the verifier can read the configuration of the proxy.
    pub(super) fn of(fault: &Fault, environment: &DemoEnvironment) -> Option<Self> {
        let file = fault.file.as_deref()?;
        let sites = environment.local().configs.into_iter().map(|(_, path)| path);
        let site = sites.into_iter().find(|path| {
            let directory = path.parent().expect("a file has a directory");
            !directory.ends_with("front") && !directory.ends_with("between")
        })?;
        let is_site = file.starts_with("verifier/src/demo/");
        let path = if is_site { site } else { site.with_file_name("snippet.conf") };

        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let shipped = fs::read_to_string(shipped).expect("a file of the repository");
        let edited = fault.applied(file, &shipped).expect("a valid edit");
        let written = fs::read_to_string(&path).expect("a file that the demo wrote");
        // A demo that does not run as root omits the lines that set the user.
        let sets_user = written.contains("www-data");
        let kept = |line: &&str| sets_user || !line.contains("www-data");
        let before: Vec<_> = shipped.lines().filter(kept).collect();
        let after: Vec<_> = edited.lines().filter(kept).collect();
        assert_eq!(after.len(), written.lines().count(), "{}", path.display());

        let (removed, added) = hunk(&before, &after);
        let mut directives = BTreeSet::new();
        for line in before[removed.clone()].iter().chain(&after[added.clone()]) {
            directives.extend(directives_of(line));
        }
        let mut lines = changed_lines(&after, &before[removed.clone()], added.clone());
        lines.extend(lines_around_gaps(&before, &after, removed, added));
        Some(Self { path, lines, directives })
    }

    /// Whether a text names one of the lines as `FILE:LINE`.
    pub(super) fn has_line_in(&self, text: &str) -> bool {
        let file = format!("{}:", self.path.display());
        text.match_indices(&file).any(|(start, _)| {
            let rest = &text[start + file.len()..];
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest[..digits].parse().is_ok_and(|line| self.lines.contains(&line))
        })
    }

    /// Whether a text names one of the directives of the edit.
    pub(super) fn has_directive_in(&self, text: &str) -> bool {
        let words = text.split(|c: char| !is_of_name(c));
        words.into_iter().any(|word| self.directives.contains(word.trim_end_matches('.')))
    }
}

/// The range of lines that differs, before and after.
fn hunk(before: &[&str], after: &[&str]) -> (Range<usize>, Range<usize>) {
    let start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let rest = before.len().min(after.len()) - start;
    let pairs = before.iter().rev().zip(after.iter().rev()).take(rest);
    let end = pairs.take_while(|(a, b)| a == b).count();
    (start..before.len() - end, start..after.len() - end)
}

/// The numbers, from 1, of the lines that are new.
fn changed_lines(after: &[&str], removed: &[&str], added: Range<usize>) -> BTreeSet<usize> {
    let new = added.filter(|index| !removed.contains(&after[*index]));
    new.map(|index| index + 1).collect()
}

/// The numbers, from 1, of the lines around each gap that deleted lines left, and of the first line
/// of the block around it.
fn lines_around_gaps(
    before: &[&str],
    after: &[&str],
    removed: Range<usize>,
    added: Range<usize>,
) -> BTreeSet<usize> {
    let new = changed_lines(after, &before[removed.clone()], added.clone());
    let mut lines = BTreeSet::new();
    for index in removed.clone() {
        if after[added.clone()].contains(&before[index]) {
            continue;
        }
        // The index after the gap, if the line before it is still there.
        let gap = match after[added.clone()].iter().position(|line| *line == before[index - 1]) {
            _ if index == removed.start => added.start,
            Some(position) => added.start + position + 1,
            None => continue,
        };
        if !new.contains(&(gap + 1)) {
            lines.extend([gap, gap + 1]);
            lines.extend(block_start(after, gap));
        }
    }
    lines
}

/// The number of the line that opens the block around an index: the nearest line before it that is
/// less indented.
fn block_start(lines: &[&str], index: usize) -> Option<usize> {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let inner = lines[..index].iter().rev().find(|line| !line.trim().is_empty())?;
    let opens = |line: &&str| !line.trim().is_empty() && indentation(line) < indentation(inner);
    lines[..index].iter().rposition(opens).map(|position| position + 1)
}

/// The names of the directives on a line: the first word of each statement.
fn directives_of(line: &str) -> impl Iterator<Item = String> {
    let code = line.split('#').next().unwrap_or_default();
    code.split([';', '{', '}']).filter_map(|statement| {
        let name = statement.trim_start().trim_start_matches(['"', '<', '@']);
        let name = name.split(|c: char| !is_of_name(c)).next()?;
        (!name.is_empty()).then(|| name.to_owned())
    })
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.".contains(c)
}
