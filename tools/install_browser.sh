#!/bin/sh
# Installs the Chromium of Debian for the page tests, if there is none and it may be installed.
set -eu
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
if ! command -v apt-get >/dev/null 2>&1; then
  echo "no browser, and no apt-get to install one: install chromium for the page tests" >&2
  exit 0
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "no browser, and no right to install one: apt-get install chromium" >&2
    exit 0
  fi
  as_root="sudo -n"
fi
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends \
  chromium fonts-noto-core fonts-noto-cjk >/dev/null
