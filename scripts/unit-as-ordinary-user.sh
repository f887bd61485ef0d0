#!/usr/bin/env bash
# The unit tests as a user who may do little: root reads and writes whatever the
# modes say, so that as root a test cannot see what is refused to everybody else.
# Needs root; the user and the copy of the checkout that is theirs are removed again.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
  echo 'Not root: the unit tests run as an ordinary user anyway.' >&2
  exit 1
fi

# Under /tmp, which ordinary users can reach, as they often cannot reach root's folders.
place=$(mktemp -d /tmp/vertex-backup-ordinary-XXXXXX)
user=vertex-test-$$
# Where no user can be made one without an entry does too; nobody is given ids as high as this.
uid=$((64000 + $$ % 1000))

remove() {
  rm -rf "$place"
  if [ "$made" = yes ]; then userdel "$user"; fi
}
made=no
trap remove EXIT
trap 'exit 130' INT TERM HUP

if useradd --no-create-home --home-dir "$place/home" --shell /bin/sh "$user"; then
  made=yes
  uid=$(id -u "$user")
fi

mkdir "$place/home" "$place/checkout"
tar -cf - --exclude=./.git --exclude=./node_modules/.cache . | tar -xf - -C "$place/checkout"
chmod 755 "$place"
chown -R "$uid:$uid" "$place"
cd "$place/checkout"
setpriv --reuid "$uid" --regid "$uid" --clear-groups \
  env HOME="$place/home" USER="$user" LOGNAME="$user" npm run unit
