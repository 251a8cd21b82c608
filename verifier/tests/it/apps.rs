//! The pages for people with an app: their settings, commands and reports are those of a real app
//! behind a real proxy.
//!
//! A page is walked through from the top: a file is written, a command is run, a `diff` is the
//! mistake that the page names, and a `text` is what the last `sendfile-check verify` says. With
//! `UPDATE_DOCS` set, what it says is written into the page.

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
    let mut told = Vec::new();
    for block in page.blocks() {
        match block.language.as_str() {
            "text" => {
                let report = stand.report();
                let differs =
                    if update { report != block.text } else { flow(&report) != flow(&block.text) };
                if differs {
                    told.push((block, report));
                }
                mistake.take().into_iter().for_each(|it| stand.mend(it));
            }
            "diff" => mistake = Some(stand.break_by(&block.text)),
            "sh" => block.commands().iter().for_each(|it| stand.command(it)),
            _ => stand.put(&block),
        }
    }
    assert!(mistake.is_none(), "{path}: nothing is said of the last mistake");
    if update {
        return page.write(told);
    }
    let differ = |(block, report): &(Block, String)| format!("{}\nis now\n{report}", block.text);
    let differ: Vec<_> = told.iter().map(differ).collect();
    assert!(differ.is_empty(), "{path} is behind, see UPDATE_DOCS:\n{}", differ.join("\n"));
}

/// A text without its line breaks, which are elsewhere where a folder's name is longer.
fn flow(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
