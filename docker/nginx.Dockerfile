# nginx with a shipped snippet, as an unprivileged user. The targets differ only in the snippet.

FROM debian:bookworm-slim AS nginx
RUN apt-get update \
    && apt-get install -y --no-install-recommends nginx \
    && rm -rf /var/lib/apt/lists/*
COPY docker/nginx.conf /etc/nginx/nginx.conf
EXPOSE 8080
STOPSIGNAL SIGQUIT
CMD ["nginx", "-e", "stderr", "-g", "daemon off;"]

# The following targets replace the addresses in the snippet.
FROM nginx AS disk
COPY nginx/healthcheck.conf /etc/nginx/snippets/sendfile.conf
RUN sed -i 's|127.0.0.1:8000|fixture-nginx:8000|' /etc/nginx/snippets/sendfile.conf
USER www-data

# The fault: `alias` is missing its trailing slash.
FROM disk AS broken
USER root
RUN sed -i 's|alias /srv/media/;|alias /srv/media;|' /etc/nginx/snippets/sendfile.conf
USER www-data

FROM nginx AS s3
COPY nginx/remote.conf /etc/nginx/snippets/sendfile.conf
RUN sed -i 's|127.0.0.1:9000|store:8333|; s|127.0.0.1:8000|fixture-s3:8000|' /etc/nginx/snippets/sendfile.conf
USER www-data
