# MAG in production: PostgreSQL and Redis are elsewhere, settings come from the environment (docs/exploitation.md).
FROM python:3.11-slim

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /srv/mag

COPY requirements-production.lock ./
RUN pip install --require-hashes -r requirements-production.lock

COPY . .
RUN pip install --no-deps --no-build-isolation . \
    && useradd --system --home-dir /srv/mag --shell /usr/sbin/nologin mag \
    && install -d -o mag -g mag /srv/mag/var

USER mag
EXPOSE 8000
# MAG answers its own host names alone: the check asks for the issuer's.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-c", "\
import os, urllib.parse, urllib.request as r; \
i = urllib.parse.urlsplit(os.environ['MAG_ISSUER']); \
q = r.Request('http://127.0.0.1:8000' + i.path + '/.well-known/openid-configuration', headers={'Host': i.netloc}); \
r.urlopen(q, timeout=4)"]
CMD ["mag", "serve", "--host", "0.0.0.0", "--port", "8000"]
