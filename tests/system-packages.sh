#!/bin/sh
# Install what the tests need from Debian when root, else say which tests are left out and why.
set -eu
postfix=""
[ -x /usr/sbin/postfix ] || postfix=" postfix"
dovecot=""
[ -x /usr/lib/dovecot/imap ] || dovecot=" dovecot-imapd"
browser=""
command -v chromium >/dev/null || browser="$browser chromium"
# What steers Chromium, Playwright's own node, is linked against it; Chromium does not bring it.
"${PYTHON:-python3}" -c 'import ctypes; ctypes.CDLL("libatomic.so.1")' 2>/dev/null ||
  browser="$browser libatomic1"
fc-list 2>/dev/null | grep -qi "NotoSansArabic\|NotoNaskhArabic" || browser="$browser fonts-noto-core"
server=""
command -v caddy >/dev/null || server="$server caddy"
command -v systemd-analyze >/dev/null || server="$server systemd"
missing=$postfix$dovecot$browser$server
if [ "$(id -u)" != 0 ]; then
  echo "Left out: tests on a real Postfix (marker: postfix). It is started by root only."
  echo "Left out: tests on a real Dovecot (marker: dovecot). It is started by root only."
  missing=$browser$server
fi
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing for the tests:$missing"
  apt-get update -qq
  # shellcheck disable=SC2086  # One word each.
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
  [ -z "$browser" ] || echo "Left out: tests in a real browser (marker: browser). Not installed:$browser."
  [ -z "$server" ] || echo "Left out: tests of what a server needs beside us. Not installed:$server."
  echo "To run them: sudo apt install$missing"
fi
