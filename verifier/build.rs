//! Lists the faults of the demo: each file `tests/faults/RULE/ID.toml` becomes a row of `FAULTS`.
//!
//! Cargo runs this again when a file below `tests/faults` is added, changed or deleted.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    if env::var_os("CARGO_FEATURE_DEMO").is_none() {
        return Ok(());
    }
    println!("cargo::rerun-if-changed=tests/faults");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut table = String::from("&[\n");
    for (id, path) in faults(&root.join("tests/faults"))? {
        writeln!(table, "    ({id:?}, include_str!({path:?})),")?;
    }
    table.push_str("]\n");
    fs::write(out.join("faults.rs"), table)?;
    Ok(())
}

/// All faults, sorted by id. An id is the stem of its file and occurs once, whatever the directory.
fn faults(root: &Path) -> Result<BTreeMap<String, PathBuf>, Box<dyn Error>> {
    let mut faults = BTreeMap::new();
    for directory in fs::read_dir(root)? {
        for file in fs::read_dir(directory?.path())? {
            let path = file?.path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let id = stem.ok_or("the name of a fault is not UTF-8")?.to_owned();
            if let Some(other) = faults.insert(id, path.clone()) {
                return Err(
                    format!("{} and {} have the same id", other.display(), path.display()).into()
                );
            }
        }
    }
    Ok(faults)
}
