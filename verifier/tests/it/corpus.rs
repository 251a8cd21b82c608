//! The faults: the directory of each file, and the rules that they cover.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

use sendfile_check::demo::fault::{FAULTS, Fault};
use sendfile_rules::rules;

use crate::faults;

/// A file `tests/faults/DIRECTORY/ID.toml`.
struct Case {
    directory: String,
    id: String,
}

/// All faults, sorted by id.
fn faults() -> Vec<Case> {
    let mut cases = Vec::new();
    for directory in entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults")) {
        for path in entries(&directory) {
            let id = path.file_stem().expect("a file").to_string_lossy().into_owned();
            let directory = directory.file_name().expect("a directory").to_string_lossy();
            cases.push(Case { directory: directory.into_owned(), id });
        }
    }
    cases.sort_by(|a, b| a.id.cmp(&b.id));
    cases
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a readable directory");
    entries.map(|entry| entry.expect("a readable entry").path()).collect()
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.toml", self.directory, self.id)
    }
}

#[test]
fn every_fault_is_in_the_directory_of_its_first_rule() {
    for case in faults() {
        let fault = Fault::named(&case.id).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(case.directory, faults::directory(&fault), "{case}");
        assert!(case.id.starts_with(fault.proxy.id()), "{case}: the id must start with the proxy");
    }
}

/// The build script lists the faults for the demo.
#[test]
fn demo_has_every_fault() {
    let files = faults().into_iter().map(|case| case.id);
    let listed = FAULTS.iter().map(|(id, _)| (*id).to_owned());
    assert_eq!(listed.collect::<Vec<_>>(), files.collect::<Vec<_>>());
}

#[test]
fn every_rule_is_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/diagnosis.md");
    let page = fs::read_to_string(page).expect("docs/diagnosis.md");
    for rule in rules() {
        assert!(page.contains(&format!("| `{}` |", rule.id)), "{}: no row in the page", rule.id);
        for text in [rule.summary, rule.meaning, rule.remedy.any] {
            assert!(!text.is_empty(), "{}: `explain` has nothing to print", rule.id);
        }
    }
}

/// The rules that no fault shows, by reason.
const WITHOUT_FAULT: &[(&str, &[&str])] = &[
    (
        "needs a real store: tests/it/remote.rs, remote/page.rs and remote_header.rs",
        &[
            "app.signature-refused",
            "storage.access-denied",
            "storage.bucket-missing",
            "storage.clock-skewed",
            "storage.key-refused",
            "storage.name-not-resolved",
            "storage.range-unknown",
            "storage.tls-refused",
            "storage.wrong-range",
        ],
    ),
    ("no store that runs in the tests checks the region", &["storage.wrong-region"]),
    (
        "needs TLS: tests/it/tls.rs and remote_tls.rs",
        &["frontend.certificate-ends-soon", "frontend.protocols-differ", "proxy.store-not-trusted"],
    ),
    ("needs HTTP/2 to Apache, whose response depends on timing", &["app.length-breaks-http2"]),
    ("needs a file that fills the buffers: tests/it/remote/buffer.rs", &["proxy.breaks-off"]),
    ("needs nginx/remote-header.conf: tests/it/remote_header.rs", &["handoff.relay-for-anybody"]),
    ("a shipped snippet shows it: tests/it/names.rs", &["handoff.name-limits"]),
    (
        "needs a user who cannot read the files, but the tests may run as root",
        &["proxy.configuration-not-read", "storage.closed-to-the-check"],
    ),
    ("matches only where no known cause does", &["proxy.direct-fails"]),
];

#[test]
fn every_rule_has_a_fault_or_a_reason() {
    let mut excused = BTreeSet::new();
    for (_, rules) in WITHOUT_FAULT {
        for rule in *rules {
            assert!(excused.insert(*rule), "{rule} is listed twice");
        }
    }
    let mut shown = Vec::new();
    for (id, _) in FAULTS {
        shown.push(Fault::named(id).expect("a valid fault"));
    }
    let without_fault = rules().map(|rule| rule.id);
    let without_fault =
        without_fault.filter(|id| !shown.iter().any(|fault| faults::names(fault, id)));
    assert_eq!(without_fault.collect::<BTreeSet<_>>(), excused);
}
