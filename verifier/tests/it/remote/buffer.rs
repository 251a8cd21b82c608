//! A proxy that buffers responses for slow clients in temporary files, but cannot write them: files that
//! fit into its memory are served, and larger ones are aborted.

use std::fs;

use super::{
    Edit, nginx,
    relay::{Relay, RelayState},
    signing, verify,
};
use crate::stores;

/// Larger than the buffers of nginx and the sockets together.
const LARGE: u64 = 32 << 20;

/// The directive in the internal location.
const UNBUFFERED: &str = "proxy_max_temp_file_size 0;                     #";

#[tokio::test(flavor = "multi_thread")]
async fn aborted_download_is_attributed_to_the_proxy() {
    let Some(store) = stores::seaweed().map(|it| it.below("buffer")) else { return };
    if stores::program("nginx", "/usr/sbin/nginx").is_none() {
        return;
    }
    let large = signing(&store).size(LARGE).start().await.expect("a running store");
    let small = signing(&store.below("small")).start().await.expect("a running store");
    let buffered: &[Edit] = &[(UNBUFFERED, "#")];
    for (fixture, edits, expected) in [
        (&large, &[][..], None),
        (&small, buffered, None),
        (&large, buffered, Some("proxy.breaks-off")),
    ] {
        let below =
            if std::ptr::eq(fixture, &small) { store.below("small") } else { store.clone() };
        let proxy = nginx(&below, &fixture.address().to_string(), edits);
        // The directory exists when nginx starts, but cannot be written to afterwards.
        let folder = proxy.run.join("t1");
        fs::remove_dir_all(&folder).expect("a directory of nginx");
        fs::write(&folder, "").expect("a file in its place");
        let port = proxy.site.rsplit(':').next().and_then(|it| it.parse().ok()).expect("a port");
        let slow = Relay::to(port).await;
        slow.now(RelayState::Late);
        let site = format!("http://127.0.0.1:{}", slow.port);
        let url = fixture.url();
        let words = ["sendfile-check", "verify", "--fixture", &url, "--site", &site];
        let words: Vec<_> = words.into_iter().chain(["--storage", &below.url]).collect();
        let diagnosis = verify(&words, &below.options()).await;
        let found: Vec<_> = diagnosis.findings.iter().map(|it| it.rule.id).collect();
        assert_eq!(
            found.first().copied(),
            expected,
            "{edits:?}: {found:?} {} {}",
            diagnosis.direct.seen,
            diagnosis.full.seen
        );
    }
    for fixture in [large, small] {
        fixture.stop().await.expect("a running store");
    }
}
