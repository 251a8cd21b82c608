# The commands of the project. You can also run each line by hand.

.PHONY: demo test test-compose bench lint docs deb test-deb proxies

# A self-contained demo: a storage in a temporary directory, the fixture, the built-in proxy, and the report.
demo:
	cargo run --quiet --release --bin sendfile-check -- demo

# Runs every test on the real proxies; installs them if they are missing.
test: proxies
	CI=true cargo test --workspace

# Runs docker-compose.yml from scratch on its own Docker engine (Debian, Ubuntu; as root). Builds both programs with all
# dependencies, which takes several minutes.
test-compose:
	@.ci/test-compose

# Compares the performance with bare hyper, curl and openssl; prints medians and ratios.
bench: proxies
	cargo bench --workspace

lint:
	.ci/structure
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

# Regenerates the pages in docs/ that tests hold; installs the real proxies and stores if they are missing.
docs: proxies
	cargo build --bins
	CI=true UPDATE_DOCS=1 cargo test -p sendfile-check --test it -- faults checks:: matrix remote::page apps::

# Builds Debian packages of both programs in target/debian/; installs cargo-deb if it is missing.
deb:
	@.ci/deb

# Installs the packages in a clean Debian (as root, with debootstrap) and checks a download there.
test-deb: deb
	@.ci/test-deb

proxies:
	@.ci/proxies
