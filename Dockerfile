# Both programs, each alone in an image: no shell, no libraries, no root.
#
#   docker build --target fixture -t sendfile-fixture .
#   docker build --target check -t sendfile-check .

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
# Linked statically. Names are looked up even so: glibc has had files and DNS built in since 2.34.
ENV RUSTFLAGS="-C target-feature=+crt-static"

# The dependencies, for which empty programs stand in for ours: this layer is kept until a manifest changes.
COPY Cargo.toml Cargo.lock ./
COPY server/Cargo.toml server/
COPY verifier/Cargo.toml verifier/
RUN mkdir server/src server/benches verifier/src verifier/benches \
    && touch server/src/lib.rs server/benches/view.rs verifier/src/lib.rs verifier/benches/verify.rs \
    && echo 'fn main() {}' | tee server/src/main.rs > verifier/src/main.rs \
    && cargo build --release --locked --bins --target "$(uname -m)-unknown-linux-gnu"

# The programs. The snippets are inside of the verifier. Cargo goes by dates, and a checkout may be older than the layer.
COPY apache apache
COPY caddy caddy
COPY lighttpd lighttpd
COPY nginx nginx
COPY server server
COPY verifier verifier
RUN touch server/src/lib.rs server/src/main.rs verifier/src/lib.rs verifier/src/main.rs \
    && cargo build --release --locked --bins --target "$(uname -m)-unknown-linux-gnu" \
    && mkdir -p programs volumes/media \
    && mv target/*/release/sendfile-fixture target/*/release/sendfile-check programs/

FROM scratch AS fixture
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /build/programs/sendfile-fixture /
# A new volume takes the owner of the folder that it is mounted on.
COPY --from=build --chown=65532:65532 /build/volumes /srv
USER 65532:65532
# On its own loopback nobody could ask it. Whoever shares a network with the container may: nothing is published, and it
# must not be run with the host's network.
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
