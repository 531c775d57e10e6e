#!/bin/sh
# Makes a base image out of Debian's own packages, for where no registry of images can be reached:
# then `BASE_IMAGE=localhost/tocsin-base make image`. Needs root, debootstrap and buildah.
set -eu
suite=${1:-bookworm}
for tool in debootstrap buildah; do
    command -v "$tool" > /dev/null || { echo "This needs Debian's package $tool." >&2; exit 1; }
done

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$root/base"
rm -rf "$root"/base/var/cache/apt/* "$root"/base/var/lib/apt/lists/* \
    "$root"/base/usr/share/doc/* "$root"/base/usr/share/man/* "$root"/base/usr/share/locale/*
printf 'FROM scratch\nADD base /\nCMD ["python3"]\n' > "$root/Dockerfile"
buildah --storage-driver vfs build --isolation chroot --layers=false --tag localhost/tocsin-base "$root"
