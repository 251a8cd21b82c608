# The commands of the project, each a line that can be typed by hand as well.

.PHONY: demo test test-compose bench lint deb test-deb proxies

# The main job on embedded defaults: a storage in a temporary folder, the fixture, a built-in proxy, and the report.
demo:
	cargo run --quiet --release --bin sendfile-check -- demo

# Every test, on the real proxies; installs them if they are missing.
test: proxies
	CI=true cargo test --workspace

# docker-compose.yml from nothing, on an engine of its own (Debian, Ubuntu; root). Builds both programs with all that
# they are linked with, which takes its time.
test-compose:
	@.ci/test-compose

# Side by side with bare hyper, curl and openssl; prints medians and ratios.
bench: proxies
	cargo bench --workspace

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

# Debian packages of both programs, in target/debian/; installs cargo-deb if it is missing.
deb:
	@.ci/deb

# Installs the packages in a clean Debian of its own (root, debootstrap), and checks a download there.
test-deb: deb
	@.ci/test-deb

proxies:
	@.ci/proxies
