# Apache with the shipped snippet, as an unprivileged user.

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends apache2 libapache2-mod-xsendfile \
    && rm -rf /var/lib/apt/lists/*
COPY docker/apache.conf /etc/apache2/
COPY apache/healthcheck.conf /etc/apache2/
# Replaces the fixture's address in the snippet.
RUN sed -i 's|127.0.0.1:8000|fixture-apache:8000|' /etc/apache2/healthcheck.conf
USER www-data
EXPOSE 8080
STOPSIGNAL SIGWINCH
CMD ["apache2", "-DFOREGROUND", "-f", "/etc/apache2/apache.conf"]
