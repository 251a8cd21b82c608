//! A page of Markdown: its fenced blocks, and the commands in them.

use std::{fs, path::PathBuf};

/// A page of this repository.
pub(crate) struct Page {
    path: PathBuf,
    lines: Vec<String>,
}

/// A fenced block.
pub(crate) struct Block {
    /// The word behind the fence.
    pub(crate) language: String,
    /// What is in it, without the fence's indentation.
    pub(crate) text: String,
    /// The last line before it that says something.
    pub(crate) lead: String,
    /// The numbers of its first line, and of the one behind its last.
    lines: (usize, usize),
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        let text = fs::read_to_string(&path).expect("a page");
        Self { path, lines: text.lines().map(str::to_owned).collect() }
    }

    /// All blocks, in their order.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let fences = self.lines.iter().enumerate();
        let fences: Vec<_> = fences.filter(|(_, it)| it.trim_start().starts_with("```")).collect();
        let blocks = fences.chunks_exact(2).map(|pair| {
            let [(from, fence), (to, _)] = pair else { unreachable!("two of them") };
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

    /// Writes the page with other texts in some of its blocks, the last one first.
    pub(crate) fn write(mut self, mut texts: Vec<(Block, String)>) {
        texts.sort_by_key(|(block, _)| std::cmp::Reverse(block.lines));
        for (Block { lines: (from, to), .. }, text) in texts {
            self.lines.splice(from..to, text.lines().map(str::to_owned));
        }
        fs::write(&self.path, self.lines.join("\n") + "\n").expect("a page");
    }
}

impl Block {
    /// The commands, each in one line.
    pub(crate) fn commands(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        joined.lines().filter(|it| !it.is_empty()).map(str::to_owned).collect()
    }
}

/// A command line's words; single quotes are all that the pages use.
pub(crate) fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(n, part)| match n % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

/// A text in which a word stands for whatever comes behind each `before`.
pub(crate) fn replaced(text: &str, before: &str, with: &str, gone: fn(char) -> bool) -> String {
    let mut parts = text.split(before);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}{before}{with}{}", part.trim_start_matches(gone)))
}
