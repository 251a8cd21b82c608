//! Tests the pages about frameworks: their settings, commands and reports must be those of a real app
//! behind a real proxy.
//!
//! The test follows the page from the top: it writes files, runs commands, applies each `diff` as a
//! mistake, and compares each `text` with the output of the last `sendfile-check verify`. If
//! `UPDATE_DOCS` is set, it writes the output into the page instead.

use self::stand::{App, Stand};
use crate::page::{Block, Page};

mod server;
mod stand;

#[test]
fn django_downloadview() {
    walk("docs/django-downloadview.md", App::Django);
}

#[test]
fn django_sendfile() {
    walk("docs/django-sendfile2.md", App::Django);
}

#[test]
fn flask() {
    walk("docs/flask.md", App::Flask);
}

#[test]
fn rails() {
    walk("docs/rails.md", App::Rails);
}

#[test]
fn symfony() {
    walk("docs/symfony.md", App::Symfony);
}

fn walk(path: &str, app: App) {
    let Some(mut stand) = Stand::of(app) else { return };
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let page = Page::read(path);
    let mut mistake = None;
    let mut reports = Vec::new();
    for block in page.blocks() {
        match block.language.as_str() {
            "text" => {
                let report = stand.report();
                let differs =
                    if update { report != block.text } else { flow(&report) != flow(&block.text) };
                if differs {
                    reports.push((block, report));
                }
                mistake.take().into_iter().for_each(|it| stand.mend(it));
            }
            "diff" => mistake = Some(stand.break_by(&block.text)),
            "sh" => block.commands().iter().for_each(|it| stand.command(it)),
            _ => stand.put(&block),
        }
    }
    assert!(mistake.is_none(), "{path}: no report follows the last mistake");
    if update {
        return page.write(reports);
    }
    let differ =
        |(block, report): &(Block, String)| format!("expected:\n{}\nfound:\n{report}", block.text);
    let differ: Vec<_> = reports.iter().map(differ).collect();
    assert!(
        differ.is_empty(),
        "{path} is out of date; run the tests with UPDATE_DOCS=1:\n{}",
        differ.join("\n")
    );
}

/// A text without line breaks, which depend on the length of directory names.
fn flow(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
