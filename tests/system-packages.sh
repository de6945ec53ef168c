#!/bin/sh
# Install what the tests need from Debian when root, else say which tests are left out and why.
set -eu
tools=""
command -v git >/dev/null || tools="$tools git"
command -v pgrep >/dev/null || tools="$tools procps"
postfix=""
command -v postfix >/dev/null || [ -x /usr/sbin/postfix ] || postfix=" postfix"
browser=""
command -v chromium >/dev/null || browser="$browser chromium"
# Playwright's node, which steers Chromium, is linked against it; no package of Chromium's brings it.
"${PYTHON:-python3}" -c 'import ctypes; ctypes.CDLL("libatomic.so.1")' 2>/dev/null ||
  browser="$browser libatomic1"
fc-list 2>/dev/null | grep -qi "NotoSansArabic\|NotoNaskhArabic" || browser="$browser fonts-noto-core"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  [ -z "$browser" ] || echo "Left out: tests in a real browser (marker: browser). Not installed:$browser."
  [ -z "$tools" ] || echo "Not installed, and some tests fail without:$tools."
  [ -z "$tools$browser" ] || echo "To run them: sudo apt install$tools$browser"
  [ "$(id -u)" = 0 ] || echo "Left out: tests on a real Postfix (marker: postfix). Only root can start it: sudo make test"
  exit 0
fi
missing=$tools$postfix$browser
[ -n "$missing" ] || exit 0
echo "Installing for the tests:$missing"
apt-get update -qq
# shellcheck disable=SC2086  # One word each.
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
