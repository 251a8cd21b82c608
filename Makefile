# The commands of the project, each a line that can be typed by hand as well.

.PHONY: demo test bench lint proxies

# The main job on embedded defaults: a storage in a temporary folder, the fixture, a built-in proxy, and the report.
demo:
	cargo run --quiet --release --bin sendfile-check -- demo

# Every test, on the real proxies; installs them if they are missing.
test: proxies
	CI=true cargo test --workspace

# Side by side with bare hyper, curl and openssl; prints medians and ratios.
bench: proxies
	cargo bench --workspace

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

proxies:
	@.ci/proxies
