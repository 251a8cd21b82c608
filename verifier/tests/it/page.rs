//! A Markdown page: its fenced blocks, and their commands.

use std::{fs, path::PathBuf};

/// A page of this repository.
pub(crate) struct Page {
    path: PathBuf,
    lines: Vec<String>,
}

/// A fenced block.
pub(crate) struct Block {
    /// The language after the opening fence.
    pub(crate) language: String,
    /// The content, without the indentation of the fence.
    pub(crate) text: String,
    /// The last non-empty line before the block.
    pub(crate) lead: String,
    /// The indices of its first line, and of the line after its last one.
    lines: (usize, usize),
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        let text = fs::read_to_string(&path).expect("a page");
        Self { path, lines: text.lines().map(str::to_owned).collect() }
    }

    /// All blocks, in order.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let fences = self.lines.iter().enumerate();
        let fences: Vec<_> = fences.filter(|(_, it)| it.trim_start().starts_with("```")).collect();
        let blocks = fences.chunks_exact(2).map(|pair| {
            let [(from, fence), (to, _)] = pair else { unreachable!("chunks of two") };
            let margin = fence.len() - fence.trim_start().len();
            let text = self.lines[from + 1..*to].iter();
            let text = text.map(|it| format!("{}\n", it.get(margin..).unwrap_or(it.trim_start())));
            let said = |it: &&String| !it.trim().is_empty();
            Block {
                language: fence.trim_start_matches([' ', '`']).to_owned(),
                text: text.collect(),
                lead: self.lines[..*from].iter().rfind(said).cloned().unwrap_or_default(),
                lines: (from + 1, *to),
            }
        });
        blocks.collect()
    }

    /// The blocks in one language.
    pub(crate) fn blocks_in(&self, language: &str) -> impl Iterator<Item = Block> {
        let language = language.to_owned();
        self.blocks().into_iter().filter(move |it| it.language == language)
    }

    /// Replaces the texts of some blocks, from the last to the first, and writes the page.
    pub(crate) fn write(mut self, mut texts: Vec<(Block, String)>) {
        texts.sort_by_key(|(block, _)| std::cmp::Reverse(block.lines));
        for (Block { lines: (from, to), .. }, text) in texts {
            self.lines.splice(from..to, text.lines().map(str::to_owned));
        }
        fs::write(&self.path, self.lines.join("\n") + "\n").expect("a page");
    }
}

impl Block {
    /// The commands, one per line.
    pub(crate) fn commands(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        joined.lines().filter(|it| !it.is_empty()).map(str::to_owned).collect()
    }
}

/// The words of a command line; the pages only use single quotes.
pub(crate) fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(n, part)| match n % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

/// Replaces the characters that match `gone` after each `before` with a word.
pub(crate) fn replaced(text: &str, before: &str, with: &str, gone: fn(char) -> bool) -> String {
    let mut parts = text.split(before);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}{before}{with}{}", part.trim_start_matches(gone)))
}
