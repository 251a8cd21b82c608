# One image for each program, containing only the program: no shell, no libraries, no root.
#
#   docker build --target fixture -t sendfile-fixture .
#   docker build --target check -t sendfile-check .

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
# Linked statically. Name resolution still works: since 2.34, glibc contains the `files` and `dns` services itself.
ENV RUSTFLAGS="-C target-feature=+crt-static"

# Builds the dependencies with empty programs, so that this layer stays cached until a Cargo.toml or Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
COPY manual/Cargo.toml manual/
COPY server/Cargo.toml server/
COPY stores/Cargo.toml stores/
COPY verifier/Cargo.toml verifier/
COPY verifier/evidence/Cargo.toml verifier/evidence/
COPY verifier/probe/Cargo.toml verifier/probe/
COPY verifier/readers/Cargo.toml verifier/readers/
COPY verifier/rules/Cargo.toml verifier/rules/
COPY verifier/scenarios/Cargo.toml verifier/scenarios/
RUN for manifest in */Cargo.toml */*/Cargo.toml; do \
        mkdir "${manifest%/*}/src" && touch "${manifest%/*}/src/lib.rs" || exit 1; \
    done \
    && mkdir -p server/benches verifier/benches verifier/tests/it \
    && touch server/benches/view.rs verifier/benches/verify.rs verifier/tests/it/main.rs \
    && echo 'fn main() {}' | tee server/src/main.rs > verifier/src/main.rs \
    && cargo build --release --locked --bins --target "$(uname -m)-unknown-linux-gnu"

# Builds the programs. The verifier embeds the snippets. `touch` is required because Cargo compares modification times,
# and the checkout may be older than the layer.
COPY apache apache
COPY caddy caddy
COPY lighttpd lighttpd
COPY nginx nginx
COPY manual manual
COPY server server
COPY stores stores
COPY verifier verifier
RUN touch */src/*.rs */*/src/*.rs \
    && cargo build --release --locked --bins --target "$(uname -m)-unknown-linux-gnu" \
    && mkdir -p programs volumes/media \
    && mv target/*/release/sendfile-fixture target/*/release/sendfile-check programs/

FROM scratch AS fixture
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /build/programs/sendfile-fixture /
# A new volume inherits the owner of the directory on which it is mounted.
COPY --from=build --chown=65532:65532 /build/volumes /srv
USER 65532:65532
# On loopback, the fixture would not be reachable from other containers. All containers on the same network can reach
# it: do not publish the port, and do not run the container with the host's network.
ENV SENDFILE_FIXTURE_LISTEN=0.0.0.0:8000 SENDFILE_FIXTURE_STORAGE=file:///srv/media
EXPOSE 8000
HEALTHCHECK --timeout=5s --start-period=30s CMD ["/sendfile-fixture", "ready"]
ENTRYPOINT ["/sendfile-fixture"]
CMD ["serve"]

FROM scratch AS check
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /build/programs/sendfile-check /
USER 65532:65532
ENTRYPOINT ["/sendfile-check"]
CMD ["--help"]
