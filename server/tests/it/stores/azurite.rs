//! Azurite, the emulator of Azure.

use std::path::PathBuf;

use super::{Curl, Store, folder, free_ports, start, until, words};

/// Azurite's public account, and a token signed with its public key.
const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const SAS: &str = "sv=2020-02-10&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00%3A00%3A00Z\
                   &sig=qUU5XdapkCCOMz6HGCGT%2F%2BSFcNz75EvIwajXYmbdD8o%3D";
/// Tokens with read access only, and without read access.
const READER: &str = "sv=2020-02-10&ss=b&srt=sco&sp=rl&se=2099-01-01T00%3A00%3A00Z\
    &sig=bzPbuJRlgNInzUIWxaKwnWFZql4Tb9oP5ugIh2qDiII%3D";
const WRITER: &str = "sv=2020-02-10&ss=b&srt=sco&sp=wac&se=2099-01-01T00%3A00%3A00Z\
    &sig=F01fUuViFFk3YoIu6%2BUVTeES4Rds7bY76oXWmzOxujc%3D";

/// Starts the server.
pub(super) fn start_azurite(azurite: PathBuf) -> Store {
    let run = folder("azurite");
    let [port] = free_ports();
    let arguments = format!(
        "--blobHost 127.0.0.1 --blobPort {port} --location {} --skipApiVersionCheck \
         --disableTelemetry --silent",
        run.display()
    );
    start(&azurite, &words(&arguments.split_whitespace().collect::<Vec<_>>()), &run);
    let endpoint = format!("http://127.0.0.1:{port}/{ACCOUNT}");
    let root = format!("{endpoint}/probe");
    let curl = Curl { root, options: words(&["-H", "x-ms-blob-type: BlockBlob"]), query: SAS };
    until("the container exists", || curl.ask("PUT", "", "restype=container", None).0 == 201);
    Store {
        name: "Azurite",
        url: "az://probe/media".into(),
        missing: Some("az://missing/media".into()),
        place: vec![("endpoint", endpoint), ("account_name", ACCOUNT.into())],
        key: vec![("account_key", ACCOUNT_KEY.into())],
        wrong_key: vec![("account_key", ACCOUNT_KEY.replace("Eby8", "AAAA"))],
        reader: vec![("sas_token", READER.into())],
        stranger: vec![("sas_token", WRITER.into())],
        curl: Curl { root: curl.root.clone() + "/media", ..curl },
    }
}
