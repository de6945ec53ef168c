#!/bin/sh
# Install what the tests need from Debian when root, else say which tests are left out and why.
set -eu
missing=""
command -v chromium >/dev/null || missing="$missing chromium"
command -v postfix >/dev/null || [ -x /usr/sbin/postfix ] || missing="$missing postfix"
fc-list 2>/dev/null | grep -qi "NotoSansArabic\|NotoNaskhArabic" || missing="$missing fonts-noto-core"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing for the tests:$missing"
  apt-get update -qq
  # shellcheck disable=SC2086  # One word each.
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
  echo "Not installed:$missing. Tests that need them are left out (markers: browser, postfix)."
  echo "To run all of them: sudo apt install$missing"
fi
