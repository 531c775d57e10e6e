#!/bin/sh
# Builds the image with docker or podman where they work, else with buildah, which needs neither a
# daemon nor name spaces. Arguments are passed on: --target loadtest.
#
# From the environment: IMAGE (tocsin:<version>), BASE_IMAGE (see Dockerfile; with buildah alone and
# no registry, `make image-base` makes one), and pip's own PIP_INDEX_URL and PIP_CERT.
set -eu
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
secrets=$(mktemp -d)
trap 'rm -rf "$secrets"' EXIT
{
    echo '[global]'
    [ -z "${PIP_INDEX_URL:-}" ] || echo "index-url = $PIP_INDEX_URL"
    [ -z "${PIP_CERT:-}" ] || echo 'cert = /run/secrets/ca'
} > "$secrets/pip.conf"
cat "${PIP_CERT:-/dev/null}" > "$secrets/ca"

set -- --tag "${IMAGE:-tocsin:$version}" "$@" \
    --secret "id=pip.conf,src=$secrets/pip.conf" --secret "id=ca,src=$secrets/ca" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$(git rev-parse HEAD)" \
    ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} .
if docker info > /dev/null 2>&1; then
    docker build "$@"
elif command -v podman > /dev/null && podman info > /dev/null 2>&1; then
    podman build "$@"
elif command -v buildah > /dev/null; then
    buildah --storage-driver vfs build --isolation chroot --format oci --layers=false "$@"
else
    echo "Building needs docker, podman or buildah (Debian: apt-get install buildah)." >&2
    exit 1
fi
